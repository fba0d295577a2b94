"""The Debian and Ubuntu family: how its instances are prepared, and how EC2 Instance Connect gets into them."""

from __future__ import annotations

import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import layer
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
# dpkg in a tree without a running systemd, as whoever makes an image has it.
BAKED = "opt/package.deb"
BAKE = f"""
set -eu
DEBIAN_FRONTEND=noninteractive dpkg --force-unsafe-io --install /{BAKED}
rm /{BAKED}
"""


@dataclass(frozen=True)
class Platform:
    name: str = "debian"
    usual_version: str = "1.1.19"
    unit: str = "ssh.service"
    trust: str = TRUST
    remove: str = f"dpkg --purge {NAME}"
    # A machine boots with the package in it, as one made from an image does.
    comes_installed: bool = True

    def layers(self, base: Base, version: str | None) -> list[Path]:
        if version is None:
            return [base.path]
        return [layer.kept(base, f"{self.name}-{_recipe(base, version)}", lambda upper, run: _bake(version, upper, run)), base.path]

    def files(self, _base: Base, _version: str | None, ssh_port: int) -> dict[str, str]:
        """What an instance has beside the base before it boots, by path."""
        return {} if ssh_port == 22 else {"etc/ssh/sshd_config.d/port.conf": f"Port {ssh_port}\n"}

    def install(self, _base: Base, version: str) -> tuple[str, bytes]:
        return INSTALL, package(version)


@functools.cache
def package(version: str) -> bytes:
    """A .deb named ec2-instance-connect of this version."""
    imds_version = "2" if _at_least(version, FIRST_WITH_IMDSV2) else "1"
    with tempfile.TemporaryDirectory() as temporary:
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


def _bake(version: str, upper: Path, run: layer.Run) -> None:
    file = upper / BAKED
    file.parent.mkdir(parents=True)
    file.write_bytes(package(version))
    run(BAKE)


def _recipe(base: Base, version: str) -> str:
    """Changes when anything does that the layer is made of."""
    digest = hashlib.sha256(f"{base.path.name} {version}".encode())
    for path in (*sorted(path for path in SOURCE.rglob("*") if path.is_file()), Path(__file__), Path(layer.__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _at_least(version: str, other: str) -> bool:
    if re.fullmatch(r"[0-9][A-Za-z0-9.+~:-]*", version) is None:
        raise ValueError(f"not a Debian version: {version}")
    return subprocess.run(["dpkg", "--compare-versions", version, "ge", other], check=False).returncode == 0


def _write(path: Path, text: str, mode: int) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
