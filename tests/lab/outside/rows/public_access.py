"""VPC Block Public Access, a switch of the whole Region."""

from typing import Any

from outside.row import PRIVATE, PUBLIC, SHUT, fault, healthy, unknown
from outside.site import Site


def shut(mode: str = "block-bidirectional", **told: Any):
    """Switches it on, and excludes: `vpc`, `subnet` or `other` (another subnet) with the mode of the exclusion."""

    def change(s: Site) -> None:
        s.ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode=mode)
        for what, exclusion in told.items():
            resource = {"VpcId": s.vpc_id} if what == "vpc" else {"SubnetId": s.subnet_id if what == "subnet" else s.subnet()}
            s.ec2.create_vpc_block_public_access_exclusion(InternetGatewayExclusionMode=exclusion, **resource)

    return change


def _by_policy(s: Site) -> None:
    order = {"internetGatewayBlockMode": "block-ingress", "managedBy": "declarative-policy", "exclusionsAllowed": "not-allowed",
             "state": "update-complete"}  # fmt: skip
    s.lab.ask("POST", "/region", {"region": s.region, "public_access": order})


def _changing(s: Site) -> None:
    order = {"internetGatewayBlockMode": "block-ingress", "state": "update-in-progress"}
    s.lab.ask("POST", "/region", {"region": s.region, "public_access": order})


def _let_go(s: Site) -> None:
    s.ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode="off")


BIDIRECTIONAL = fault("blocked in both directions", PUBLIC, SHUT, shut(), alone=True)

ROWS = [
    BIDIRECTIONAL,
    fault("blocked inbound", PUBLIC, SHUT, shut("block-ingress"), alone=True),
    fault("excluded for outbound traffic alone", PUBLIC, SHUT, shut(vpc="allow-egress"), alone=True),
    fault("another subnet is excluded", PUBLIC, SHUT, shut(other="allow-bidirectional"), alone=True),
    fault("blocked by an organization's policy", PUBLIC, SHUT, _by_policy, alone=True, hand=_let_go),
    unknown("being changed", PUBLIC, SHUT, _changing, alone=True),
    unknown("that may not be read", PUBLIC, SHUT, lambda s: s.refuse("ec2:DescribeVpcBlockPublicAccessOptions"),
            action="ec2:DescribeVpcBlockPublicAccessOptions"),
    unknown("blocked, and the exclusions may not be read", PUBLIC, SHUT,
            lambda s: [shut(vpc="allow-bidirectional")(s), s.refuse("ec2:DescribeVpcBlockPublicAccessExclusions")], alone=True,
            action="ec2:DescribeVpcBlockPublicAccessExclusions"),
    unknown("of another account's shared subnet", PUBLIC, SHUT, lambda s: s.told(subnet=s.subnet_id, subnet_owner="999988887777")),
    healthy("the VPC is excluded", PUBLIC, shut(vpc="allow-bidirectional"), alone=True),
    healthy("the subnet is excluded", PUBLIC, shut("block-ingress", subnet="allow-bidirectional"), alone=True),
    healthy("blocked, and the way is private", PRIVATE, shut(), alone=True),
]  # fmt: skip
