"""Network ACLs: numbered entries, both directions, of the instance's subnet alone."""

from outside.row import ACL_IN, ACL_OUT, BROWSER, PRIVATE, PUBLIC, PUBLIC6, fault, healthy, partial, unknown
from outside.site import EVERYONE, EVERYONE6, Site, tcp

ALL = (0, 65535)
RETURN = (1024, 65535)
SOURCE = "203.0.113.7/32"
WIDE = ("--via", "public", "--source", "203.0.113.0/24")
# From the instance's own subnet.
BESIDE = ("--via", "private", "--source", "{net}.1.77")


def custom(*entries: tuple[int, str, str, tuple[int, int], bool], protocol: str = "6"):
    """A custom ACL with these entries, `(number, action, cidr, ports, is outbound)`, in place of the default one."""

    def change(s: Site) -> None:
        acl = s.new_acl()
        for number, action, cidr, ports, out in entries:
            s.entry(number, action, cidr, ports, out=out, protocol=protocol, acl=acl)

    return change


def _udp_alone(s: Site) -> None:
    acl = s.new_acl()
    s.entry(100, "allow", EVERYONE, (22, 22), protocol="17", acl=acl)
    s.entry(100, "allow", EVERYONE, RETURN, out=True, acl=acl)


def _ipv6_forgotten(s: Site) -> None:
    s.rules(tcp(cidr=EVERYONE6))
    custom((100, "allow", EVERYONE, ALL, False), (100, "allow", EVERYONE, ALL, True))(s)


def _crowded(s: Site) -> None:
    """A denial with the lowest number, and others right behind it."""
    s.entry(1, "deny", "203.0.113.0/24", (22, 22))
    s.entry(2, "deny", EVERYONE6, (22, 22))
    s.entry(3, "deny", "192.0.2.0/24", (22, 22))


def _another_subnets(s: Site) -> None:
    s.new_acl(s.subnet())


def _dense(s: Site) -> None:
    for number in (98, 99):
        s.entry(number, "deny", "203.0.113.0/24", (22, 22))


DENIED = fault("an entry denies the port", PUBLIC, ACL_IN, lambda s: s.entry(50, "deny", EVERYONE))
NO_REPLIES = fault("an entry denies the replies", PUBLIC, ACL_OUT, lambda s: s.entry(50, "deny", EVERYONE, RETURN, out=True))
DENIED_TO_BROWSER = fault("the browser: an entry denies its network", BROWSER, ACL_IN, lambda s: s.entry(50, "deny", "18.0.0.0/8"))

ROWS = [
    DENIED,
    NO_REPLIES,
    DENIED_TO_BROWSER,
    fault("a custom ACL that nobody filled", PUBLIC, (ACL_IN, ACL_OUT), custom()),
    fault("nothing inbound", PUBLIC, ACL_IN, custom((100, "allow", EVERYONE, ALL, True))),
    fault("nothing outbound", PUBLIC, ACL_OUT, custom((100, "allow", EVERYONE, ALL, False))),
    fault("UDP alone", PUBLIC, ACL_IN, _udp_alone),
    fault("inbound for another network alone", PUBLIC, ACL_IN,
          custom((100, "allow", "192.0.2.0/24", (22, 22), False), (100, "allow", EVERYONE, ALL, True))),
    fault("inbound for the ephemeral ports alone", PUBLIC, ACL_IN,
          custom((100, "allow", EVERYONE, RETURN, False), (100, "allow", EVERYONE, ALL, True))),
    fault("outbound for the port itself alone", PUBLIC, ACL_OUT,
          custom((100, "allow", EVERYONE, ALL, False), (100, "allow", EVERYONE, (22, 22), True))),
    fault("an entry denies all protocols", PUBLIC, ACL_IN, lambda s: s.entry(50, "deny", "203.0.112.0/23", None, protocol="-1")),
    fault("the entry that denies has number 1", PUBLIC, ACL_IN, lambda s: s.entry(1, "deny", "203.0.113.0/24")),
    fault("the entry that denies has number 1 and others follow it", PUBLIC, ACL_IN, _crowded),
    fault("replies are denied by number 1", PUBLIC, ACL_OUT, lambda s: s.entry(1, "deny", EVERYONE, ALL, out=True)),
    fault("two entries deny, right before the one that allows", PUBLIC, ACL_IN, _dense),
    fault("IPv6 was forgotten", PUBLIC6, (ACL_IN, ACL_OUT), _ipv6_forgotten),
    fault("a private source of another subnet is denied", PRIVATE, ACL_IN, lambda s: s.entry(50, "deny", "10.0.0.0/8")),
    partial("replies to 49152-65535 alone", PUBLIC, ACL_OUT,
            custom((100, "allow", EVERYONE, ALL, False), (100, "allow", EVERYONE, (49152, 65535), True))),
    partial("replies to Linux's ephemeral ports alone", PUBLIC, ACL_OUT,
            custom((100, "allow", EVERYONE, ALL, False), (100, "allow", EVERYONE, (32768, 60999), True))),
    partial("half of the source is denied", WIDE, ACL_IN, lambda s: s.entry(50, "deny", "203.0.113.128/25")),
    unknown("network ACLs that may not be read", PUBLIC, (ACL_IN, ACL_OUT), lambda s: s.refuse("ec2:DescribeNetworkAcls"),
            action="ec2:DescribeNetworkAcls"),
    healthy("an entry that denies after the one that allows", PUBLIC, lambda s: s.entry(200, "deny", EVERYONE)),
    healthy("an entry denies another network", PUBLIC, lambda s: s.entry(50, "deny", "192.0.2.0/24")),
    healthy("an entry denies UDP", PUBLIC, lambda s: s.entry(50, "deny", EVERYONE, protocol="17")),
    healthy("an entry denies another port", PUBLIC, lambda s: s.entry(50, "deny", EVERYONE, (23, 1023))),
    healthy("another subnet's ACL denies everything", PUBLIC, _another_subnets),
    healthy("a source of the same subnet meets no ACL", BESIDE, lambda s: s.new_acl()),
    healthy("the narrowest entries that suffice", PUBLIC,
            custom((10, "allow", SOURCE, (22, 22), False), (10, "allow", SOURCE, RETURN, True))),
    healthy("the ports in two entries", PUBLIC, custom(
        (10, "allow", EVERYONE, (0, 22), False), (10, "allow", EVERYONE, (1024, 40000), True), (20, "allow", EVERYONE, (40001, 65535), True))),
    healthy("IPv6 alone, and an IPv6 source", PUBLIC6, lambda s: [s.rules(tcp(cidr=EVERYONE6)), custom(
        (10, "allow", EVERYONE6, (22, 22), False), (10, "allow", EVERYONE6, RETURN, True))(s)]),
]  # fmt: skip
