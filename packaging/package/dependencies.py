"""What is in a program beside our own code: an SBOM in CycloneDX 1.5, and the licences' texts. From cargo's own words, without network."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

# Of a crate's own folder; without them its declared expression has to do.
TEXTS = re.compile(r"(?i)^(licen[cs]e|copying|notice|copyright|unlicense)")
# Texts that no crate brings.
OWN_TEXTS = Path(__file__).resolve().parents[1] / "licences"
# What only this C library says.
GLIBC = b"Fatal glibc error"
OURS = ("eic-doctor", "eic-doctor-agent", "eic-doctor-proto")


@dataclass(frozen=True, order=True)
class Crate:
    name: str
    version: str
    licence: str
    description: str
    checksum: str
    # None: no crate, but linked in all the same.
    folder: Path | None

    @property
    def purl(self) -> str:
        version = f"@{self.version}" if self.version else ""
        return f"pkg:{'cargo' if self.folder else 'generic'}/{self.name}{version}"

    def texts(self) -> list[Path]:
        folder = self.folder or OWN_TEXTS / self.name
        return sorted(path for path in folder.glob("*") if path.is_file() and (not self.folder or TEXTS.match(path.name)))


def write(root: Path, crate: str, features: list[str], program: Path) -> None:
    """`PROGRAM.sbom.cdx.json` and `PROGRAM.third-party-licences`."""
    found = [*crates(root, crate, features), *libraries(root, program)]
    bill = json.dumps(sbom(crate, found), indent=2) + "\n"
    program.with_name(f"{program.name}.sbom.cdx.json").write_text(bill, encoding="utf-8")
    program.with_name(f"{program.name}.third-party-licences").write_text(licences(found), encoding="utf-8")


def crates(root: Path, crate: str, features: list[str]) -> list[Crate]:
    """What is linked into the program: no crate that only builds or tests it."""
    tree = _said(
        root, "cargo", "tree", "--locked", "--offline", "--package", crate, "--edges", "normal,no-proc-macro", "--prefix", "none",
        "--format", "{p}", "--features", ",".join(features),
    )  # fmt: skip
    linked = {tuple(line.split()[:2]) for line in tree.splitlines() if line.strip()}
    # Crates of other platforms were never fetched.
    host = re.search("^host: (.*)$", _said(root, "rustc", "-vV"), re.MULTILINE)[1]
    asked = ["cargo", "metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", host]
    metadata = json.loads(_said(root, *asked))
    checksums = {
        (package["name"], package["version"]): package.get("checksum", "")
        for package in tomllib.loads((root / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    }
    return sorted(
        Crate(
            package["name"],
            package["version"],
            package["license"] or "LicenseRef-see-text",
            (package["description"] or "").strip(),
            checksums[package["name"], package["version"]],
            Path(package["manifest_path"]).parent,
        )
        for package in metadata["packages"]
        if (package["name"], f"v{package['version']}") in linked
    )


def libraries(root: Path, program: Path) -> list[Crate]:
    """What is linked in that is no crate: Rust's standard library, and of a static program the C library."""
    compiler = re.search("^release: (.*)$", _said(root, "rustc", "-vV"), re.MULTILINE)[1]
    found = [Crate("rust-std", compiler, "MIT OR Apache-2.0", "Rust's standard library", "", None)]
    text = program.read_bytes()
    # A program that is not static names the loader that brings it.
    if b"/ld-linux" not in text[:4096]:
        if GLIBC in text:
            found.append(Crate("glibc", "", "LGPL-2.1-or-later", "The GNU C Library, https://ftp.gnu.org/gnu/glibc", "", None))
        else:
            found.append(Crate("musl", "", "MIT", "The C library musl, https://musl.libc.org", "", None))
    return found


def sbom(crate: str, found: list[Crate]) -> dict[str, object]:
    own = next(one for one in found if one.name == crate)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": _component(own, "application")},
        "components": [_component(one, "library") for one in found if one != own],
    }


def _component(one: Crate, kind: str) -> dict[str, object]:
    component: dict[str, object] = {
        "type": kind,
        "bom-ref": one.purl,
        "name": one.name,
        "description": one.description,
        # Before 2018 crates wrote `A/B` for `A OR B`.
        "licenses": [{"expression": one.licence.replace("/", " OR ")}],
        "purl": one.purl,
    }
    if one.version:
        component["version"] = one.version
    if one.checksum:
        component["hashes"] = [{"alg": "SHA-256", "content": one.checksum}]
    return component


def licences(found: list[Crate]) -> str:
    """Each text once, with the crates that come under it."""
    others = [one for one in found if one.name not in OURS]
    holders: dict[str, list[str]] = {}
    for one in others:
        for path in one.texts():
            text = path.read_text(encoding="utf-8", errors="replace").strip().replace("\r\n", "\n")
            holders.setdefault(text, []).append(f"{one.name} {one.version} ({path.name})")
    overview = "\n".join(f"{one.name} {one.version}: {one.licence}" for one in others)
    parts = [f"This program contains:\n\n{overview}"]
    bare = [one.name for one in others if not one.texts()]
    if bare:
        parts.append(f"These bring no text; the texts of the licences that they name stand below with others: {', '.join(bare)}")
    parts += ["\n".join(["-" * 78, *names, "-" * 78, "", text]) for text, names in holders.items()]
    return "\n\n".join(parts) + "\n"


def _said(root: Path, *command: str) -> str:
    return subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
