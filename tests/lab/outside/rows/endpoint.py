"""Through an EC2 Instance Connect Endpoint."""

from typing import Any

from outside.row import (
    ACL_IN, ACL_OUT, EGRESS, ENDPOINT, ENDPOINT_ACL, EXISTS, FAMILY, PUBLIC, ROUTE, SG, STATE, TUNNEL, Row, fault, healthy, unknown,
)  # fmt: skip
from outside.site import EVERYONE, Site, permission, tcp

AUTO = ("--via", "auto")
CLIENT = (*ENDPOINT, "--client-ip", "203.0.113.7")
NAMED = (*ENDPOINT, "--endpoint", "{endpoint}")
RETURN = (1024, 65535)
EVERYTHING = (EXISTS, STATE, FAMILY, EGRESS, ENDPOINT_ACL, SG, ACL_IN, ACL_OUT, TUNNEL)
KEEPS: dict[str, Any] = {"PreserveClientIp": True}


def _none(s: Site) -> None:
    """The group and the policy are ready for one; the VPC has none."""
    s.may_open("*")


def _with(change=lambda s: None, **more: Any):
    def made(s: Site) -> None:
        s.endpoint(**more)
        change(s)

    return made


def pair(name: str, causes: tuple[str, str], change, **more: Any) -> Row:
    return Row(name, "pair", _with(change, **more), ENDPOINT, causes=frozenset(causes))


def _elsewhere(s: Site, **more: Any) -> None:
    """In another VPC, with nothing between the two."""
    vpc = s.new_vpc()
    subnet = s.ec2.create_subnet(VpcId=vpc, CidrBlock="10.254.1.0/24")["Subnet"]["SubnetId"]
    s.endpoint(subnet=subnet, is_admitted=False, **more)
    s.may_open("*")
    s.made["other_vpc"] = vpc


def _peered(s: Site, **more: Any) -> None:
    _elsewhere(s, **more)
    s.rules(tcp(cidr="10.254.0.0/16"))
    _join(s)


def _join(s: Site) -> None:
    s.made["peering"] = s.peering(s.made["other_vpc"])
    s.route("10.254.0.0/16", VpcPeeringConnectionId=s.made["peering"])


def _in_another_subnet(change=lambda s, acl: None):
    """The endpoint's subnet has a network ACL of its own, which `change` fills."""

    def made(s: Site) -> None:
        subnet = s.subnet()
        s.endpoint(subnet=subnet)
        change(s, s.new_acl(subnet))

    return made


def _open_acl(s: Site, acl: str) -> None:
    for out in (False, True):
        s.entry(100, "allow", EVERYONE, (0, 65535), out=out, acl=acl)


def _no_way_out(s: Site, acl: str) -> None:
    s.entry(100, "allow", EVERYONE, (0, 65535), acl=acl)


def _no_reply_in(s: Site, acl: str) -> None:
    s.entry(100, "allow", EVERYONE, (0, 65535), out=True, acl=acl)


def _wait(s: Site) -> None:
    s.put_endpoint(state="create-complete")


NOT_ADMITTED = fault("the instance's group does not admit the endpoint", ENDPOINT, SG, _with(lambda s: s.rules()))
NO_EGRESS = fault("the endpoint's group lets nothing out", ENDPOINT, EGRESS, _with(lambda s: s.egress(group=s.made["endpoint_group"])))
NO_TUNNEL = fault("no policy lets a tunnel be opened", ENDPOINT, TUNNEL, _with(may=False), answer="allowed")

ROWS = [
    NOT_ADMITTED,
    NO_EGRESS,
    NO_TUNNEL,
    # The new endpoint's group is the VPC's default one, which the instance's admits by its address.
    fault("there is none", ENDPOINT, EXISTS, _none, left=(SG,)),
    fault("there is none, and `auto` needs one", AUTO, EXISTS, lambda s: [_none(s), s.no_public_address()], left=(SG,)),
    fault("one of another VPC", ENDPOINT, EXISTS, _elsewhere, left=(SG,)),
    fault("it could not be made", ENDPOINT, STATE, _with(lambda s: s.put_endpoint(state="create-failed", stateMessage="no capacity")),
          left=(SG, TUNNEL), says="no capacity"),
    fault("it is being made", ENDPOINT, STATE, _with(lambda s: s.put_endpoint(state="create-in-progress")), hand=_wait),
    fault("it is being deleted", ENDPOINT, STATE, _with(lambda s: s.put_endpoint(state="delete-in-progress")), left=(SG, TUNNEL)),
    fault("it could not be deleted", ENDPOINT, STATE, _with(lambda s: s.put_endpoint(state="delete-failed")), left=(SG, TUNNEL)),
    fault("the endpoint's group lets another port out", ENDPOINT, EGRESS,
          _with(lambda s: s.egress(tcp(443, cidr=EVERYONE), group=s.made["endpoint_group"]))),
    fault("the endpoint's group lets out to another group", ENDPOINT, EGRESS,
          _with(lambda s: s.egress(tcp(group=s.new_group()), group=s.made["endpoint_group"]))),
    fault("the endpoint's group lets UDP out", ENDPOINT, EGRESS,
          _with(lambda s: s.egress(permission("udp", 22, cidr=EVERYONE), group=s.made["endpoint_group"]))),
    fault("the instance's group admits the office alone", ENDPOINT, SG, _with(lambda s: s.rules(tcp(cidr="203.0.113.0/24")))),
    fault("it keeps the client's address, which is not admitted", CLIENT, SG, _with(lambda s: s.rules(tcp(cidr="192.0.2.0/24")), **KEEPS)),
    fault("it speaks IPv6 alone", ENDPOINT, FAMILY, _with(IpAddressType="ipv6")),
    fault("it keeps the client's address, and the instance is a t1", CLIENT, FAMILY, _with(**KEEPS), spec={"instance_type": "t1.micro"}),
    fault("its subnet's ACL lets nothing out", ENDPOINT, ENDPOINT_ACL, _in_another_subnet(_no_way_out)),
    fault("its subnet's ACL lets no reply in", ENDPOINT, ENDPOINT_ACL, _in_another_subnet(_no_reply_in)),
    fault("its subnet's ACL lets nothing through", ENDPOINT, ENDPOINT_ACL, _in_another_subnet()),
    fault("the instance's subnet's ACL denies the endpoint", ENDPOINT, ACL_IN,
          lambda s: [s.endpoint(subnet=s.subnet()), s.entry(50, "deny", f"{s.net}.2.0/24")]),
    fault("the instance's subnet's ACL lets no reply out", ENDPOINT, ACL_OUT,
          lambda s: [s.endpoint(subnet=s.subnet()), s.entry(50, "deny", "10.0.0.0/8", RETURN, out=True)]),
    fault("the policy lets a tunnel be opened to another port", ENDPOINT, TUNNEL, _with(lambda s: s.may_open(
        "*", NumericEquals={"ec2-instance-connect:remotePort": "3389"}), may=False), answer="allowed"),
    fault("the policy lets a tunnel be opened to another address", ENDPOINT, TUNNEL, _with(lambda s: s.may_open(
        "*", IpAddress={"ec2-instance-connect:privateIpAddress": "10.253.0.0/16"}), may=False), answer="allowed"),
    fault("the one that is named is not there", (*ENDPOINT, "--endpoint", "eice-0123456789abcdef0"), EXISTS, _with(),
          for_good="another one must be named"),
    fault("the one that is named is in a VPC that nothing joins", NAMED, (ROUTE, SG), _elsewhere, hand=_join),
    fault("it keeps the client's address, and is in a peered VPC", (*NAMED, "--client-ip", "203.0.113.7"), FAMILY,
          lambda s: [_peered(s, **KEEPS), s.admit(tcp(cidr="203.0.113.7/32")), s.route("203.0.113.7/32", VpcPeeringConnectionId=s.made["peering"])]),
    unknown("one of a peered VPC might do", ENDPOINT, EVERYTHING, _peered),
    unknown("it keeps the client's address, which nobody told", ENDPOINT, (SG,), _with(lambda s: s.rules(tcp(cidr="192.0.2.0/24")), **KEEPS)),
    unknown("a port that tunnels may not lead to", (*ENDPOINT, "--port", "2222", "--skip", "os"), STATE,
            _with(lambda s: s.rules(tcp(2222, group=s.made["endpoint_group"])))),
    unknown("endpoints that may not be read", ENDPOINT, EVERYTHING,
            lambda s: [s.endpoint(), s.refuse("ec2:DescribeInstanceConnectEndpoints")], action="ec2:DescribeInstanceConnectEndpoints"),
    healthy("as it is made", ENDPOINT, _with()),
    healthy("`auto` takes it where there is no public address", AUTO, _with(lambda s: s.no_public_address())),
    healthy("its group lets out to the instance's group", ENDPOINT, _with(lambda s: s.egress(tcp(group=s.sg_id), group=s.made["endpoint_group"]))),
    healthy("its group lets out to the instance's address alone", ENDPOINT,
            _with(lambda s: s.egress(tcp(cidr=f"{s.private_ip}/32"), group=s.made["endpoint_group"]))),
    healthy("the instance's group admits the VPC", ENDPOINT, _with(lambda s: s.rules(tcp(cidr=s.vpc_cidr)), is_admitted=False)),
    healthy("it keeps the client's address, which is admitted", CLIENT, _with(lambda s: s.rules(tcp(cidr="203.0.113.7/32")), **KEEPS)),
    healthy("it keeps the client's address, and the group names its group", ENDPOINT, _with(**KEEPS)),
    healthy("it is in another subnet whose ACL is open", ENDPOINT, _in_another_subnet(_open_acl)),
    healthy("the instance's ACL denies, and it is in the same subnet", ENDPOINT, _with(lambda s: s.entry(50, "deny", EVERYONE))),
    healthy("it speaks both families", ENDPOINT, _with(IpAddressType="dualstack")),
    healthy("it could not be updated, and still works", ENDPOINT, _with(lambda s: s.put_endpoint(state="update-failed"))),
    healthy("no way to the internet", ENDPOINT, _with(lambda s: [s.no_route("0.0.0.0/0"), s.no_route("::/0")])),
    healthy("the policy names port and address", ENDPOINT, _with(lambda s: s.may_open(
        "*", NumericEquals={"ec2-instance-connect:remotePort": "22"},
        IpAddress={"ec2-instance-connect:privateIpAddress": s.vpc_cidr}), may=False)),
    healthy("one of a peered VPC that is named", NAMED, _peered),
    healthy("a public way does not care for it", PUBLIC, _with(lambda s: [s.put_endpoint(state="create-failed"), s.admit(tcp(cidr="203.0.113.7/32"))])),
]  # fmt: skip
