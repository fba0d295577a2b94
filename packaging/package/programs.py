"""The programs, built where they are not given, and what they say about themselves: man pages and completions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from . import dependencies

ROOT = Path(__file__).resolve().parents[2]


def gather(built: Path, agent: Path | None, coordinator: Path | None) -> None:
    """Fills `built` with what packages.toml names below `built/`."""
    agent = agent or ROOT / _said("packaging/build-agent").strip()
    coordinator = coordinator or ROOT / _said("packaging/build-coordinator").strip()
    for program, name in ((agent, "eic-doctor-agent"), (coordinator, "eic-doctor")):
        _copy(program, built / name)
    for what in ("man", "completions", "agent-man", "agent-completions"):
        _said(str(coordinator), "generate", what, "--to", str(built / what))
    dependencies.write(ROOT, "eic-doctor-agent", ["small"], built / "eic-doctor-agent")
    dependencies.write(ROOT, "eic-doctor", [], built / "eic-doctor")


def _copy(program: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(program, to)
    to.chmod(0o755)


def _said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
