"""The rpm family: the Debian userland made to look like Amazon Linux, RHEL and their kin, with a real rpm database.

A platform is a layer over the base, made once and kept. Its files stand in `rpm/`; the package in it is built by rpmbuild and
installed by rpm. Not as there: sshd is Debian's, so its tolerance of files that a group may write is, too; there is no SELinux.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

import berkeley
import layer
from base import Base

SOURCE = Path(__file__).parent / "rpm"
SCRIPTS = Path(__file__).parent / "package" / "scripts"
NAME = "ec2-instance-connect"
ARCHIVE = "opt/lab-archive"
# Releases of 1.1 before this one speak IMDSv1 only; from 2 on there is one program instead of three scripts.
FIRST_WITH_IMDSV2 = (1, 1, 12)
FIRST_WITH_ONE_PROGRAM = (2,)

# Where the package for rpm looks for its tools (the package for Debian searches PATH).
TOOLS = {
    **dict.fromkeys(
        "curl openssl ssh-keygen logger base64 awk head cut id find seq tr printf cp touch timeout".split(), "/usr/bin"
    ),
    **dict.fromkeys("echo grep cat sed mktemp mkdir chmod mv rm date".split(), "/bin"),
}  # fmt: skip
# A tool's name where a command begins.
COMMAND = re.compile(
    r"(?P<before>^ *|\$\(|[|!&'] *|\b(?:if|then|exec|while|do) )(?P<tool>" + "|".join(TOOLS) + r")(?= )", re.MULTILINE
)
# The three scripts in one file: it calls itself for the later stages.
ONE_PROGRAM = """#!/bin/sh
# sshd's AuthorizedKeysCommand: USER [FINGERPRINT], in one file.
look_up() {{
{look_up}
}}

check() {{
{check}
}}

case ${{1-}} in
--look-up) shift; look_up "$@" ;;
--check) shift; check "$@" ;;
*) exec /usr/bin/timeout 5s "$0" --look-up "$@" ;;
esac
"""

# Stands in the one file where the keys command looks for its anchor.
TRUST = """
set -eu
cat >/etc/pki/ca-trust/source/anchors/eic-doctor-lab.pem
update-ca-trust extract
"""
# rpm in the booted system, so that the scriptlets meet a running systemd.
INSTALL = """
set -eu
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
tar -x -C "$packages"
rpm -U --oldpackage --replacepkgs "$packages"/*.rpm
"""
BUILD = """
set -eu
cd /tmp
tar -x
for spec in *.spec; do
    rpmbuild --quiet -bb --build-in-place --noclean --target {architecture} \
        --define '_rpmdir /tmp/built' --define '_build_name_fmt %%{{NAME}}-%%{{VERSION}}-%%{{RELEASE}}.%%{{ARCH}}.rpm' \
        --define '_binary_payload w0.gzdio' \
        --define 'eic_version {version}' --define 'eic_release {release}' --define 'selinux_release {selinux_release}' \
        --define 'wiring {wiring}' "$spec" >&2
done
tar -c -C built .
"""


@dataclass(frozen=True)
class Platform:
    name: str
    # A folder of `rpm/root/`, and how the package tells sshd there.
    files_of: str
    wiring: str
    # The package's version that an image has.
    usual_version: str
    database: str = "/var/lib/rpm"
    unit: str = "sshd.service"
    trust: str = TRUST
    remove: str = f"rpm -e {NAME} {NAME}-selinux"
    # A machine boots with the package in it, as one made from an image does.
    comes_installed: bool = True

    def layers(self, base: Base, version: str | None) -> list[Path]:
        return [self._layer(base, version), base.path]

    def files(self, base: Base, version: str | None, ssh_port: int) -> dict[str, str]:
        """What an instance has beside its layers before it boots, by path."""
        if ssh_port == 22:
            return {}
        name = "etc/ssh/sshd_config"
        # The layer has one of its own on each platform.
        return {name: f"Port {ssh_port}\n" + (self._layer(base, version) / name).read_text(encoding="utf-8")}

    def install(self, base: Base, version: str) -> tuple[str, bytes]:
        packages = self.packages(base, version)
        return INSTALL, _tar({name: package for name, package in packages.items() if name.startswith(NAME)})

    def packages(self, base: Base, version: str) -> dict[str, bytes]:
        """The .rpm files of this version, by their names."""
        return _build(base, version, self.wiring)

    def _layer(self, base: Base, version: str | None) -> Path:
        """Made if it is not there yet: the platform's files, and the package of this version installed."""
        name = f"rpm-{self.name}-{_recipe(base, self, version)}"
        return layer.kept(base, name, lambda upper, run: self._fill(base, version, upper, run))

    def _fill(self, base: Base, version: str | None, upper: Path, run: layer.Run) -> None:
        for folder in ("common", self.files_of):
            shutil.copytree(SOURCE / "root" / folder, upper, symlinks=True, dirs_exist_ok=True)
        (upper / "usr/lib/os-release").write_bytes((SOURCE / "release" / self.name).read_bytes())
        archive = upper / ARCHIVE
        archive.mkdir(parents=True)
        for name, package in self.packages(base, version or self.usual_version).items():
            (archive / name).write_bytes(package)
        wanted = "" if version is None else f"{NAME}-[0-9]*.rpm {NAME}-selinux-[0-9]*.rpm"
        script = (SOURCE / "prepare.sh").read_text(encoding="utf-8")
        run(f"database={self.database}\nwanted='{wanted}'\n{script}")
        older = archive / "berkeley"
        older.mkdir()
        berkeley.convert(upper / self.database.lstrip("/") / "rpmdb.sqlite", older)


PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform("al2", "al2", "sshd_config", "1.1-19.amzn2"),
        Platform("al2023", "el9", "sshd_config", "1.1-19.amzn2023"),
        Platform("rhel8", "el8", "drop-in", "2.0.0-5.rhel8"),
        Platform("rhel9", "el9", "sshd_config.d", "2.0.0-5.rhel9"),
        Platform("centos9", "el9", "sshd_config.d", "2.0.0-5.rhel9"),
        Platform("almalinux9", "el9", "sshd_config.d", "2.0.0-5.rhel9"),
        Platform("rocky9", "el9", "sshd_config.d", "2.0.0-5.rhel9"),
        Platform("rhel10", "el9", "sshd_config.d", "2.0.0-5.rhel9", database="/usr/lib/sysimage/rpm"),
        Platform("fedora41", "el9", "sshd_config.d", "2.0.0-5.rhel9", database="/usr/lib/sysimage/rpm"),
    )
}


def scripts(version: str) -> dict[str, str]:
    """The keys command's files in this version, by name: what stands in for them on Debian, with each tool's absolute path."""
    numbers = tuple(int(number) for number in re.findall("[0-9]+", version)[:3])
    imds_version = "2" if numbers >= FIRST_WITH_IMDSV2 else "1"
    texts = {}
    for source in sorted(SCRIPTS.iterdir()):
        text = source.read_text(encoding="utf-8").replace("@IMDS_VERSION@", imds_version)
        text = text.replace("/etc/ssl/certs", "/etc/ssl/certs/ca-bundle.crt")
        lines = [line if line.lstrip().startswith("#") else _with_paths(line) for line in text.splitlines()]
        texts[source.name] = "\n".join(lines) + "\n"
    if numbers < FIRST_WITH_ONE_PROGRAM:
        return texts
    look_up = texts["eic_curl_authorized_keys"].replace('"${0%/*}/eic_parse_authorized_keys"', '"$0" --check')
    return {"eic_run_authorized_keys": ONE_PROGRAM.format(look_up=look_up, check=texts["eic_parse_authorized_keys"])}


def _with_paths(line: str) -> str:
    return COMMAND.sub(lambda found: f"{found['before']}{TOOLS[found['tool']]}/{found['tool']}", line)


@functools.cache
def _build(base: Base, version: str, wiring: str) -> dict[str, bytes]:
    number, _, release = version.partition("-")
    if not re.fullmatch(r"[0-9.]+-[0-9a-z.]+", version):
        raise ValueError(f"not a version of this package for rpm: {version}")
    programs = scripts(version)
    # Scripts are for any machine; the one program is not.
    architecture = "noarch" if len(programs) > 1 else "x86_64"
    sources = {f"scripts/{name}": text.encode() for name, text in programs.items()}
    sources |= {spec.name: spec.read_bytes() for spec in (SOURCE / "spec").iterdir()}
    # From 2.0.0 on the policy's package is one for all systems.
    selinux_release = release if len(programs) > 1 else release.partition(".")[0]
    order = BUILD.format(
        architecture=architecture, version=number, release=release, selinux_release=selinux_release, wiring=wiring
    )
    with tarfile.open(fileobj=io.BytesIO(layer.in_chroot(order, base, stdin=_tar(sources)))) as built:
        members = [member for member in built.getmembers() if member.isfile()]
        return {Path(member.name).name: built.extractfile(member).read() for member in members}


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _recipe(base: Base, platform: Platform, version: str | None) -> str:
    """Changes when anything does that the layer is made of."""
    digest = hashlib.sha256(f"{base.path.name} {platform} {version}".encode())
    for folder in (SOURCE, SCRIPTS):
        for path in sorted(folder.rglob("*")):
            digest.update(str(path.relative_to(folder)).encode())
            if path.is_file():
                digest.update(path.read_bytes())
    for module in (__file__, berkeley.__file__, layer.__file__):
        digest.update(Path(module).read_bytes())
    return digest.hexdigest()[:12]
