"""packages.toml as data, and a package's files laid out as they will lie on the machine."""

from __future__ import annotations

import gzip
import os
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "packaging/scripts"
PROGRAMS = ("/usr/bin/", "/usr/libexec/")
# e_machine of an ELF header: what dpkg and rpm call it.
MACHINES = {62: ("amd64", "x86_64"), 183: ("arm64", "aarch64")}


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    release: int
    # Seconds since 1970: the time of everything in the package.
    epoch: int
    maintainer: str
    homepage: str
    licence: str
    summary: str
    description: str
    # By `deb` and `rpm`.
    depends: dict[str, list[str]]
    recommends: list[str]
    units: list[str]
    user: str
    state: list[str]
    # Source and target.
    files: list[tuple[Path, str]]
    built: Path

    def lay_out(self, tree: Path) -> None:
        """All files with their modes and times; man pages and long documents compressed, as both families do it."""
        for source, target in self.files:
            path = tree / target.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            if "/man/" in target or target.endswith("third-party-licences"):
                path = path.with_name(path.name + ".gz")
                path.write_bytes(gzip.compress(source.read_bytes(), mtime=0))
            else:
                shutil.copyfile(source, path)
            path.chmod(0o755 if target.startswith(PROGRAMS) else 0o644)
        for path in [tree, *tree.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
            os.utime(path, (self.epoch, self.epoch))

    def configuration(self) -> list[str]:
        return [target for _, target in self.files if target.startswith("/etc/")]

    def architecture(self) -> tuple[str, str]:
        with open(self.built / self.name, "rb") as program:
            header = program.read(20)
        return MACHINES[int.from_bytes(header[18:20], "little")]

    def script(self, *names: str) -> str:
        text = "".join((SCRIPTS / name).read_text(encoding="utf-8") for name in names)
        words = {"@NAME@": self.name, "@UNITS@": " ".join(self.units), "@STATE@": " ".join(self.state), "@USER@": self.user}
        for word, value in words.items():
            text = text.replace(word, value)
        return text


def read(path: Path, built: Path, release: int, epoch: int) -> list[Package]:
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    general = {key: told.pop(key) for key in ("maintainer", "homepage", "license")}
    version = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
    return [
        Package(
            name=name, version=version, release=release, epoch=epoch,
            maintainer=general["maintainer"], homepage=general["homepage"], licence=general["license"],
            summary=one["summary"], description=one["description"].strip(),
            depends=one.get("depends", {}), recommends=one.get("recommends", []),
            units=one["units"], user=one.get("user", ""), state=one["state"],
            files=_files(path.parent, built, name, one["files"]), built=built,
        )
        for name, one in told.items()
    ]  # fmt: skip


def _files(folder: Path, built: Path, name: str, told: dict[str, str | list[str]]) -> list[tuple[Path, str]]:
    documents = f"/usr/share/doc/{name}/"
    always = {
        "../LICENSE": f"{documents}copyright",
        f"built/{name}.third-party-licences": f"{documents}third-party-licences",
        f"built/{name}.sbom.cdx.json": f"{documents}sbom.cdx.json",
    }
    found = []
    for pattern, targets in {**told, **always}.items():
        below, pattern = (built, pattern.removeprefix("built/")) if pattern.startswith("built/") else (folder, pattern)
        sources = sorted(below.glob(pattern))
        if not sources:
            raise FileNotFoundError(f"packages.toml names {pattern} for {name}, and there is no such file")
        for source in sources:
            for target in [targets] if isinstance(targets, str) else targets:
                found.append((source, target + source.name if target.endswith("/") else target))
    return found
