#!/usr/bin/env python3
"""Records what an instance of the lab answers, into the folder of this file. Needs root, and the lab's base system.

    python3 tests/recorded/record.py PATH/TO/probe.sh

The argument is the probe script with its assignments, as the coordinator sends it.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))

import netns  # noqa: E402
from base import Base  # noqa: E402
from machine import Machine, MachineSpec  # noqa: E402

# Name of the recording, and the command whose standard output it is.
COMMANDS = {
    "os-release": "cat /etc/os-release",
    "passwd": "cat /etc/passwd",
    "nsswitch.conf": "cat /etc/nsswitch.conf",
    "dpkg-status": "sed -n '/^Package: ec2-instance-connect$/,/^$/p;/^Package: openssh-server$/,/^$/p' /var/lib/dpkg/status",
    "proc-net-tcp": "cat /proc/net/tcp",
    "proc-net-tcp6": "cat /proc/net/tcp6",
    "proc-status": "cat /proc/$(pgrep -o -x sshd)/status",
    "proc-maps": "cat /proc/$(pgrep -o -x sshd)/maps",
    "proc-cmdline": "cat /proc/$(pgrep -o -x sshd)/cmdline",
    "systemctl-show": "systemctl show -pId,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,DropInPaths,ExecStart,"
    "NeedDaemonReload,Accept,Listen ssh.service sshd.service ssh.socket sshd.socket",
    "drop-in": "cat /lib/systemd/system/ssh.service.d/ec2-instance-connect.conf",
    "sshd_config": "cat /etc/ssh/sshd_config",
    "sshd-T": "/usr/sbin/sshd -T -C user=ec2-user,host=203.0.113.1,addr=203.0.113.1,laddr=127.0.0.1,lport=22",
    "sshd-V": "/usr/sbin/sshd -V 2>&1",
}

# Name of a probe script's answer, and what is done to the instance before.
WORLDS = {
    "healthy": ":",
    "overridden": "mkdir -p /etc/systemd/system/ssh.service.d; printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/sshd -D -p 2222\\n'"
    " >/etc/systemd/system/ssh.service.d/override.conf; systemctl daemon-reload; systemctl restart ssh",
    "socket": "rm -r /etc/systemd/system/ssh.service.d; systemctl daemon-reload; systemctl stop ssh; systemctl start ssh.socket",
    "purged": "systemctl stop ssh.socket; dpkg --purge ec2-instance-connect; systemctl start ssh",
}


# Makes this program the one that asks systemd.
REPLIES = "--systemd-replies"
# Properties of systemd's units; what it answers on its private socket to `Get` for each of them in turn is `systemd-replies`.
PROPERTIES = [
    *[("ssh.service", "Unit", name) for name in ("Id", "ActiveState", "DropInPaths", "NeedDaemonReload", "NoSuchProperty")],
    ("ssh.service", "Service", "ExecStart"),
    ("ssh.socket", "Socket", "Accept"),
    ("ssh.socket", "Socket", "Listen"),
]


def call(serial: int, unit: str, interface: str, name: str) -> bytes:
    """A call of org.freedesktop.DBus.Properties.Get (D-Bus Specification, "Message Protocol")."""

    def padded(data: bytes, to: int) -> bytes:
        return data + bytes(-len(data) % to)

    def text(value: str) -> bytes:
        return struct.pack("<I", len(value)) + value.encode() + b"\0"

    path = "/org/freedesktop/systemd1/unit/" + unit.replace(".", "_2e")
    fields = b""
    for code, value in ((1, path), (2, "org.freedesktop.DBus.Properties"), (3, "Get")):
        fields = padded(fields, 8) + bytes([code, 1]) + (b"o" if code == 1 else b"s") + b"\0" + text(value)
    fields = padded(fields, 8) + b"\x08\x01g\0\x02ss\0"
    body = padded(text(f"org.freedesktop.systemd1.{interface}"), 4) + text(name)
    return padded(b"l\1\0\1" + struct.pack("<III", len(body), serial, len(fields)) + fields, 8) + body


def systemd_replies(init_pid: int) -> bytes:
    with socket.socket(socket.AF_UNIX) as systemd:
        systemd.settimeout(1)
        systemd.connect(f"/proc/{init_pid}/root/run/systemd/private")
        systemd.sendall(b"\0AUTH EXTERNAL 30\r\n")
        assert systemd.recv(256).startswith(b"OK ")
        systemd.sendall(b"BEGIN\r\n" + b"".join(call(n, *asked) for n, asked in enumerate(PROPERTIES, 1)))
        replies = b""
        with contextlib.suppress(TimeoutError):
            while part := systemd.recv(65536):
                replies += part
        return replies


def unpack(answer: bytes) -> bytes:
    lines = answer.decode("ascii").split("\n")
    return gzip.decompress(base64.b64decode("".join(lines[1:-2])))


def main(probe: Path) -> None:
    netns.enter_private_mounts()
    target = HERE / "debian-12"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    spec = MachineSpec(
        instance_id="i-0a1b2c3d4e5f60718", private_ipv4="10.0.1.5", region="eu-west-1", availability_zone="eu-west-1a",
        account_id="123456789012",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as work, Machine(spec, Base.ready(), Path(work)) as machine:
        machine.install_file(probe, "/run/probe.sh")
        for name, command in COMMANDS.items():
            (target / name).write_bytes(machine.exec(["sh", "-c", command]).stdout)
        # systemd talks only to processes that it can see.
        ask = ["nsenter", "-t", str(machine.init_pid), "-p", "--", sys.executable, "-B", __file__, REPLIES, str(machine.init_pid)]
        (target / "systemd-replies").write_bytes(subprocess.run(ask, check=True, stdout=subprocess.PIPE).stdout)
        for name, change in WORLDS.items():
            done = machine.exec(["sh", "-c", change])
            assert done.returncode == 0, done.stderr
            (target / f"{name}.probe").write_bytes(unpack(machine.exec(["sh", "/run/probe.sh"]).stdout))


if sys.argv[1] == REPLIES:
    sys.stdout.buffer.write(systemd_replies(int(sys.argv[2])))
else:
    main(Path(sys.argv[1]).resolve())
