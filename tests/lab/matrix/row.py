"""A row of the matrix: how an instance is broken, what a login then does, and what the agent must name."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

INSTANCE = "10.0.1.5"
INSTANCE_IPV6 = "2001:db8:a::5"
CLIENT = "203.0.113.7"
CLIENT_IPV6 = "2001:db8:c::7"
# One of the published addresses of EC2 Instance Connect in eu-west-1, where the lab's instances are.
BROWSER = "18.202.216.50"


class Login(enum.Enum):
    """What a real `ssh` with a pushed key came to."""

    WORKS = "works"
    # sshd answered and took no key.
    DENIED = "denied"
    # The key was accepted; then PAM or the session ended the connection.
    CLOSED = "closed"
    # sshd never answered this client.
    UNREACHED = "unreached"


WORKS, DENIED, CLOSED, UNREACHED = Login


@dataclass(frozen=True)
class Row:
    name: str
    kind: str
    # What breaks the instance: run inside it as root, by `sh -eu`.
    script: str
    login: Login
    # Exactly the root causes that the agent names.
    causes: frozenset[str]
    area: str = ""
    # Of machine.PLATFORMS; "ubuntu" is Debian whose os-release says so, with the version after the colon.
    platform: str = "ubuntu:22.04 jammy"
    # Fields of MachineSpec, there from boot on; and the metadata service's settings from the script on.
    spec: dict[str, Any] = field(default_factory=dict)
    imds: dict[str, Any] = field(default_factory=dict)
    # Exactly the warnings; None where the row does not say.
    warns: frozenset[str] | None = None
    # The attempt, for the login and for the agent.
    os_user: str = "ec2-user"
    source: str = CLIENT
    # What the agent is told of the source where that is not all: a range that it is in, or nothing.
    told_source: str | None = ""
    address: str = INSTANCE
    port: int = 22
    via: str = "public"
    # More flags of the agent; more options of the client's ssh.
    flags: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    # The key's type, and for whom it is pushed; None: nobody.
    key: str = "ed25519"
    pushed_for: str | None = ""
    # `no` where there are causes, else `yes`, unless the row says otherwise.
    connectable: str | None = None
    # Why the printed command cannot be tried in the lab.
    untried: str | None = None

    def attempt(self) -> list[str]:
        told = self.source if self.told_source == "" else self.told_source
        return [
            "--os-user", self.os_user, "--via", self.via, *(["--source", told] if told else []), "--address", self.address,
            "--port", str(self.port), *self.flags,
        ]  # fmt: skip

    def expected_connectable(self) -> str:
        return self.connectable or ("no" if self.causes else "yes")


def fault(name: str, login: Login, cause: str, script: str, **more: Any) -> Row:
    return Row(name, "fault", script, login, frozenset({cause}), **_frozen(more))


def healthy(name: str, script: str, **more: Any) -> Row:
    """Looks wrong to some, and the login works; or it fails for a reason that is not the host's."""
    return Row(name, "healthy", script, more.pop("login", WORKS), frozenset(), **_frozen(more))


def pair(name: str, login: Login, causes: tuple[str, str], script: str, **more: Any) -> Row:
    return Row(name, "pair", script, login, frozenset(causes), **_frozen(more))


def _frozen(more: dict[str, Any]) -> dict[str, Any]:
    return {name: frozenset(value) if name == "warns" else value for name, value in more.items()}
