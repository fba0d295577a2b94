"""One instance of the lab: a booted systemd with sshd, its metadata service, and a client that can reach it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import debian
import firewalls
import identity_document
import rpm
from base import Base, LabError

HERE = Path(__file__).parent
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
PLATFORMS: dict[str, debian.Platform | rpm.Platform] = {
    platform.name: platform for platform in (debian.Platform(), firewalls.Platform(), *rpm.PLATFORMS.values())
}
# The longest a login may take is two runs of the keys command, 5 s each.
LOGIN_TIMEOUT = 30.0

# The hardware's identity, laid over what the host shows: DMI says which instance this is.
IDENTITY = """
set -eu
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir -p /mnt/virtual/dmi/id /mnt/class/dmi
printf '%s\\n' "$1" >/mnt/virtual/dmi/id/board_asset_tag
printf '%s\\n' "$2" >/mnt/virtual/dmi/id/product_name
for name in sys_vendor board_vendor bios_vendor chassis_vendor; do
    printf 'Amazon EC2\\n' >/mnt/virtual/dmi/id/$name
done
ln -s ../../devices/virtual/dmi/id /mnt/class/dmi/id
mount -t overlay -o ro,lowerdir=/mnt/virtual:/sys/devices/virtual overlay /sys/devices/virtual
mount -t overlay -o ro,lowerdir=/mnt/class:/sys/class overlay /sys/class
umount /mnt
"""

# What the metadata service may be told besides what the machine is like (`imds.Service.settings`).
OF_THE_SERVICE = {"clock_offset", "delay_ms", "statuses", "pending_time", "short_chain", "staples"}


@dataclass
class MachineSpec:
    instance_id: str
    private_ipv4: str
    region: str
    availability_zone: str
    account_id: str
    image_id: str = "ami-0123456789abcdef0"
    instance_type: str = "t3.micro"
    domain: str = "amazonaws.com"
    ipv6: str | None = None
    http_endpoint: str = "enabled"
    http_tokens: str = "required"
    hop_limit: int = 2
    # The package's version; "" is the platform's usual one, None none.
    package_version: str | None = ""
    ssh_port: int = 22
    public_ipv4: str | None = None
    # Of PLATFORMS.
    platform: str = "debian"
    # What IMDS gives for the instance's role: `name`, `access_key`, `secret_key`, `session_token`, `profile_arn`, `profile_id`.
    role: dict[str, str] | None = None


@dataclass
class Completed:
    returncode: int
    stdout: bytes
    stderr: bytes


class Machine:
    """`start()` it, use it, `stop()` it. It also ends, with all that belongs to it, when this process does."""

    init_pid: int

    def __init__(self, spec: MachineSpec, base: Base, workdir: Path, image: Path | None = None) -> None:
        """`image`: what `make_image` of a machine of the same platform wrote, which this one begins with."""
        self.spec = spec
        self._image = image
        self.init_pid = 0
        self._base = base
        self._platform = PLATFORMS[spec.platform]
        self._workdir = workdir
        self.identity = identity_document.in_directory(workdir / "identity")
        self._supervisor: subprocess.Popen[str] | None = None
        self._pending_time = 0
        self._imds: Imds | None = None

    def __enter__(self) -> "Machine":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when sshd listens, wired as the package wires it."""
        if self._supervisor is not None:
            raise LabError(f"{self.spec.instance_id} is already started")
        try:
            self._boot()
            self._expect(["sh", "-c", IDENTITY, "sh", self.spec.instance_id, self.spec.instance_type])
            version = self._version()
            # An image has it already, as it has the package.
            if self._image is None:
                self._expect(["sh", "-c", self._platform.trust], stdin=self._imds_server().root)
            if self._image is None and version is not None and not self._platform.comes_installed:
                self.install_package(version)
            self._expect(["systemctl", "is-active", "--quiet", self._platform.unit])
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Leaves no process, mount, namespace or file. May be called again."""
        if self._imds is not None:
            self._imds.close()
            self._imds = None
        if self._supervisor is not None:
            supervisor, self._supervisor = self._supervisor, None
            supervisor.stdin.close()
            supervisor.wait()
            supervisor.stdout.close()
        self.init_pid = 0

    def exec(self, argv: list[str], stdin: bytes = b"", timeout: float = 60) -> Completed:
        """Runs as root inside the instance. Over `timeout` seconds: killed, and subprocess.TimeoutExpired."""
        if self.init_pid == 0:
            raise LabError(f"{self.spec.instance_id} is not running")
        enter = ["nsenter", "-t", str(self.init_pid), "-m", "-u", "-i", "-n", "-p", "-C", "--"]
        return _run(enter + argv, stdin, timeout)

    def make_image(self, to: Path) -> None:
        """What this machine has on its disk beside its platform's layers, for others to begin with."""
        upper = f"/proc/{_children(self._supervisor.pid)[0]}/root/run/lab/upper"
        # With the attributes and devices by which an overlay marks what is gone.
        subprocess.run(["cp", "-a", upper, str(to)], check=True)

    def update_imds(self, **changes: Any) -> None:
        """Changes what the metadata service says: fields of MachineSpec, or `imds.Service`'s further settings."""
        known = {field.name for field in dataclasses.fields(MachineSpec)} | OF_THE_SERVICE
        if unknown := changes.keys() - known:
            raise ValueError(f"the metadata service has no {', '.join(sorted(unknown))}")
        self._imds_server().ask(op="set", settings=changes)

    def push_key(self, os_user: str, public_key: str, caller: str | None = None, request: str | None = None) -> None:
        """What SendSSHPublicKey does: for 60 seconds the key is this user's."""
        caller = caller or f"arn:aws:iam::{self.spec.account_id}:user/operator"
        self._imds_server().ask(
            op="push", user=os_user, key=public_key, caller=caller, request=request or str(uuid.uuid4())
        )

    def login(self, os_user: str, private_key: Path, port: int = 22, command: str = "true") -> Completed:
        """A real ssh from the client's network."""
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "GlobalKnownHostsFile": "/dev/null",
            "ConnectTimeout": "5",
            "LogLevel": "ERROR",
        }
        ssh = ["ssh", "-F", "/dev/null", "-i", str(private_key), "-p", str(port)]
        for name, value in options.items():
            ssh += ["-o", f"{name}={value}"]
        return self.client([*ssh, f"{os_user}@{self.spec.private_ipv4}", command], timeout=LOGIN_TIMEOUT)

    def client(self, argv: list[str], stdin: bytes = b"", timeout: float = 60) -> Completed:
        """Runs a command of this host in the client's network namespace."""
        return _run(["nsenter", f"--net={self.client_network()}", "--", *argv], stdin, timeout)

    def client_network(self) -> str:
        """A path to the client's network namespace, for any process of the host."""
        if self._supervisor is None:
            raise LabError(f"{self.spec.instance_id} is not running")
        # The name exists only in the inner supervisor's mount namespace, which /proc leads into.
        return f"/proc/{_children(self._supervisor.pid)[0]}/root/run/netns/client"

    def install_file(self, source: Path, target: str, mode: int = 0o755) -> None:
        install = ["install", "-D", "-m", f"{mode:04o}", "/dev/stdin", target]
        self._expect(install, stdin=source.read_bytes())

    def install_package(self, version: str) -> None:
        """Installs ec2-instance-connect, or changes its version, as the package manager does it on a running system."""
        script, package = self._platform.install(self._base, version)
        self._expect(["sh", "-c", script], stdin=package)

    def remove_package(self) -> None:
        self._expect(["sh", "-c", self._platform.remove])

    def _version(self) -> str | None:
        return self._platform.usual_version if self.spec.package_version == "" else self.spec.package_version

    def _boot(self) -> None:
        ours, theirs = socket.socketpair()
        version = self._version()
        plan = {
            "layers": [str(layer) for layer in [*filter(None, [self._image]), *self._platform.layers(self._base, version)]],
            "files": self._platform.files(self._base, version, self.spec.ssh_port),
            "hostname": "ip-" + self.spec.private_ipv4.replace(".", "-"),
            "imds_descriptor": theirs.fileno(),
            "imds_program": str(HERE / "imds.py"),
            "ipv6": self.spec.ipv6,
            "private_ipv4": self.spec.private_ipv4,
        }
        with theirs:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-B", str(HERE / "supervisor.py"), json.dumps(plan)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                pass_fds=(theirs.fileno(),), start_new_session=True, env={**os.environ, **ENVIRONMENT},
            )  # fmt: skip
        # Whole seconds: each start has a document of its own, however soon it follows.
        self._pending_time = max(int(time.time()), self._pending_time + 1)
        self._imds = Imds(ours, self._settings())
        answer = json.loads(self._supervisor.stdout.readline() or '{"error": "its supervisor died"}')
        if "error" in answer:
            raise LabError(f"{self.spec.instance_id} does not boot: {answer['error']}\n{answer.get('console', '')}")
        self._imds.await_ready()
        self.init_pid = _container_init(self._supervisor.pid)

    def _settings(self) -> dict[str, Any]:
        # Interface addresses of EC2 are locally administered; this one only has to be stable.
        octets = [2, 0, *(int(part) for part in self.spec.private_ipv4.split("."))]
        return {
            **dataclasses.asdict(self.spec),
            "mac": ":".join(f"{octet:02x}" for octet in octets),
            "pending_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._pending_time)),
            "identity_directory": str(self.identity.directory),
            "authority_directory": str(self._workdir / "authority"),
        }

    def _imds_server(self) -> "Imds":
        if self._imds is None:
            raise LabError(f"{self.spec.instance_id} is not running")
        return self._imds

    def _expect(self, argv: list[str], stdin: bytes = b"") -> None:
        done = self.exec(argv, stdin)
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode(errors="replace").strip()
            raise LabError(f"{self.spec.instance_id}: {argv[0]} ended with {done.returncode}: {said}")


class Imds:
    """The metadata service's control socket."""

    def __init__(self, connection: socket.socket, settings: dict[str, Any]) -> None:
        self.root = b""
        self._connection = connection
        self._stream = connection.makefile("rw", encoding="utf-8")
        self._lock = threading.Lock()
        print(json.dumps(settings), file=self._stream, flush=True)

    def await_ready(self) -> None:
        self.root = self._answer()["root"].encode()

    def ask(self, **order: Any) -> None:
        with self._lock:
            print(json.dumps(order), file=self._stream, flush=True)
            self._answer()

    def close(self) -> None:
        self._stream.close()
        self._connection.close()

    def _answer(self) -> dict[str, Any]:
        line = self._stream.readline()
        answer = json.loads(line or '{"error": "it has died"}')
        if "error" in answer:
            raise LabError(f"the metadata service: {answer['error']}")
        return answer


def _run(argv: list[str], stdin: bytes, timeout: float) -> Completed:
    # A session of its own, so that a time-out reaches what the command started too.
    process = subprocess.Popen(
        argv, env=ENVIRONMENT, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        stdout, stderr = process.communicate(stdin, timeout)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        raise
    return Completed(process.returncode, stdout, stderr)


def _container_init(supervisor: int) -> int:
    """The instance's init as this process numbers it: the deepest of the first processes below the supervisor."""
    found = supervisor
    waiting = [supervisor]
    while waiting:
        pid = waiting.pop()
        try:
            if _namespaced_pids(pid)[-1] == 1 and len(_namespaced_pids(pid)) > len(_namespaced_pids(found)):
                found = pid
            waiting += _children(pid)
        except (FileNotFoundError, ProcessLookupError):
            # One that has ended meanwhile, as the programs of a boot do.
            continue
    if len(_namespaced_pids(found)) != len(_namespaced_pids(supervisor)) + 2:
        raise LabError("the instance's init is not to be found")
    return found


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _namespaced_pids(pid: int) -> list[int]:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("NSpid:"):
            return [int(part) for part in line.split()[1:]]
    raise LabError(f"process {pid} has no NSpid line: the kernel is too old")
