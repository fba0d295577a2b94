#!/usr/bin/env python3
"""Records the logs of logins that fail in different ways, into `log/` beside this file. Needs root, and the lab's base system.

    python3 tests/recorded/record_log.py DEBS

DEBS is a folder with Debian 12's packages of rsyslog and what it needs: `apt-get download rsyslog libestr0 libfastjson4`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))

import netns  # noqa: E402
from base import Base  # noqa: E402
from machine import Machine, MachineSpec  # noqa: E402

TARGET = HERE / "log"
SCRIPT = "/usr/share/ec2-instance-connect/eic_run_authorized_keys"
RELOAD = "systemctl reload ssh; sleep 0.3"
CONFIG = "/etc/ssh/sshd_config.d/lab.conf"

# What is done before a login, and after it.
FAULTS = (
    ("nft add table inet lab; nft 'add chain inet lab o { type filter hook output priority 0; }';"
     " nft add rule inet lab o ip daddr 169.254.169.254 reject", "nft delete table inet lab"),
    (f"chmod o+w {SCRIPT}", f"chmod o-w {SCRIPT}"),
    (f"chmod 0644 {SCRIPT}", f"chmod 0755 {SCRIPT}"),
    ("mount -t tmpfs -o ro none /dev/shm", "umount /dev/shm"),
    (f"echo DenyUsers ec2-user >{CONFIG}; {RELOAD}", f"rm {CONFIG}; {RELOAD}"),
    (f"echo PubkeyAcceptedAlgorithms rsa-sha2-512 >{CONFIG}; {RELOAD}", f"rm {CONFIG}; {RELOAD}"),
    ("chage -E 1 ec2-user", "chage -E -1 ec2-user"),
    (f"echo ChrootDirectory /tmp >{CONFIG}; {RELOAD}", f"rm {CONFIG}; {RELOAD}"),
    ("echo 'ec2-user hard maxlogins 0' >>/etc/security/limits.conf", "sed -i /maxlogins/d /etc/security/limits.conf"),
    (":", ":"),
)  # fmt: skip

# Small files, so that the recordings are; and of the two kinds that systemd has written.
JOURNALS = {"compact": "", "plain": "SYSTEMD_JOURNAL_COMPACT=0 SYSTEMD_JOURNAL_KEYED_HASH=0"}
JOURNALD = """
set -eu
mkdir -p /etc/systemd/journald.conf.d /etc/systemd/system/systemd-journald.service.d
printf '[Journal]\\nSystemMaxFileSize=512K\\n' >/etc/systemd/journald.conf.d/lab.conf
printf '[Service]\\nEnvironment=%s\\n' "$1" >/etc/systemd/system/systemd-journald.service.d/lab.conf
systemctl daemon-reload
systemctl restart systemd-journald
journalctl --rotate
"""
RSYSLOG = """
set -eu
dpkg --force-unsafe-io --install /run/debs/*.deb >/dev/null
printf '%s\\n' 'module(load="imuxsock")' 'auth,authpriv.* /var/log/iso.log;RSYSLOG_FileFormat' \
    'auth,authpriv.* /var/log/traditional.log;RSYSLOG_TraditionalFileFormat' \
    'auth,authpriv.* /var/log/rfc5424.log;RSYSLOG_SyslogProtocol23Format' >/etc/rsyslog.conf
printf '[Journal]\\nForwardToSyslog=yes\\n' >/etc/systemd/journald.conf.d/syslog.conf
ln -sf /usr/share/zoneinfo/Asia/Kolkata /etc/localtime
systemctl restart systemd-journald
systemctl restart syslog.socket rsyslog
systemctl restart ssh
"""


def login(machine: Machine, work: Path) -> int:
    key = work / f"key-{time.time_ns()}"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key)], check=True)
    machine.push_key("ec2-user", key.with_suffix(".pub").read_text())
    return machine.login("ec2-user", key).returncode


def log_in_badly(machine: Machine, work: Path) -> None:
    for before, after in FAULTS:
        run(machine, before)
        status = login(machine, work)
        run(machine, after)
        print(f"{status:4} {before[:70]}")
    machine.login("stranger", work / "none")


def run(machine: Machine, script: str, *arguments: str) -> bytes:
    done = machine.exec(["sh", "-c", script, "sh", *arguments])
    assert done.returncode == 0, done.stderr
    return done.stdout


def main(debs: Path) -> None:
    netns.enter_private_mounts()
    TARGET.mkdir(exist_ok=True)
    spec = MachineSpec(
        instance_id="i-0a1b2c3d4e5f60718", private_ipv4="10.0.1.5", region="eu-west-1", availability_zone="eu-west-1a",
        account_id="123456789012",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, environment in JOURNALS.items():
            with Machine(spec, Base.ready(), work) as machine:
                run(machine, JOURNALD, environment)
                log_in_badly(machine, work)
                found = run(machine, "journalctl --sync; cat /var/log/journal/$(cat /etc/machine-id)/system.journal")
                # The rest of the file is empty, and is never read.
                (TARGET / f"{name}.journal").write_bytes(found.rstrip(b"\0") + b"\0" * 8)
        with Machine(spec, Base.ready(), work) as machine:
            for deb in debs.glob("*.deb"):
                machine.install_file(deb, f"/run/debs/{deb.name}", 0o644)
            run(machine, JOURNALD, "")
            run(machine, RSYSLOG)
            log_in_badly(machine, work)
            time.sleep(1)
            for name in ("iso", "traditional", "rfc5424"):
                (TARGET / f"{name}.log").write_bytes(run(machine, f"cat /var/log/{name}.log"))
            (TARGET / "modified").write_bytes(run(machine, "stat -c %Y /var/log/traditional.log"))


main(Path(sys.argv[1]).resolve())
