"""Faults on the way of a packet: security group, network ACL, routes, gateway, addresses."""

from __future__ import annotations

from typing import Any

from daemon.scenario import healthy_rule

from . import Target, fault

EVERYONE = ({"CidrBlock": "0.0.0.0/0"}, {"Ipv6CidrBlock": "::/0"})


@fault
def sg_no_rule(target: Target) -> None:
    """The security group has no inbound rule at all."""
    _only(target, [])


@fault
def sg_narrow_cidr(target: Target) -> None:
    """The security group admits tcp/22 from one address only, which is nobody's here."""
    _only(target, [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "198.51.100.77/32"}]}])


@fault
def sg_wrong_port_range(target: Target) -> None:
    """The security group admits the right sources to ports 80 to 443."""
    _only(target, [{**_healthy(target), "FromPort": 80, "ToPort": 443}])


@fault
def sg_udp_only(target: Target) -> None:
    """The security group's rule for port 22 is for UDP."""
    _only(target, [{**_healthy(target), "IpProtocol": "udp"}])


@fault
def prefix_list_wrong_family(target: Target) -> None:
    """The security group admits the browser's IPv6 prefix list, while the address is IPv4."""
    rule = _healthy(target)
    rule["PrefixListIds"] = [{"PrefixListId": target.ids["prefix_lists"]["ipv6"]}]
    _only(target, [rule])


@fault
def acl_deny_inbound(target: Target) -> None:
    """The network ACL denies tcp/22 inbound."""
    _entry(target, 50, egress=False, action="deny", ports=(22, 22))


@fault
def acl_no_ephemeral_outbound(target: Target) -> None:
    """The network ACL denies the ports that replies go to."""
    _entry(target, 50, egress=True, action="deny", ports=(1024, 65535))


@fault
def nacl_narrow_ephemeral(target: Target) -> None:
    """The network ACL lets replies out to ports 49152 to 65535 only, which Linux clients rarely use."""
    _entry(target, 50, egress=True, action="allow", ports=(49152, 65535))
    _entry(target, 60, egress=True, action="deny", ports=(1024, 65535))


@fault
def no_public_address(target: Target) -> None:
    """The instance has a private IPv4 address only."""
    target.ec2.disassociate_address(AssociationId=target.ids["eip_association_id"])
    target.ec2.unassign_ipv6_addresses(NetworkInterfaceId=target.ids["eni_id"], Ipv6Addresses=[target.ids["ipv6_address"]])


@fault
def no_route_to_gateway(target: Target) -> None:
    """The subnet's route table has no route but the VPC's own."""
    target.ec2.delete_route(RouteTableId=target.ids["rtb_id"], DestinationCidrBlock="0.0.0.0/0")
    target.ec2.delete_route(RouteTableId=target.ids["rtb_id"], DestinationIpv6CidrBlock="::/0")


@fault
def gateway_detached(target: Target) -> None:
    """The internet gateway that the routes name is attached to no VPC."""
    target.ec2.detach_internet_gateway(InternetGatewayId=target.ids["igw_id"], VpcId=target.ids["vpc_id"])


@fault
def blackhole_route(target: Target) -> None:
    """The default route leads to a NAT gateway that has been deleted."""
    ec2 = target.ec2
    gateway = ec2.create_nat_gateway(SubnetId=target.ids["subnet_id"], ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    ec2.replace_route(RouteTableId=target.ids["rtb_id"], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=gateway)
    ec2.delete_nat_gateway(NatGatewayId=gateway)


def _healthy(target: Target) -> dict[str, Any]:
    return healthy_rule(target.ids["prefix_lists"], target.ids["vpc_cidr"])


def _only(target: Target, rules: list[dict[str, Any]]) -> None:
    """Leaves the security group with these inbound rules."""
    ec2, group = target.ec2, target.ids["sg_id"]
    present = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    if ids := [rule["SecurityGroupRuleId"] for rule in present if not rule["IsEgress"]]:
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=ids)
    if rules:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)


def _entry(target: Target, number: int, egress: bool, action: str, ports: tuple[int, int]) -> None:
    for offset, family in enumerate(EVERYONE):
        target.ec2.create_network_acl_entry(
            NetworkAclId=target.ids["acl_id"], RuleNumber=number + offset, Protocol="6", RuleAction=action, Egress=egress,
            PortRange={"From": ports[0], "To": ports[1]}, **family,
        )
