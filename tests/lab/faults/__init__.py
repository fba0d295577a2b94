"""Named faults: each takes a healthy scenario and breaks exactly one thing, as it would break in an account.

The AWS side is broken through AWS's APIs, the OS side by commands inside the instance. A fault that only a new
scenario can have (another Region, another zone) is a `spec` that is laid over the scenario's.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from daemon.lab import Lab
    from daemon.scenario import Scenario

GROUPS = ("instance", "metadata", "package", "sshd", "network", "identity", "management")


class Target:
    """What a fault is applied to."""

    def __init__(self, lab: Lab, scenario: Scenario) -> None:
        self._lab = lab
        self.ids = scenario.ids
        self.spec = scenario.spec
        self.node = scenario.node
        self.machine = scenario.machine

    @property
    def ec2(self) -> Any:
        return self._lab.clients.of("ec2", self.ids["region"])

    @property
    def iam(self) -> Any:
        return self._lab.clients.of("iam", self.ids["region"])

    @property
    def inside(self) -> Any:
        if self.machine is None:
            raise ValueError(f"this fault is made inside the instance, and {self.ids['instance_id']} has no machine")
        return self.machine

    def sh(self, script: str, stdin: bytes = b"") -> None:
        """Runs in the instance as root; a fault that cannot be made must not pass for one that was."""
        done = self.inside.exec(["/bin/sh", "-euc", script], stdin)
        if done.returncode != 0:
            raise RuntimeError(f"`{script}` ended with {done.returncode}: {(done.stdout + done.stderr).decode(errors='replace')}")


@dataclass
class Fault:
    name: str
    group: str
    doc: str
    # Laid over the scenario's spec; not empty means that an existing scenario cannot be given this fault.
    spec: dict[str, Any] = field(default_factory=dict)
    apply: Callable[[Target], None] = lambda target: None


_faults: dict[str, Fault] = {}


def fault(apply: Callable[[Target], None]) -> Callable[[Target], None]:
    """Registers a function under its name, with `-` for `_`."""
    name = apply.__name__.replace("_", "-")
    _faults[name] = Fault(name, apply.__module__.rpartition(".")[2], (apply.__doc__ or "").strip(), apply=apply)
    return apply


def at_creation(**spec: Any) -> Callable[[Callable[[Target], None]], Callable[[Target], None]]:
    """As `fault`, for what is decided when the scenario is made."""

    def register(apply: Callable[[Target], None]) -> Callable[[Target], None]:
        fault(apply)
        _faults[apply.__name__.replace("_", "-")].spec = spec
        return apply

    return register


def find(name: str) -> Fault:
    if name not in _faults:
        raise ValueError(f"there is no fault {name}; there are: {', '.join(_faults)}")
    return _faults[name]


def listing() -> list[dict[str, Any]]:
    return [{"name": f.name, "group": f.group, "doc": f.doc, "at_creation": bool(f.spec)} for f in _faults.values()]


for _group in GROUPS:
    importlib.import_module(f"{__name__}.{_group}")
