"""Debian with the programs that write rules of the packet filter: ufw, firewalld and fail2ban, none of them switched on.

In a layer of their own, as they bring Python with them: what has none of them boots as fast as before.
"""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import debian
import layer
from base import Base, LabError

# fail2ban reads the journal by python3-systemd and writes sets by ipset, which it only recommends.
PACKAGES = ("ufw", "firewalld", "fail2ban", "python3-systemd", "ipset")
DOWNLOADS = "opt/downloads"
# What a package starts when it is installed has nothing to run in here. 101: "action forbidden by policy".
INSTALL = f"""
set -eu
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends --no-download \\
    -o Dpkg::Options::=--force-unsafe-io -o Dir::Cache::archives=/{DOWNLOADS} /{DOWNLOADS}/*.deb
systemctl --quiet disable ufw.service firewalld.service fail2ban.service
rm -r /{DOWNLOADS} /usr/sbin/policy-rc.d
"""


@dataclass(frozen=True)
class Platform(debian.Platform):
    name: str = "debian-firewalls"
    # Two layers would each have their own dpkg database.
    comes_installed: bool = False

    def layers(self, base: Base, _version: str | None) -> list[Path]:
        return [layer.kept(base, f"{self.name}-{_recipe(base)}", lambda upper, run: _fill(base, upper, run)), base.path]


def _fill(base: Base, upper: Path, run: layer.Run) -> None:
    folder = upper / DOWNLOADS
    (folder / "partial").mkdir(parents=True)
    if _download(base, folder).returncode != 0:
        # Its list of packages is older than the mirror's files, or there is none yet.
        subprocess.run(["apt-get", "update", "--quiet", "--quiet"], stdout=subprocess.DEVNULL, check=False)
        if (done := _download(base, folder)).returncode != 0:
            raise LabError(f"apt-get downloads no {', '.join(PACKAGES)}: {done.stderr.strip()}")
    run(INSTALL)


def _download(base: Base, folder: Path) -> subprocess.CompletedProcess[str]:
    """By this machine's apt, which knows the way to a mirror: what the base lacks of them and of what they need."""
    options = [f"Dir::State::status={base.path}/var/lib/dpkg/status", f"Dir::Cache::archives={folder}"]
    return subprocess.run(
        ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "--download-only",
         *(word for option in options for word in ("-o", option)), *PACKAGES],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _recipe(base: Base) -> str:
    """Changes when anything does that the layer is made of."""
    return hashlib.sha256("\0".join((base.path.name, *PACKAGES, INSTALL)).encode()).hexdigest()[:12]
