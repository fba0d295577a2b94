"""An .rpm by rpmbuild, which is told of finished files and builds nothing itself."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from .manifest import Package

SPEC = """
Name: {name}
Version: {version}
Release: {release}
Summary: {summary}
License: {licence}
URL: {homepage}
AutoReqProv: no
{relations}
%description
{description}

%post
[ "$1" -gt 1 ] && upgrade=yes || upgrade=
{after_install}
%preun
[ "$1" -eq 0 ] || exit 0
{before_remove}
%postun
[ "$1" -eq 0 ] || exit 0
{after_remove}
{purge}
%files
{files}
"""
# So that it depends on nothing but its input; and the program is not stripped again.
MACROS = {
    "_build_id_links": "none",
    "_buildhost": "localhost",
    "__os_install_post": "%{nil}",
    "__spec_install_post": "%{nil}",
    "debug_package": "%{nil}",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
    "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
}

# Ours, and those of shells that may not be installed; others belong to the distribution.
OWN_FOLDER = re.compile(r"/eic-doctor[^/]*$|^/usr/share/(?:bash-completion|fish|zsh)(?:/|$)")


def build(package: Package, tree: Path, work: Path, to: Path, fast: bool) -> Path:
    architecture = package.architecture()[1]
    top = work / f"{package.name}.rpm"
    top.mkdir()
    spec = top / f"{package.name}.spec"
    spec.write_text(_spec(package, tree), encoding="utf-8")
    # zstd as Fedora has it is not read by AL2's rpm.
    macros = {**MACROS, "_topdir": str(top), "_rpmdir": str(to), "_binary_payload": "w0.gzdio" if fast else "w6.xzdio"}
    defined = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    # rpmbuild takes the build root away when it is done.
    root = top / "root"
    subprocess.run(["cp", "-a", str(tree), str(root)], check=True)
    subprocess.run(
        ["rpmbuild", "--quiet", "-bb", "--noclean", "--buildroot", str(root), "--target", f"{architecture}-linux", *defined, str(spec)],
        check=True, stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(package.epoch)},
    )  # fmt: skip
    return to / f"{package.name}-{package.version}-{package.release}.{architecture}.rpm"


def _spec(package: Package, tree: Path) -> str:
    relations = [f"Requires: {one}" for one in package.depends.get("rpm", [])]
    relations += [f"Recommends: {one}" for one in package.recommends]
    # rpm knows no purge: what an agent wrote can be made anew and goes, a coordinator's store and authority cannot and stay.
    purge = package.script("purge") if not package.user else ""
    files = []
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            target = f"/{path.relative_to(tree)}"
            kind = "%config(noreplace) " if target in package.configuration() else ""
            files.append(f"%attr({path.stat().st_mode & 0o7777:04o}, root, root) {kind}{target}")
        elif OWN_FOLDER.search(f"/{path.relative_to(tree)}"):
            files.append(f"%dir %attr(0755, root, root) /{path.relative_to(tree)}")
    return SPEC.format(
        name=package.name, version=package.version, release=package.release, summary=package.summary, licence=package.licence,
        homepage=package.homepage, relations="\n".join(relations), description=package.description,
        after_install=package.script("after-install"), before_remove=package.script("before-remove"),
        after_remove=package.script("after-remove"), purge=purge, files="\n".join(files),
    )  # fmt: skip
