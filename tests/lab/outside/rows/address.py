"""Addresses and network interfaces."""

from outside.row import ADDRESS, BROWSER, PUBLIC, PUBLIC6, SG, fault, healthy
from outside.site import EVERYONE6, Site, tcp


def _alone(s: Site) -> None:
    s.no_public_address()
    s.no_ipv6()


def _on_the_second_interface(s: Site) -> None:
    """The public address is the second interface's, whose group lets nobody in."""
    group = s.new_group()
    s.made["group"] = group
    s.move_public_address(s.second_interface(group, subnet=s.subnet()))
    s.ec2.associate_route_table(RouteTableId=s.rtb_id, SubnetId=_second_subnet(s))


def _second_subnet(s: Site) -> str:
    found = s.ec2.describe_subnets(Filters=[{"Name": "cidr-block", "Values": [f"{s.net}.2.0/24"]}])["Subnets"]
    return found[0]["SubnetId"]


def _on_the_second_interface_well(s: Site) -> None:
    """The first interface's group lets nobody in, and does not matter."""
    group = s.new_group()
    s.admit(tcp(cidr="203.0.113.7/32"), group=group)
    s.rules()
    s.move_public_address(s.second_interface(group))


def _second_address(s: Site) -> None:
    """Another public address, on a second interface with a group of its own."""
    interface = s.second_interface(s.new_group())
    made = s.ec2.allocate_address(Domain="vpc", Address=f"198.51.100.{250 - int(s.net.split('.')[1]) % 250}")
    s.ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=interface)
    s.made["second"] = made["PublicIp"]


def _ipv6_only(s: Site, *rules: dict) -> None:
    s.rules(*rules)
    s.told(ipv6_only=s.subnet_id)


NONE = fault("no public address", PUBLIC, ADDRESS, _alone)

ROWS = [
    NONE,
    fault("the browser: no public address", BROWSER, ADDRESS, _alone),
    fault("no IPv6 address, and an IPv6 source", PUBLIC6, ADDRESS, lambda s: [s.rules(tcp(cidr=EVERYONE6)), s.no_ipv6()]),
    fault("an address that is nobody's", (*PUBLIC, "--address", "192.0.2.99"), ADDRESS, lambda s: None, for_good="another one must be given"),
    fault("a private address by the public way", (*PUBLIC, "--address", "{private_ip}"), ADDRESS, lambda s: None,
          for_good="another one must be given"),
    fault("the public address is on an interface whose group admits nobody", PUBLIC, SG, _on_the_second_interface, says="{group}"),
    fault("the second public address is dialled, and its group admits nobody", (*PUBLIC, "--address", "{second}"), SG, _second_address),
    fault("an IPv6-only subnet, and an IPv4 source", PUBLIC, ADDRESS, lambda s: _ipv6_only(s, tcp(cidr=EVERYONE6), tcp(cidr="0.0.0.0/0")),
          for_good="it has no IPv4 address"),
    fault("an IPv6-only subnet whose group admits IPv4 alone", PUBLIC6, SG, lambda s: _ipv6_only(s, tcp(cidr="0.0.0.0/0"))),
    fault("an IPv6-only subnet, and the browser's IPv6 range is not admitted", BROWSER, SG,
          lambda s: _ipv6_only(s, tcp(prefix_list=s.prefix_lists["ipv4"]))),
    healthy("an IPv6-only subnet", PUBLIC6, lambda s: _ipv6_only(s, tcp(cidr="2001:db8:c::/48"))),
    healthy("an IPv6-only subnet, by the browser", BROWSER, lambda s: _ipv6_only(s, tcp(prefix_list=s.prefix_lists["ipv6"]))),
    healthy("an IPv6-only subnet, by the client's own choice", ("--via", "auto", *PUBLIC6[2:]), lambda s: _ipv6_only(s, tcp(cidr=EVERYONE6))),
    healthy("the public address is on the second interface, whose group admits", PUBLIC, _on_the_second_interface_well),
    healthy("a second address whose group admits nobody is not dialled", PUBLIC, _second_address),
    healthy("the address is named", (*PUBLIC, "--address", "{public_ip}"), lambda s: None),
    healthy("IPv6 alone is dialled where there is no public IPv4 address", ("--via", "browser"), lambda s: [
        s.no_public_address(), s.rules(tcp(prefix_list=s.prefix_lists["ipv6"]))]),
]  # fmt: skip
