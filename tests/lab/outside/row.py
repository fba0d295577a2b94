"""A row: how a healthy account picture is changed, what the attempt is, and exactly what must then be said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable

from outside.site import Site

Change = Callable[[Site], None]

# Ways to come. `{net}` is the first two numbers of the VPC's addresses.
PUBLIC = ("--via", "public", "--source", "203.0.113.7/32")
PUBLIC6 = ("--via", "public", "--source", "2001:db8:c::7/128")
BROWSER = ("--via", "browser")
PRIVATE = ("--via", "private", "--source", "{net}.9.9")
ENDPOINT = ("--via", "endpoint")

SG, ROUTE, GATEWAY = "aws.network.security-group-ingress", "aws.network.route-to-source", "aws.network.internet-gateway"
ACL_IN, ACL_OUT = "aws.network.network-acl-inbound", "aws.network.network-acl-outbound"
SHUT, ADDRESS, RUNNING = "aws.network.block-public-access", "aws.instance.address", "aws.instance.running"
EXISTS, STATE, FAMILY = "aws.endpoint.exists", "aws.endpoint.state", "aws.endpoint.ip-address-type"
EGRESS, ENDPOINT_ACL, TUNNEL = "aws.endpoint.security-group-egress", "aws.endpoint.network-acl", "aws.iam.open-tunnel"
PUSH, LOOK_UP, PRINCIPAL = "aws.iam.send-ssh-public-key", "aws.iam.describe-instances", "aws.iam.principal"


@dataclass(frozen=True)
class Row:
    name: str
    kind: str
    change: Change
    flags: tuple[str, ...]
    # Exactly the root causes, the warnings, and what that is needed stayed unknown.
    causes: frozenset[str] = frozenset()
    warns: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    # The network's answer; left out: `blocked` where there are causes, else `allowed`.
    answer: str | None = None
    # Settings of the scenario, such as its Region.
    spec: dict[str, Any] | None = None
    # In a Region of its own, since the change holds for all of it.
    alone: bool = False
    # What a person does where the remedy is words; called with what the report says of it.
    hand: Change | None = None
    # Why nothing can be mended; then no remedy is tried.
    for_good: str | None = None
    # What is still unknown, or only partly let through, when everything that was printed is done.
    left: frozenset[str] = frozenset()
    # The IAM action that must be named as missing.
    action: str | None = None
    # Words that the finding must have.
    says: str = ""
    # Words that the finding's evidence must have.
    quotes: str = ""
    area: str = ""

    def expected(self) -> tuple[str, str]:
        """`connectable` and the network's answer."""
        answer = self.answer or ("blocked" if self.causes else "unknown" if self.unknown else "partial" if self.warns else "allowed")
        if self.causes:
            return "no", answer
        return ("yes" if answer == "allowed" and not self.unknown else "unknown"), answer


def _set(ids: str | tuple[str, ...] | None) -> frozenset[str]:
    return frozenset((ids,) if isinstance(ids, str) else ids or ())


def fault(name: str, flags: tuple[str, ...], causes: str | tuple[str, ...], change: Change, **more: Any) -> Row:
    return Row(name, "fault", change, flags, causes=_set(causes), **_sets(more))


def partial(name: str, flags: tuple[str, ...], warns: str | tuple[str, ...], change: Change, **more: Any) -> Row:
    """A part of the source, or of its ports, gets through: a warning and an open answer."""
    return Row(name, "partial", change, flags, warns=_set(warns), **_sets(more))


def unknown(name: str, flags: tuple[str, ...], ids: str | tuple[str, ...], change: Change, **more: Any) -> Row:
    return Row(name, "unknown", change, flags, unknown=_set(ids), **_sets(more))


def healthy(name: str, flags: tuple[str, ...], change: Change, **more: Any) -> Row:
    return Row(name, "healthy", change, flags, **_sets(more))


def pair(one: Row, other: Row) -> Row:
    """Both of two rows that have nothing to do with each other: both causes, and nothing else."""
    if one.flags != other.flags:
        raise ValueError(f"{one.name} and {other.name} are not about one attempt")

    def change(site: Site) -> None:
        one.change(site)
        other.change(site)

    hands = [row.hand for row in (one, other) if row.hand]

    def hand(site: Site) -> None:
        for do in hands:
            do(site)

    answers = {row.expected()[1] for row in (one, other)}
    return replace(
        one, name=f"{one.name}; {other.name}", kind="pair", change=change, causes=one.causes | other.causes,
        warns=one.warns | other.warns, spec={**(one.spec or {}), **(other.spec or {})} or None, alone=one.alone or other.alone,
        hand=hand if hands else None, says="", quotes="", area="", answer="blocked" if "blocked" in answers else "allowed",
    )  # fmt: skip


def _sets(more: dict[str, Any]) -> dict[str, Any]:
    return {name: _set(value) if name in ("warns", "unknown", "left") else value for name, value in more.items()}
