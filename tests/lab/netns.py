"""Private namespaces for the lab, and the network of one machine.

A machine has three network namespaces: `vpc` stands for everything AWS does
(router, metadata service), `instance` is the instance itself, and `client` is
where an operator's `ssh` runs. They are joined by veth pairs that are created
inside the namespaces, so no interface ever exists in the host's own network.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import subprocess
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

NAMES = ("vpc", "instance", "client")
RUN_NETNS = Path("/run/netns")
# The mount source by which a process recognises that it is already inside.
MARK = "eic-doctor-lab"

CLIENT_IPV4 = "203.0.113.7"
CLIENT_GATEWAY_IPV4 = "203.0.113.1"
CLIENT_IPV6 = "2001:db8:c::7"
CLIENT_GATEWAY_IPV6 = "2001:db8:c::1"
IMDS_IPV4 = "169.254.169.254"
IMDS_IPV6 = "fd00:ec2::254"

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    def encode(text: str | None) -> bytes | None:
        return None if text is None else text.encode()

    result = _libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data))
    _check(result, f"mount {target}")


def prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), "prctl")


def private_mounts() -> None:
    """Leaves the mount namespace of the caller's thread: nothing mounted from here on is seen outside."""
    unshare(CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def in_private_mounts() -> bool:
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        for line in lines:
            left, _, right = line.partition(" - ")
            if left.split()[4] == str(RUN_NETNS) and right.split()[1] == MARK:
                return True
    return False


def enter_private_mounts() -> None:
    """Puts this process into a private mount namespace with an empty /run/netns. May be called again.

    Call it before any thread is started: a mount namespace belongs to a thread.
    """
    if in_private_mounts():
        return
    private_mounts()
    RUN_NETNS.mkdir(parents=True, exist_ok=True)
    mount(MARK, str(RUN_NETNS), "tmpfs", 0, "mode=0755")


def create(private_ipv4: str, ipv6: str | None) -> None:
    """Makes the three namespaces below this mount namespace's /run/netns, joined and routed."""
    gateway = _gateway(private_ipv4)
    links = [f"netns add {name}" for name in NAMES] + [
        # Created in place: the host's network never holds these names, so two labs cannot clash.
        "link add eth0 netns instance type veth peer name instance netns vpc",
        "link add eth0 netns client type veth peer name client netns vpc",
    ]
    vpc = [
        "link set lo up",
        "link set instance up",
        "link set client up",
        f"addr add {gateway}/24 dev instance",
        f"addr add {CLIENT_GATEWAY_IPV4}/24 dev client",
        f"addr add {IMDS_IPV4}/32 dev lo",
        f"addr add {IMDS_IPV6}/128 dev lo nodad",
        "addr add fe80::1/64 dev instance nodad",
        f"addr add {CLIENT_GATEWAY_IPV6}/64 dev client nodad",
    ]
    instance = [
        "link set lo up",
        "link set eth0 up",
        f"addr add {private_ipv4}/24 dev eth0",
        f"route add default via {gateway}",
    ]
    if ipv6 is not None:
        vpc.append(f"route add {ipv6}/128 dev instance")
        instance += [f"addr add {ipv6}/128 dev eth0 nodad", "route add ::/0 via fe80::1 dev eth0"]
    client = [
        "link set lo up",
        "link set eth0 up",
        f"addr add {CLIENT_IPV4}/24 dev eth0",
        f"addr add {CLIENT_IPV6}/64 dev eth0 nodad",
        f"route add default via {CLIENT_GATEWAY_IPV4}",
        f"route add ::/0 via {CLIENT_GATEWAY_IPV6}",
    ]
    _ip_batch(None, links)
    _ip_batch("vpc", vpc)
    _ip_batch("instance", instance)
    _ip_batch("client", client)
    forward = "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"
    subprocess.run(["ip", "netns", "exec", "vpc", "sh", "-c", forward], check=True)


def _gateway(private_ipv4: str) -> str:
    """The subnet's router: its first address, as in a VPC."""
    network = ipaddress.ip_interface(f"{private_ipv4}/24").network
    first, last = network[1], network[-2]
    return str(last if str(first) == private_ipv4 else first)


def _ip_batch(namespace: str | None, commands: list[str]) -> None:
    argv = ["ip", *(["-n", namespace] if namespace else []), "-batch", "-"]
    done = subprocess.run(argv, input="\n".join(commands) + "\n", text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
