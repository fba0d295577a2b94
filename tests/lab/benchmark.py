"""What a full pass of the agent costs, side by side with the probe script, in one machine and one run.

Processor time is that of the program and of all that it started and waited for; wall and processor time are medians.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from base import Base
from machine import ENVIRONMENT, Machine
from netns import enter_private_mounts
from test_footprint import AGENT, REPOSITORY, built_agent
from test_machine import spec

SCRIPT = "/run/probe.sh"
CHECK, REPORT, PROBE = [AGENT, "check"], [AGENT, "ssm"], ["/bin/sh", SCRIPT]
DROP = "nft add table inet lab; nft add chain inet lab output '{ type filter hook output priority 0; }';" \
       " nft add rule inet lab output ip daddr 169.254.169.254 drop"  # fmt: skip
NAMESPACES = ("uts", "ipc", "net", "pid", "cgroup", "mnt")


@dataclass
class Cost:
    cpu_ms: float
    wall_ms: float
    exit: int


@dataclass
class Memory:
    resident_kb: int
    anonymous_kb: int


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    enter_private_mounts()
    agent = built_agent()
    with tempfile.TemporaryDirectory() as folder, Machine(spec(21), Base.ready(), Path(folder)) as machine:
        machine.install_file(agent, AGENT)
        script = Path(folder) / "probe.sh"
        script.write_text(probe_script(), encoding="utf-8")
        machine.install_file(script, SCRIPT)
        print(f"binary                    {agent.stat().st_size:>9} bytes    (goal: 4,000,000)")
        memory = in_machine(machine, lambda: asdict(peak([AGENT, "check", "--output", "json"])))
        print(f"resident memory           {memory['resident_kb']:>9} kB       (goal: 6,000)")
        print(f"  of it anonymous         {memory['anonymous_kb']:>9} kB")
        print(f"processes started         {started(machine, REPORT, folder):>9}          script {started(machine, PROBE, folder)}")
        print(f"\n{'':26}{'agent check':>24}{'agent ssm':>24}{'script':>24}{'script : agent ssm':>26}")
        print(f"{'':26}" + f"{'cpu ms':>12}{'wall ms':>12}" * 3 + f"{'cpu':>14}{'wall':>12}")
        row(machine, "healthy IMDS", runs)
        share(machine, runs, folder)
        for delay in (50, 300, 900):
            machine.update_imds(delay_ms=delay)
            row(machine, f"IMDS answers in {delay} ms", 3)
        machine.update_imds(delay_ms=0)
        machine.update_imds(http_endpoint="disabled")
        row(machine, "IMDS switched off", 5)
        machine.update_imds(http_endpoint="enabled")
        machine.exec(["sh", "-c", DROP])
        row(machine, "dead IMDS", 3)
        said = machine.exec([*CHECK, "--only", "os.imds"]).stdout.decode()
        print("\nWhat the agent says of a dead IMDS:\n")
        print(said)
        print("Goals: at most 20 ms of processor and 100 ms of wall with a healthy IMDS, and 10 s with a dead one.")


def row(machine: Machine, name: str, runs: int) -> Cost:
    """Prints a line of the table; what `check` costs."""
    costs = [Cost(**in_machine(machine, lambda argv=argv: asdict(cost(argv, runs)))) for argv in (CHECK, REPORT, PROBE)]
    _, report, probe = costs
    figures = "".join(f"{one.cpu_ms:12.1f}{one.wall_ms:12.1f}" for one in costs)
    print(f"{name:26}{figures}{probe.cpu_ms / report.cpu_ms:14.1f}{probe.wall_ms / report.wall_ms:12.1f}", flush=True)
    return costs[0]


def share(machine: Machine, runs: int, folder: str) -> None:
    """Where sshd has to be asked: a whole look, and what of it is not the agent's, the same program with the same arguments and alone."""
    machine.exec(["touch", "/etc/ssl/openssl.cnf"])
    asked = row(machine, "sshd is asked", runs)
    sshd = Cost(**in_machine(machine, lambda argv=sshd_arguments(machine, folder): asdict(cost(argv, runs))))
    print(f"{'  of it sshd -T, alone':26}{sshd.cpu_ms:12.1f}{sshd.wall_ms:12.1f}")
    print(f"{'  of it the agent':26}{asked.cpu_ms - sshd.cpu_ms:12.1f}", flush=True)
    machine.exec(["systemctl", "restart", "ssh"])


def sshd_arguments(machine: Machine, folder: str) -> list[str]:
    calls = traced(machine, CHECK, folder, "execve")
    started_it = (re.search(r'execve\("/usr/sbin/sshd", (\[.*\]), 0x\w+ .*= 0$', line) for line in calls)
    return next(json.loads(found[1]) for found in started_it if found)


def probe_script() -> str:
    """As `ssm_script` of the agent's library composes it for an instance without the agent."""
    folder = REPOSITORY / "agent/src/probe"
    parts = re.findall(r'include_str!\("\.\./probe/(\w+\.sh)"\)', (REPOSITORY / "agent/src/report/script.rs").read_text())
    values = "eic_os_user=ec2-user\neic_port=22\neic_via=auto\neic_source=\neic_source_address=\neic_address=\n"
    return "#!/bin/sh\n" + values + "".join((folder / part).read_text(encoding="utf-8") for part in parts)


def in_machine(machine: Machine, measure: object) -> dict[str, object]:
    """What `measure` returns in a process of this program that has entered the machine; what that starts is in it too."""
    namespaces = [os.open(f"/proc/{machine.init_pid}/ns/{name}", os.O_RDONLY) for name in NAMESPACES]
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            for namespace in namespaces:
                if libc.setns(namespace, 0) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            os.chdir("/")
            answer = json.dumps(measure())
            os.write(writing, answer.encode())
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
    os.close(writing)
    for namespace in namespaces:
        os.close(namespace)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(answer)


def cost(argv: list[str], runs: int) -> Cost:
    cpu, wall, status = [], [], 0
    for _ in range(runs):
        started_at = time.monotonic()
        # Without a copy of this program's memory, which the child's account would be charged for.
        pid = os.posix_spawn(argv[0], argv, ENVIRONMENT, file_actions=[
            (os.POSIX_SPAWN_OPEN, stream, "/dev/null", os.O_RDWR, 0) for stream in range(3)
        ])  # fmt: skip
        _, status, used = os.wait4(pid, 0)
        wall.append((time.monotonic() - started_at) * 1e3)
        cpu.append((used.ru_utime + used.ru_stime) * 1e3)
    return Cost(statistics.median(cpu), statistics.median(wall), os.waitstatus_to_exitcode(status))


def peak(argv: list[str]) -> Memory:
    """The memory of a program that has done its work and waits for somebody to read what it printed."""
    proc = os.open("/proc", os.O_RDONLY)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    pid = os.fork()
    if pid == 0:
        os.dup2(writing, 1)
        os.execve(argv[0], argv, ENVIRONMENT)
    os.close(writing)
    while not os.read(reading, 1):
        pass
    time.sleep(0.2)
    # Its number in the machine's namespace is what its /proc knows it by.
    inner = max(int(name) for name in os.listdir("/proc") if name.isdigit() and is_it(name, argv[0]))
    status = Path(f"/proc/{inner}/status").read_text()
    rollup = Path(f"/proc/{inner}/smaps_rollup").read_text()
    resident = int(re.search(r"VmHWM:\s+(\d+)", status)[1])
    anonymous = int(re.search(r"Anonymous:\s+(\d+)", rollup)[1])
    with os.fdopen(reading, "rb") as rest:
        rest.read()
    os.waitpid(pid, 0)
    os.close(proc)
    return Memory(resident, anonymous)


def is_it(pid: str, program: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/exe") == program
    except OSError:
        return False


def started(machine: Machine, argv: list[str], folder: str) -> int:
    """Processes, not threads; the program itself is one."""
    lines = traced(machine, argv, folder, "clone,clone3,fork,vfork")
    # nsenter's own fork is the program.
    return len([line for line in lines if "CLONE_THREAD" not in line and re.search(r"= \d+$", line)])


def traced(machine: Machine, argv: list[str], folder: str, calls: str) -> list[str]:
    log = Path(folder) / "traced"
    enter = ["nsenter", "-t", str(machine.init_pid), "-m", "-u", "-i", "-n", "-p", "-C", "--"]
    strace = ["strace", "-f", "-qq", "-s", "4096", "-e", f"trace={calls}", "-e", "signal=none", "-o", str(log)]
    subprocess.run([*strace, *enter, *argv], env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return log.read_text().splitlines()


if __name__ == "__main__":
    main()
