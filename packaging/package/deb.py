"""A .deb by dpkg-deb."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .manifest import Package

# dpkg calls them also to take back what failed: nothing of ours is to be taken back then.
POSTINST = '[ "$1" = configure ] || exit 0\nupgrade=$2\n{}'
PRERM = '[ "$1" = remove ] || exit 0\n{}'
POSTRM = 'if [ "$1" = remove ]; then\n{}fi\nif [ "$1" = purge ]; then\n{}fi\n'


def build(package: Package, tree: Path, work: Path, to: Path, fast: bool) -> Path:
    architecture = package.architecture()[0]
    root = work / f"{package.name}.deb"
    shutil.copytree(tree, root)
    control = root / "DEBIAN"
    control.mkdir()
    _write(control / "control", _control(package, architecture, tree), 0o644)
    _write(control / "conffiles", "".join(f"{path}\n" for path in package.configuration()), 0o644)
    purge = package.script("purge", *(["purge-user"] if package.user else []))
    bodies = {
        "postinst": POSTINST.format(package.script("after-install")),
        "prerm": PRERM.format(package.script("before-remove")),
        "postrm": POSTRM.format(package.script("after-remove"), purge),
    }
    for name, body in bodies.items():
        _write(control / name, f"#!/bin/sh\nset -e\n{body}", 0o755)
    path = to / f"{package.name}_{package.version}-{package.release}_{architecture}.deb"
    subprocess.run(
        # One thread: what several compress differs with their number.
        ["dpkg-deb", "--root-owner-group", "-Znone" if fast else "-Zxz", "--threads-max=1", "--build", str(root), str(path)],
        check=True, stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(package.epoch)},
    )  # fmt: skip
    return path


def _control(package: Package, architecture: str, tree: Path) -> str:
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
    lines = [line.strip() or "." for line in package.description.splitlines()]
    fields = {
        "Package": package.name,
        "Version": f"{package.version}-{package.release}",
        "Architecture": architecture,
        "Maintainer": package.maintainer,
        "Installed-Size": str(-(-size // 1024)),
        "Depends": ", ".join(package.depends.get("deb", [])),
        "Recommends": ", ".join(package.recommends),
        "Section": "admin",
        "Priority": "optional",
        "Homepage": package.homepage,
        "Description": "\n ".join([package.summary, *lines]),
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def _write(path: Path, text: str, mode: int) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
