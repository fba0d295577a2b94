"""Routes back to the source, and the internet gateway."""

from outside.row import BROWSER, GATEWAY, PRIVATE, PUBLIC, PUBLIC6, ROUTE, fault, healthy, partial, unknown
from outside.site import EVERYONE, EVERYONE6, Site, tcp

SOURCE, ITS_NETWORK = "203.0.113.7/32", "203.0.113.0/24"
WIDE = ("--via", "public", "--source", ITS_NETWORK)
INSIDE = ("--via", "public", "--source", "{net}.9.9")
FAR = ("--via", "private", "--source", "10.254.0.5")


def _nat_gone(s: Site) -> None:
    gateway = s.nat()
    s.route(EVERYONE, replace=True, NatGatewayId=gateway)
    s.ec2.delete_nat_gateway(NatGatewayId=gateway)


def _ipv6_open(s: Site) -> None:
    s.rules(tcp(cidr=EVERYONE6))


def _egress_only(s: Site) -> None:
    _ipv6_open(s)
    made = s.ec2.create_egress_only_internet_gateway(VpcId=s.vpc_id)["EgressOnlyInternetGateway"]
    s.route(EVERYONE6, replace=True, EgressOnlyInternetGatewayId=made["EgressOnlyInternetGatewayId"])


def _main_table_holds(s: Site) -> None:
    for association in s.associations():
        s.ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])


def _main_table_is_good(s: Site) -> None:
    s.route(EVERYONE, table=s.main_table(), GatewayId=s.igw_id)
    _main_table_holds(s)


def _explicit_table_is_empty(s: Site) -> None:
    s.route(EVERYONE, table=s.main_table(), GatewayId=s.igw_id)
    s.no_route(EVERYONE)


def _gateway_elsewhere(s: Site) -> None:
    s.route(EVERYONE, replace=True, GatewayId=s.gateway(s.new_vpc()))


def _gateway_moved_away(s: Site) -> None:
    s.ec2.detach_internet_gateway(InternetGatewayId=s.igw_id, VpcId=s.vpc_id)
    s.ec2.attach_internet_gateway(InternetGatewayId=s.igw_id, VpcId=s.new_vpc())


def _no_gateway_at_all(s: Site) -> None:
    s.no_route(EVERYONE)
    s.no_route(EVERYONE6)
    s.ec2.detach_internet_gateway(InternetGatewayId=s.igw_id, VpcId=s.vpc_id)
    s.ec2.delete_internet_gateway(InternetGatewayId=s.igw_id)


def _listed(**target: str):
    def change(s: Site) -> None:
        s.route(s.prefix_list(ITS_NETWORK), **({"GatewayId": s.igw_id} if target else {"NatGatewayId": s.nat()}))

    return change


def _listed_to_gateway_alone(s: Site) -> None:
    s.no_route(EVERYONE)
    s.route(s.prefix_list(ITS_NETWORK), GatewayId=s.igw_id)


def _edge(s: Site) -> None:
    """What comes in through the gateway is led to an appliance first."""
    table = s.ec2.create_route_table(VpcId=s.vpc_id)["RouteTable"]["RouteTableId"]
    appliance = s.ec2.create_network_interface(SubnetId=s.subnet(8))["NetworkInterface"]["NetworkInterfaceId"]
    s.route(f"{s.net}.1.0/24", table=table, NetworkInterfaceId=appliance)
    s.ec2.associate_route_table(RouteTableId=table, GatewayId=s.igw_id)


def _edge_without_detour(s: Site) -> None:
    table = s.ec2.create_route_table(VpcId=s.vpc_id)["RouteTable"]["RouteTableId"]
    s.ec2.associate_route_table(RouteTableId=table, GatewayId=s.igw_id)


def _appliance(s: Site) -> None:
    interface = s.ec2.create_network_interface(SubnetId=s.subnet_id)["NetworkInterface"]["NetworkInterfaceId"]
    s.route(ITS_NETWORK, NetworkInterfaceId=interface)
    s.ec2.attach_network_interface(NetworkInterfaceId=interface, InstanceId=_another_instance(s), DeviceIndex=1)


def _another_instance(s: Site) -> str:
    made = s.ec2.run_instances(ImageId=s.image_id, MinCount=1, MaxCount=1, SubnetId=s.subnet_id)
    return made["Instances"][0]["InstanceId"]


def _peered(s: Site) -> None:
    s.admit(tcp(cidr="10.254.0.0/16"))
    s.made["peering"] = s.peering()
    s.route("10.254.0.0/16", VpcPeeringConnectionId=s.made["peering"])


def _peering_gone(s: Site) -> None:
    _peered(s)
    s.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=s.made["peering"])


def _peer_again(s: Site) -> None:
    s.route("10.254.0.0/16", replace=True, VpcPeeringConnectionId=s.peering())


def _transit(s: Site) -> None:
    s.admit(tcp(cidr="10.254.0.0/16"))
    s.route("10.0.0.0/8", TransitGatewayId=s.transit())


NO_ROUTE = fault("no route but the VPC's own", PUBLIC, ROUTE, lambda s: s.no_route(EVERYONE))
TO_NAT = fault("the default route leads to a NAT gateway", PUBLIC, ROUTE, lambda s: s.route(EVERYONE, replace=True, NatGatewayId=s.nat()))
DETACHED = fault("the internet gateway is detached", PUBLIC, GATEWAY,
                 lambda s: s.ec2.detach_internet_gateway(InternetGatewayId=s.igw_id, VpcId=s.vpc_id))  # fmt: skip
BROWSER_TRANSIT = fault("the browser: a more specific route to a transit gateway", BROWSER, ROUTE,
                        lambda s: s.route("18.0.0.0/8", TransitGatewayId=s.transit()))  # fmt: skip

ROWS = [
    NO_ROUTE,
    TO_NAT,
    DETACHED,
    BROWSER_TRANSIT,
    fault("the default route's NAT gateway is gone", PUBLIC, ROUTE, _nat_gone),
    fault("IPv6: the default route leads to an egress-only gateway", PUBLIC6, ROUTE, _egress_only),
    fault("IPv6: no default route", PUBLIC6, ROUTE, lambda s: [_ipv6_open(s), s.no_route(EVERYONE6)]),
    fault("a more specific route to a transit gateway", PUBLIC, ROUTE, lambda s: s.route("203.0.0.0/8", TransitGatewayId=s.transit())),
    fault("a more specific route to a peering connection", PUBLIC, ROUTE,
          lambda s: s.route(ITS_NETWORK, VpcPeeringConnectionId=s.peering())),
    fault("a more specific route to a NAT gateway", PUBLIC, ROUTE, lambda s: s.route(SOURCE, NatGatewayId=s.nat())),
    fault("a prefix list's route to a NAT gateway", PUBLIC, ROUTE, _listed()),
    fault("the main table holds, and has no route", PUBLIC, ROUTE, _main_table_holds),
    fault("the subnet's own table holds, and has no route", PUBLIC, ROUTE, _explicit_table_is_empty),
    fault("the route names another VPC's gateway", PUBLIC, GATEWAY, _gateway_elsewhere),
    fault("the gateway hangs on another VPC now", PUBLIC, GATEWAY, _gateway_moved_away),
    fault("no gateway and no route", PUBLIC, ROUTE, _no_gateway_at_all),
    fault("a source inside the VPC, by the public way", INSIDE, ROUTE, lambda s: None, for_good="another way must be chosen"),
    fault("a private source that only the default route matches", FAR, ROUTE, lambda s: s.admit(tcp(cidr="10.254.0.0/16")),
          hand=lambda s: s.route("10.254.0.0/16", VpcPeeringConnectionId=s.peering())),
    fault("the peering to the private source is gone", FAR, ROUTE, _peering_gone, hand=_peer_again),
    partial("half of the source goes to a NAT gateway", WIDE, ROUTE, lambda s: s.route("203.0.113.128/25", NatGatewayId=s.nat())),
    unknown("a more specific route to an appliance", PUBLIC, ROUTE, _appliance),
    unknown("the gateway's own table leads to an appliance", PUBLIC, ROUTE, _edge),
    unknown("route tables that may not be read", PUBLIC, ROUTE, lambda s: s.refuse("ec2:DescribeRouteTables"), action="ec2:DescribeRouteTables"),
    unknown("internet gateways that may not be read", PUBLIC, GATEWAY, lambda s: s.refuse("ec2:DescribeInternetGateways"),
            action="ec2:DescribeInternetGateways"),
    healthy("the main table holds, and has the route", PUBLIC, _main_table_is_good),
    healthy("a more specific route to the gateway beside a default one to NAT", PUBLIC,
            lambda s: [s.route(EVERYONE, replace=True, NatGatewayId=s.nat()), s.route(ITS_NETWORK, GatewayId=s.igw_id)]),
    healthy("a prefix list's route to the gateway, and no other", PUBLIC, _listed_to_gateway_alone),
    healthy("another network's route to a transit gateway", PUBLIC, lambda s: s.route("203.0.112.0/24", TransitGatewayId=s.transit())),
    healthy("IPv4 has no route, and the source is IPv6", PUBLIC6, lambda s: [_ipv6_open(s), s.no_route(EVERYONE)]),
    healthy("a private source by peering", FAR, _peered),
    healthy("a private source by a transit gateway", FAR, _transit),
    healthy("a private source of the VPC, without a gateway", PRIVATE, _no_gateway_at_all),
    healthy("the gateway's own table leads nowhere else", PUBLIC, _edge_without_detour),
]  # fmt: skip
