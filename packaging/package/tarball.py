"""A .tar.gz to unpack by hand, and the sums of everything."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from pathlib import Path

from .manifest import Package


def build(package: Package, tree: Path, _work: Path, to: Path, fast: bool) -> Path:
    path = to / f"{package.name}-{package.version}-{package.release}.{package.architecture()[1]}.tar.gz"
    with path.open("wb") as file, gzip.GzipFile("", "wb", 0 if fast else 9, file, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for source in sorted(tree.rglob("*")):
                archive.add(source, str(source.relative_to(tree)), recursive=False, filter=_of_nobody)
    return path


def _of_nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def write_sums(paths: list[Path], to: Path) -> None:
    """As `sha256sum --check` reads them."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(paths)]
    to.write_text("".join(lines), encoding="ascii")
