"""What moto cannot hold about an instance: its machine, what SSM knows of it, its status checks; per Region, the rest."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass
class Node:
    """One instance. `machine` is None where a scenario was made without one."""

    instance_id: str
    region: str
    private_ip: str
    availability_zone: str
    machine: Any = None
    # SSM: None means unmanaged, else Online, ConnectionLost or Inactive.
    ping_status: str | None = "Online"
    platform_name: str = "Ubuntu"
    platform_version: str = "22.04"
    agent_version: str = "3.3.987.0"
    last_ping: float = field(default_factory=time.time)
    # EC2's status checks: ok, impaired, insufficient-data, initializing, not-applicable.
    system_status: str = "ok"
    instance_status: str = "ok"
    # None: EC2 makes no such check of it.
    ebs_status: str | None = None
    # Scheduled events: `code`, `description`, `not_before`.
    events: list[dict[str, str]] = field(default_factory=list)
    # Run Command on demand: None really runs; else one of run_command.OUTCOMES.
    command_outcome: str | None = None
    # Milliseconds that a command stays Pending before it starts.
    command_delay_ms: int = 0
    # Cuts what GetCommandInvocation gives back after so many characters, without AWS's mark.
    command_cut: int | None = None
    # What EC2 says of the instance beyond moto: `state` (passes after `state_lasts` descriptions), `operator`, `platform`;
    # `console`, `console_at` and `console_latest`: what stands on its console, since when, and whether the newest may be asked for;
    # `ipv6_only`: its subnet, which has no IPv4 range;
    # `subnet` and `subnet_owner`, of a subnet that another account shares.
    told: dict[str, Any] = field(default_factory=dict)

    def passing_state(self) -> str | None:
        """The state that is told instead of moto's, each time that it is."""
        if self.told.get("state_lasts", 1) <= 0:
            return None
        if "state_lasts" in self.told:
            self.told["state_lasts"] -= 1
        return self.told.get("state")

    def change(self, changes: dict[str, Any]) -> None:
        known = {f.name for f in fields(self)} - {"instance_id", "region", "private_ip", "availability_zone", "machine"}
        if unknown := set(changes) - known:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        for name, value in changes.items():
            setattr(self, name, value)


class Nodes:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: dict[str, Node] = {}
        # Region → what DescribeInstanceConnectEndpoints and DescribeVpcBlockPublicAccessOptions answer.
        self.endpoints: dict[str, list[dict[str, Any]]] = {}
        self.public_access: dict[str, dict[str, Any]] = {}

    def add(self, node: Node) -> None:
        with self._lock:
            self._nodes[node.instance_id] = node

    def remove(self, instance_id: str) -> None:
        with self._lock:
            self._nodes.pop(instance_id, None)

    def get(self, instance_id: str) -> Node | None:
        with self._lock:
            return self._nodes.get(instance_id)

    def in_region(self, region: str) -> list[Node]:
        with self._lock:
            return [node for node in self._nodes.values() if node.region == region]
