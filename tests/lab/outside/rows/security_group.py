"""Security groups: which rules let whom in."""

from outside.row import BROWSER, PRIVATE, PUBLIC, PUBLIC6, SG, fault, healthy, partial, unknown
from outside.site import EVERYONE, EVERYONE6, Site, permission, tcp

SOURCE = "203.0.113.7/32"
WIDE = ("--via", "public", "--source", "203.0.113.0/24")


def _of_another_group(s: Site) -> None:
    s.rules()
    s.admit(tcp(cidr=SOURCE), group=s.new_group())


def _outbound_alone(s: Site) -> None:
    s.rules()
    s.egress(tcp(cidr=EVERYONE))


def _no_rule_in_either(s: Site) -> None:
    s.rules()
    s.wear(s.sg_id, s.new_group())


def _one_of_two(s: Site) -> None:
    s.rules()
    other = s.new_group()
    s.admit(tcp(cidr=SOURCE), group=other)
    s.wear(s.sg_id, other)


NO_RULE = fault("no inbound rule", PUBLIC, SG, lambda s: s.rules())
NO_RULE_FOR_BROWSER = fault("the browser: no inbound rule", BROWSER, SG, lambda s: s.rules())

ROWS = [
    NO_RULE,
    NO_RULE_FOR_BROWSER,
    fault("no inbound rule, with a profile that is named", (*PUBLIC, "--profile", "{profile}", "--region", "{region}"), SG, lambda s: s.rules()),
    fault("a rule for somebody else's address", PUBLIC, SG, lambda s: s.rules(tcp(cidr="198.51.100.77/32"))),
    fault("a rule for ports 80-443", PUBLIC, SG, lambda s: s.rules(tcp(80, 443, cidr=EVERYONE))),
    fault("a rule for ports 23-65535", PUBLIC, SG, lambda s: s.rules(tcp(23, 65535, cidr=EVERYONE))),
    fault("a rule for ports 0-21", PUBLIC, SG, lambda s: s.rules(tcp(0, 21, cidr=EVERYONE))),
    fault("a rule for UDP", PUBLIC, SG, lambda s: s.rules(permission("udp", 22, cidr=EVERYONE))),
    fault("a rule for ICMP", PUBLIC, SG, lambda s: s.rules(permission("icmp", -1, -1, cidr=EVERYONE))),
    fault("a rule for protocol 17", PUBLIC, SG, lambda s: s.rules(permission("17", 22, cidr=EVERYONE))),
    fault("an outbound rule alone", PUBLIC, SG, _outbound_alone),
    fault("a rule that names a group, and a public source", PUBLIC, SG, lambda s: s.rules(tcp(group=s.sg_id))),
    fault("the rule is another group's", PUBLIC, SG, _of_another_group),
    fault("two groups, neither with a rule", PUBLIC, SG, _no_rule_in_either),
    fault("a customer's prefix list without the source", PUBLIC, SG, lambda s: s.rules(tcp(prefix_list=s.prefix_list("192.0.2.0/24")))),
    fault("all IPv6 addresses and no IPv4 one", PUBLIC, SG, lambda s: s.rules(tcp(cidr=EVERYONE6))),
    fault("all IPv4 addresses and an IPv6 source", PUBLIC6, SG, lambda s: s.rules(tcp(cidr=EVERYONE))),
    fault("the browser: my own address alone", BROWSER, SG, lambda s: s.rules(tcp(cidr=SOURCE))),
    fault("the browser: the list of the other family", BROWSER, SG, lambda s: s.rules(tcp(prefix_list=s.prefix_lists["ipv6"]))),
    fault("the browser: another Region's range", BROWSER, SG, lambda s: s.rules(tcp(cidr="3.8.37.24/29"))),
    fault("a private source that no rule names", PRIVATE, SG, lambda s: s.rules(tcp(cidr="10.200.0.0/16"))),
    partial("the browser: half of the range", BROWSER, SG, lambda s: s.rules(tcp(cidr="18.202.216.48/30"))),
    partial("the browser: one address of the range in a customer's list", BROWSER, SG,
            lambda s: s.rules(tcp(prefix_list=s.prefix_list("18.202.216.50/32")))),
    partial("a rule for half of the source", WIDE, SG, lambda s: s.rules(tcp(cidr="203.0.113.0/25"))),
    unknown("a private source and a rule that names a group", PRIVATE, SG, lambda s: s.rules(tcp(group=s.sg_id))),
    unknown("a customer's prefix list that may not be read", PUBLIC, SG,
            lambda s: [s.rules(tcp(prefix_list=s.prefix_list(SOURCE))), s.refuse("ec2:GetManagedPrefixListEntries")],
            action="ec2:GetManagedPrefixListEntries"),
    unknown("security groups that may not be read", PUBLIC, SG, lambda s: s.refuse("ec2:DescribeSecurityGroups"),
            action="ec2:DescribeSecurityGroups"),
    healthy("as it is made, public", PUBLIC, lambda s: None),
    healthy("as it is made, browser", BROWSER, lambda s: None),
    healthy("as it is made, private", PRIVATE, lambda s: None),
    healthy("all IPv4 addresses", PUBLIC, lambda s: s.rules(tcp(cidr=EVERYONE))),
    healthy("all protocols", PUBLIC, lambda s: s.rules(permission("-1", None, cidr=SOURCE))),
    healthy("protocol 6 by its number", PUBLIC, lambda s: s.rules(permission("6", 22, cidr=SOURCE))),
    healthy("ports 22-22 at the edge of 22-443", PUBLIC, lambda s: s.rules(tcp(22, 443, cidr=SOURCE))),
    healthy("ports 1-22", PUBLIC, lambda s: s.rules(tcp(1, 22, cidr=SOURCE))),
    healthy("two halves of the source", WIDE, lambda s: s.rules(tcp(cidr="203.0.113.0/25"), tcp(cidr="203.0.113.128/25"))),
    healthy("two groups, of which one opens", PUBLIC, _one_of_two),
    healthy("a customer's prefix list with the source", PUBLIC, lambda s: s.rules(tcp(prefix_list=s.prefix_list("192.0.2.0/24", SOURCE)))),
    healthy("an IPv6 source and all IPv6 addresses", PUBLIC6, lambda s: s.rules(tcp(cidr=EVERYONE6))),
    healthy("the browser: the range itself", BROWSER, lambda s: s.rules(tcp(cidr="18.202.216.48/29"))),
    healthy("the browser: the range in two halves", BROWSER, lambda s: s.rules(tcp(cidr="18.202.216.48/30"), tcp(cidr="18.202.216.52/30"))),
    healthy("no outbound rule at all", PUBLIC, lambda s: s.egress()),
    healthy("without the right to read prefix lists that no rule names", PUBLIC,
            lambda s: [s.rules(tcp(cidr=SOURCE)), s.refuse("ec2:DescribeManagedPrefixLists", "ec2:GetManagedPrefixListEntries")]),
]  # fmt: skip
