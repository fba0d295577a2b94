"""The root file system every machine starts from: a Debian 12 tree, made once and kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Callable

SUITE = "bookworm"
PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "openssh-server", "openssl", "curl", "ca-certificates",
    "iproute2", "nftables", "iptables", "procps", "busybox", "rpm",
)  # fmt: skip
DEFAULT_CACHE = "/var/cache/eic-doctor-lab"

# Command needed on this machine, and the Debian package that has it.
TOOLS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "openssl": "openssl",
    "dpkg-deb": "dpkg",
}

# What a remedy may tell apt to install again: kept as the distribution's archive.
KEPT = (
    "curl", "openssl", "openssh-client", "openssh-server", "coreutils", "mawk", "grep", "sed", "findutils", "bsdutils",
    "ca-certificates",
)  # fmt: skip
ARCHIVE = "/opt/lab-archive-deb"

# Run in the finished tree. What is masked only costs boot time, or has no use without a console or a network.
CUSTOMISE = f"""
set -eu
mkdir {ARCHIVE}
cd {ARCHIVE}
for name in {' '.join(KEPT)}; do
    mv /var/cache/apt/archives/"$name"_*.deb "$name.deb"
    dpkg-deb --field "$name.deb"
    printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' \\
        "$name.deb" "$(stat -c %s "$name.deb")" "$(sha256sum "$name.deb" | cut -d ' ' -f 1)"
done >Packages
cd /
useradd --create-home --shell /bin/bash ec2-user
systemctl --quiet mask console-getty.service getty@.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-networkd.service
systemctl --quiet enable ssh.service
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
: >/etc/machine-id
"""


class LabError(Exception):
    """The lab cannot run here; the text says what is needed."""


class Base:
    """A debootstrap tree. Nothing writes to it: machines lay an overlay over it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def ready(cls, log: Callable[[str], object] = print) -> "Base":
        """The tree of this recipe, built if it is not there yet."""
        require_tools()
        cache = Path(os.environ.get("EIC_LAB_CACHE") or DEFAULT_CACHE)
        cache.mkdir(parents=True, exist_ok=True)
        path = cache / f"{SUITE}-{_recipe()}"
        # Two checkouts may start at once: the second waits for the first one's tree.
        with open(cache / "lock", "w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log(f"waiting for the base system that another lab is building in {path}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.is_dir():
                log(f"building the lab's base system in {path} (once, about 90 s)")
                _build(path)
        return cls(path)


def require_tools() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes namespaces and boots systemd in them")
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool, path=search) is None})
    if missing:
        raise LabError(f"the lab needs more packages: apt-get install {' '.join(missing)}")


def mirror() -> str:
    """The Debian mirror this machine is configured for, in whichever format its sources are written."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(COMPONENT)",
         "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for line in listed.splitlines():
        uri, release, codename, component = line.split("|")
        if SUITE in (release, codename) and component == "main":
            return uri
    raise LabError(f"apt's sources name no mirror for Debian {SUITE} main")


def _recipe() -> str:
    """Changes when the recipe does, so that an old tree is not taken for a new one."""
    return hashlib.sha256("\0".join((SUITE, *PACKAGES, CUSTOMISE)).encode()).hexdigest()[:12]


def _build(path: Path) -> None:
    partial = path.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    # In mounts of its own: a build that is killed must not leave /proc mounted in a tree we then delete.
    _run([
        "unshare", "--mount", "--propagation", "private",
        "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(partial), mirror(),
    ])  # fmt: skip
    _run(["chroot", str(partial), "/bin/sh", "-c", CUSTOMISE])
    partial.rename(path)


def _run(argv: list[str]) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    # debootstrap downloads with wget, which does not read apt's configuration.
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        if name in os.environ:
            environment[name] = os.environ[name]
    done = subprocess.run(
        argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode != 0:
        tail = done.stdout.decode(errors="replace").splitlines()[-15:]
        raise LabError("\n".join([f"{argv[0]} failed with status {done.returncode}:", *tail]))
