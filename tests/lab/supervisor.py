"""Holds one machine: everything that belongs to it is a child of this process, or lives in its namespaces.

Two processes. The outer one waits for the end of its standard input, which its parent never writes to: the pipe
ends when the parent does, however it dies. The inner one is the first process of a new PID namespace, in a mount
namespace of its own. When it dies the kernel kills what is left in there, the instance's init too, and drops all
mounts and network namespaces with it. Only the control group must be removed by hand.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, NoReturn

import netns

# Below a tmpfs that only this mount namespace has.
STATE = Path("/run/lab")
CONSOLE = STATE / "console"
CGROUP_MARK = "eic-doctor-lab-"
BOOT_TIMEOUT = 60.0


def main(plan: dict[str, Any]) -> None:
    # An interrupt at the terminal is the daemon's to handle; this process ends when the daemon does.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    netns.private_mounts()
    # /run is private: namespaces, locks and sockets made below it vanish with this process.
    netns.mount("tmpfs", "/run", "tmpfs", 0, "mode=0755")
    STATE.mkdir()
    cgroup = ControlGroup.create()
    try:
        netns.unshare(netns.CLONE_NEWPID)
        inner = os.fork()
        if inner == 0:
            run_inner(plan)
        # Else the parent would not see that the metadata service has died.
        os.close(plan["imds_descriptor"])
        watch(inner)
    finally:
        cgroup.remove()


def watch(inner: int) -> None:
    """Returns when the parent is gone or the inner process has died; afterwards nothing of it runs."""
    poll = select.poll()
    died = os.pidfd_open(inner)
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(died, select.POLLIN)
    poll.poll()
    os.kill(inner, signal.SIGKILL)
    os.waitpid(inner, 0)


def run_inner(plan: dict[str, Any]) -> NoReturn:
    status = 1
    try:
        netns.prctl(netns.PR_SET_PDEATHSIG, signal.SIGKILL)
        netns.unshare(netns.CLONE_NEWNS)
        netns.mount("proc", "/proc", "proc")
        Instance(plan).run()
        status = 0
    except Exception as error:
        tell(error=f"{type(error).__name__}: {error}", console=console_tail())
    finally:
        os._exit(status)


def console_tail() -> str:
    return "\n".join(CONSOLE.read_text(errors="replace").splitlines()[-20:]) if CONSOLE.exists() else ""


def tell(**message: object) -> None:
    print(json.dumps(message), flush=True)


class Instance:
    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.root = STATE / "root"

    def run(self) -> None:
        netns.RUN_NETNS.mkdir()
        netns.mount(netns.MARK, str(netns.RUN_NETNS), "tmpfs", 0, "mode=0755")
        netns.create(self.plan["private_ipv4"], self.plan["ipv6"])
        self._start_imds()
        self._make_root()
        ready = self._listen_for_ready()
        nspawn = self._start_nspawn()
        self._await_ready(ready, nspawn)
        tell(ready=True)
        while True:
            pid, status = os.wait()
            if pid == nspawn.pid:
                tell(ended=os.waitstatus_to_exitcode(status))
                return

    def _start_imds(self) -> None:
        descriptor = self.plan["imds_descriptor"]
        subprocess.Popen(
            ["ip", "netns", "exec", "vpc",
             sys.executable, "-B", self.plan["imds_program"], str(descriptor), str(STATE)],
            pass_fds=(descriptor,), stdin=subprocess.DEVNULL, stdout=open_console(), stderr=subprocess.STDOUT,
        )  # fmt: skip
        os.close(descriptor)

    def _make_root(self) -> None:
        for name in ("upper", "work", "root"):
            (STATE / name).mkdir()
        lower = ":".join(self.plan["layers"])
        layers = f"lowerdir={lower},upperdir={STATE}/upper,workdir={STATE}/work"
        netns.mount("overlay", str(self.root), "overlay", 0, layers)
        hostname = self.plan["hostname"]
        self._write("etc/machine-id", uuid.uuid4().hex + "\n")
        self._write("etc/hostname", hostname + "\n")
        self._write("etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n{self.plan['private_ipv4']} {hostname}\n")
        self._write("etc/resolv.conf", "")
        for name, text in self.plan["files"].items():
            self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # A link of the base (/etc/resolv.conf may be one) would lead out of the root.
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8")

    def _listen_for_ready(self) -> socket.socket:
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ready.bind(str(STATE / "notify"))
        return ready

    def _start_nspawn(self) -> subprocess.Popen[bytes]:
        nspawn = [
            "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--notify-ready=yes",
            "--network-namespace-path=/run/netns/instance", f"--machine={self.plan['hostname']}",
            "--capability=all", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
            f"--directory={self.root}", "--console=read-only", "--boot",
        ]  # fmt: skip
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            "NOTIFY_SOCKET": str(STATE / "notify"),
        }
        # nspawn makes a directory in /tmp and removes it only when it ends by itself.
        hide_tmp = 'mount -t tmpfs tmpfs /tmp && exec "$@"'
        return subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", hide_tmp, "sh", *nspawn], env=environment,
            stdin=subprocess.DEVNULL, stdout=open_console(), stderr=subprocess.STDOUT,
        )  # fmt: skip

    def _await_ready(self, ready: socket.socket, nspawn: subprocess.Popen[bytes]) -> None:
        """systemd tells its readiness when its start-up is finished."""
        poll = select.poll()
        poll.register(ready, select.POLLIN)
        poll.register(os.pidfd_open(nspawn.pid), select.POLLIN)
        end = time.monotonic() + BOOT_TIMEOUT
        while (left := end - time.monotonic()) > 0:
            events = [descriptor for descriptor, _ in poll.poll(left * 1000)]
            if ready.fileno() in events:
                if b"READY=1" in ready.recv(4096).split(b"\n"):
                    return
            elif events:
                raise RuntimeError(f"systemd-nspawn ended with status {nspawn.wait()}")
        raise RuntimeError(f"the instance's systemd was not up after {BOOT_TIMEOUT:.0f} s")


def open_console() -> int:
    return os.open(CONSOLE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


class ControlGroup:
    """A group for one machine. Without it the systemds of two machines would share a group, and stop each other's
    services."""

    def __init__(self, name: str, mounted: Path, home: Path) -> None:
        self.name = name
        self.mounted = mounted
        self.home = home
        # Where the old hierarchies are mounted beside the unified one, nspawn makes the same group in systemd's.
        self.hierarchies = [mounted, *_legacy_hierarchies()]

    @classmethod
    def create(cls) -> "ControlGroup":
        mounted = STATE / "cgroup"
        mounted.mkdir()
        netns.mount("cgroup2", str(mounted), "cgroup2")
        own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        home = mounted / own.removeprefix("0::").lstrip("/")
        group = cls(f"{CGROUP_MARK}{uuid.uuid4().hex[:12]}", mounted, home)
        # Until it is joined, a new group looks like one that was left over. The directory's lock is seen by every
        # lab on the machine, as all mounts of this hierarchy are one file system.
        lock = os.open(mounted, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            group.sweep()
            (mounted / group.name).mkdir()
            _join(mounted / group.name)
        finally:
            os.close(lock)
        return group

    def remove(self) -> None:
        _join(self.home)
        self._remove(self.name)

    def sweep(self) -> None:
        """Removes groups that a killed supervisor left."""
        for name in {path.name for hierarchy in self.hierarchies for path in hierarchy.glob(f"{CGROUP_MARK}*")}:
            try:
                left = "populated 0" in (self.mounted / name / "cgroup.events").read_text()
            except OSError:
                # Only in the other hierarchy, or its owner is just removing it.
                left = True
            if left:
                self._remove(name)

    def _remove(self, name: str) -> None:
        for hierarchy in self.hierarchies:
            for directory, _, _ in os.walk(hierarchy / name, topdown=False):
                try:
                    os.rmdir(directory)
                except OSError:
                    # Its owner was faster; and the kernel keeps what is in use.
                    pass


def _join(group: Path) -> None:
    (group / "cgroup.procs").write_text("0", encoding="ascii")


def _legacy_hierarchies() -> list[Path]:
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        if right.split()[0] == "cgroup" and "name=systemd" in right.split()[2].split(","):
            found.append(Path(left.split()[4]))
    return found


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
