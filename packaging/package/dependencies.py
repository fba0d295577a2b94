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
OURS = ("eic-doctor", "eic-doctor-agent", "eic-doctor-proto")


@dataclass(frozen=True, order=True)
class Crate:
    name: str
    version: str
    licence: str
    description: str
    checksum: str
    folder: Path

    @property
    def purl(self) -> str:
        return f"pkg:cargo/{self.name}@{self.version}"


def write(root: Path, crate: str, features: list[str], to: Path) -> None:
    """`TO.sbom.cdx.json` and `TO.third-party-licences`."""
    found = crates(root, crate, features)
    to.with_name(f"{to.name}.sbom.cdx.json").write_text(json.dumps(sbom(crate, found), indent=2) + "\n", encoding="utf-8")
    to.with_name(f"{to.name}.third-party-licences").write_text(licences(found), encoding="utf-8")


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
        "version": one.version,
        "description": one.description,
        # Before 2018 crates wrote `A/B` for `A OR B`.
        "licenses": [{"expression": one.licence.replace("/", " OR ")}],
        "purl": one.purl,
    }
    if one.checksum:
        component["hashes"] = [{"alg": "SHA-256", "content": one.checksum}]
    return component


def licences(found: list[Crate]) -> str:
    """Each text once, with the crates that come under it."""
    others = [one for one in found if one.name not in OURS]
    holders: dict[str, list[str]] = {}
    for one in others:
        for path in sorted(one.folder.iterdir()):
            if path.is_file() and TEXTS.match(path.name):
                text = path.read_text(encoding="utf-8", errors="replace").strip().replace("\r\n", "\n")
                holders.setdefault(text, []).append(f"{one.name} {one.version} ({path.name})")
    overview = "\n".join(f"{one.name} {one.version}: {one.licence}" for one in others)
    parts = [f"This program contains:\n\n{overview}"]
    parts += ["\n".join(["-" * 78, *names, "-" * 78, "", text]) for text, names in holders.items()]
    return "\n\n".join(parts) + "\n"


def _said(root: Path, *command: str) -> str:
    return subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
