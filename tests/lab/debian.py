"""The Debian and Ubuntu family: how its instances are prepared, and how EC2 Instance Connect gets into them."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from base import Base

NAME = "ec2-instance-connect"
SOURCE = Path(__file__).parent / "package"
INSTALLED = Path("usr/share") / NAME
# Versions before this one speak IMDSv1 only.
FIRST_WITH_IMDSV2 = "1.1.12"

# Stands in the hash directory, where the keys command looks for its anchor, and where `update-ca-certificates` finds it again.
TRUST = """
set -eu
mkdir -p /usr/local/share/ca-certificates
cat >/usr/local/share/ca-certificates/eic-doctor-lab.crt
ln -s /usr/local/share/ca-certificates/eic-doctor-lab.crt /etc/ssl/certs/eic-doctor-lab.pem
ln -s eic-doctor-lab.pem "/etc/ssl/certs/$(openssl x509 -noout -hash -in /etc/ssl/certs/eic-doctor-lab.pem).0"
"""
# dpkg in the booted system, so that the maintainer scripts meet a running systemd.
INSTALL = """
set -eu
package=$(mktemp --suffix=.deb)
trap 'rm -f "$package"' EXIT
cat >"$package"
DEBIAN_FRONTEND=noninteractive dpkg --force-unsafe-io --install "$package"
"""


@dataclass(frozen=True)
class Platform:
    name: str = "debian"
    usual_version: str = "1.1.19"
    unit: str = "ssh.service"
    trust: str = TRUST
    remove: str = f"dpkg --purge {NAME}"
    comes_installed: bool = False

    def layers(self, base: Base, _version: str | None) -> list[Path]:
        return [base.path]

    def files(self, _base: Base, _version: str | None, ssh_port: int) -> dict[str, str]:
        """What an instance has beside the base before it boots, by path."""
        return {} if ssh_port == 22 else {"etc/ssh/sshd_config.d/port.conf": f"Port {ssh_port}\n"}

    def install(self, _base: Base, version: str, workdir: Path) -> tuple[str, bytes]:
        return INSTALL, package(version, workdir)


@functools.cache
def package(version: str, workdir: Path) -> bytes:
    """A .deb named ec2-instance-connect of this version, built below `workdir`."""
    imds_version = "2" if _at_least(version, FIRST_WITH_IMDSV2) else "1"
    with tempfile.TemporaryDirectory(dir=workdir) as temporary:
        tree = Path(temporary) / "tree"
        scripts = tree / INSTALLED
        scripts.mkdir(parents=True)
        (tree / "DEBIAN").mkdir()
        for source in sorted((SOURCE / "DEBIAN").iterdir()):
            text = source.read_text(encoding="utf-8").replace("@VERSION@", version)
            _write(tree / "DEBIAN" / source.name, text, 0o644 if source.name == "control" else 0o755)
        for source in sorted((SOURCE / "scripts").iterdir()):
            text = source.read_text(encoding="utf-8").replace("@IMDS_VERSION@", imds_version)
            _write(scripts / source.name, text, 0o755)
        shutil.copyfile(SOURCE / "ssh.service.conf", scripts / "ssh.service.conf")
        built = Path(temporary) / "package.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(built)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return built.read_bytes()


def _at_least(version: str, other: str) -> bool:
    if re.fullmatch(r"[0-9][A-Za-z0-9.+~:-]*", version) is None:
        raise ValueError(f"not a Debian version: {version}")
    return subprocess.run(["dpkg", "--compare-versions", version, "ge", other], check=False).returncode == 0


def _write(path: Path, text: str, mode: int) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
