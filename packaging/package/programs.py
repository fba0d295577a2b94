"""The programs, built where they are not given, and what they say about themselves: man pages and completions."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from . import dependencies

ROOT = Path(__file__).resolve().parents[2]


def gather(built: Path, agent: Path | None, coordinator: Path | None) -> None:
    """Fills `built` with what packages.toml names below `built/`."""
    agent = agent or ROOT / _said("bash", "packaging/build-agent").strip()
    coordinator = coordinator or _built_coordinator()
    for program, name in ((agent, "eic-doctor-agent"), (coordinator, "eic-doctor")):
        _copy(program, built / name)
    for what in ("man", "completions"):
        _said(str(coordinator), "generate", what, "--to", str(built / "coordinator" / what))
    _write_manual(agent, built / "agent/man")
    dependencies.write(ROOT, "eic-doctor-agent", ["small"], built / "eic-doctor-agent")
    dependencies.write(ROOT, "eic-doctor", [], built / "eic-doctor")


def _copy(program: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(program, to)
    to.chmod(0o755)


def _built_coordinator() -> Path:
    _said("cargo", "build", "--locked", "--quiet", "--release", "--package", "eic-doctor")
    return Path(json.loads(_said("cargo", "metadata", "--format-version=1", "--no-deps"))["target_directory"]) / "release/eic-doctor"


def _write_manual(agent: Path, folder: Path) -> None:
    """One page from the agent's own help, for it has no room for a generator: each subcommand's words as they are printed."""
    overview = _said(str(agent), "--help")
    commands = re.findall(r"^  ([a-z]+) ", overview.partition("Commands:")[2], re.MULTILINE)
    sections = [("DESCRIPTION", overview)]
    sections += [(name.upper(), _said(str(agent), name, "--help")) for name in commands if name != "help"]
    page = '.TH EIC-DOCTOR-AGENT 1\n.SH NAME\neic-doctor-agent \\- looks why a login through EC2 Instance Connect fails\n'
    for title, text in sections:
        # A line of text may begin with no control character, and a backslash is roff's.
        lines = "\n".join("\\&" + line.replace("\\", "\\e").replace("-", "\\-") for line in text.rstrip().splitlines())
        page += f".SH {title}\n.nf\n{lines}\n.fi\n"
    folder.mkdir(parents=True)
    (folder / "eic-doctor-agent.1").write_text(page, encoding="utf-8")


def _said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
