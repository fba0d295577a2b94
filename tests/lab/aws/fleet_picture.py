"""What a fleet is made of: a few VPCs, and instances of several kinds in them. Pure: the same order makes the same fleet.

Each VPC has three subnets (`open` leads to the internet, `dark` does not, `walled` has a network ACL that lets no SSH in) and
three security groups (`open` admits 203.0.113.0/24, `closed` nobody, `elsewhere` another network).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from .wire import xml

VPCS = 4
SUBNETS = ("open", "dark", "walled")
GROUPS = {"open": "203.0.113.0/24", "closed": None, "elsewhere": "192.0.2.0/24"}
# Kind → where the instance stands and what is odd about it.
# Values of a tag, one after the other.
STAGES = ("one", "two", "three")
KINDS: dict[str, dict[str, Any]] = {
    "healthy": {},
    "closed-group": {"group": "closed"},
    "other-source": {"group": "elsewhere"},
    "no-route": {"subnet": "dark"},
    "network-acl": {"subnet": "walled"},
    "no-route-and-closed": {"subnet": "dark", "group": "closed"},
    "no-address": {"public": False},
    "stopped": {"state": "stopped", "public": False},
    "impaired": {"status": "impaired"},
    "no-metadata": {"http_endpoint": "disabled"},
}
STATES = {"running": "16", "stopped": "80"}
IMAGE = {
    "imageId": "ami-0f1ee7f1ee7f1ee70", "name": "al2023-ami-2023.9.20261101.0-kernel-6.1-x86_64", "imageOwnerId": "137112412989",
    "imageOwnerAlias": "amazon", "imageState": "available", "isPublic": True, "architecture": "x86_64", "imageType": "machine",
    "platformDetails": "Linux/UNIX", "rootDeviceType": "ebs", "virtualizationType": "hvm", "creationDate": "2026-11-01T00:00:00.000Z",
}  # fmt: skip
LAUNCHED = "2026-11-20T08:00:00.000Z"


@dataclass
class Picture:
    """One account and Region, by EC2's XML names."""

    account: str
    region: str
    instances: list[dict[str, Any]]
    subnets: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    acls: list[dict[str, Any]]
    tables: list[dict[str, Any]]
    gateways: list[dict[str, Any]]
    impaired: set[str]

    def __post_init__(self) -> None:
        self.ids = {instance["instanceId"] for instance in self.instances}
        # An instance is asked for again and again, and writing its XML is what takes time.
        self._rendered = [xml("item", instance, "item") for instance in self.instances]

    def rendered(self, number: int) -> str:
        return self._rendered[number]

    def status(self, instance: dict[str, Any]) -> dict[str, Any]:
        is_running = instance["instanceState"]["name"] == "running"
        own = "impaired" if instance["instanceId"] in self.impaired else "ok"
        return {
            "instanceId": instance["instanceId"], "availabilityZone": instance["placement"]["availabilityZone"],
            "instanceState": instance["instanceState"], "eventsSet": [],
            "systemStatus": _status("ok" if is_running else "not-applicable"),
            "instanceStatus": _status(own if is_running else "not-applicable"),
        }  # fmt: skip


def picture(account: str, region: str, kinds: list[str]) -> Picture:
    # Ids that no other account and Region has.
    place = f"{int(account) % 0xFFFF:04x}{sum(region.encode()) % 0xFFF:03x}"
    parts: dict[str, list[dict[str, Any]]] = {"subnets": [], "groups": [], "acls": [], "tables": [], "gateways": []}
    for vpc in range(VPCS):
        for name, items in _vpc(account, region, place, vpc).items():
            parts[name] += items
    hosts = {(vpc, subnet): itertools.count(10) for vpc in range(VPCS) for subnet in SUBNETS}
    instances, impaired = [], set()
    for number, kind in enumerate(kinds):
        odd = KINDS[kind]
        vpc, subnet = number % VPCS, odd.get("subnet", "open")
        instance = _instance(account, region, place, number, vpc, odd, next(hosts[vpc, subnet]))
        instances.append(instance)
        if odd.get("status"):
            impaired.add(instance["instanceId"])
    return Picture(account, region, instances, impaired=impaired, **parts)


def _vpc(account: str, region: str, place: str, vpc: int) -> dict[str, list[dict[str, Any]]]:
    def name(kind: str, number: int) -> str:
        return f"{kind}-{place}{vpc:02x}{number:08x}"

    vpc_id, gateway_id = name("vpc", 0), name("igw", 0)
    local = {"destinationCidrBlock": f"10.{vpc}.0.0/16", "gatewayId": "local", "state": "active", "origin": "CreateRouteTable"}
    out = {"destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway_id, "state": "active", "origin": "CreateRoute"}
    common = {"vpcId": vpc_id, "ownerId": account, "tagSet": []}
    subnets, tables, acls = [], [], []
    for number, kind in enumerate(SUBNETS):
        subnet_id, table_id, acl_id = name("subnet", number), name("rtb", number), name("acl", number)
        subnets.append(
            common | {
                "subnetId": subnet_id, "state": "available", "cidrBlock": f"10.{vpc}.{number * 64}.0/18",
                "availabilityZone": f"{region}a", "availableIpAddressCount": "16000", "defaultForAz": False,
                "mapPublicIpOnLaunch": False, "ipv6CidrBlockAssociationSet": [], "assignIpv6AddressOnCreation": False,
                "subnetArn": f"arn:aws:ec2:{region}:{account}:subnet/{subnet_id}",
            }
        )  # fmt: skip
        associations = [
            {
                "routeTableAssociationId": name("rtbassoc", number), "routeTableId": table_id, "subnetId": subnet_id, "main": False,
                "associationState": {"state": "associated"},
            }
        ]  # fmt: skip
        routes = [local] if kind == "dark" else [local, out]
        tables.append(
            common | {"routeTableId": table_id, "routeSet": routes, "associationSet": associations, "propagatingVgwSet": []}
        )
        association = {"networkAclAssociationId": name("aclassoc", number), "networkAclId": acl_id, "subnetId": subnet_id}
        acls.append(
            common | {
                "networkAclId": acl_id, "default": kind == "open", "entrySet": _entries(kind == "walled"),
                "associationSet": [association],
            }
        )  # fmt: skip
    gateway = {"internetGatewayId": gateway_id, "ownerId": account, "tagSet": [], "vpcId": vpc_id}
    gateway["attachmentSet"] = [{"vpcId": gateway.pop("vpcId"), "state": "available"}]
    groups = [
        common | {
            "groupId": name("sg", number), "groupName": kind, "groupDescription": kind,
            "ipPermissions": [_rule("tcp", cidr, "22")] if cidr else [], "ipPermissionsEgress": [_rule("-1", "0.0.0.0/0")],
        }
        for number, (kind, cidr) in enumerate(GROUPS.items())
    ]  # fmt: skip
    return {"subnets": subnets, "groups": groups, "acls": acls, "tables": tables, "gateways": [gateway]}


def _rule(protocol: str, cidr: str, port: str | None = None) -> dict[str, Any]:
    ports = {"fromPort": port, "toPort": port} if port else {}
    return {"ipProtocol": protocol, **ports, "groups": [], "ipRanges": [{"cidrIp": cidr}], "ipv6Ranges": [], "prefixListIds": []}


def _entries(is_walled: bool) -> list[dict[str, Any]]:
    def entry(number: str, action: str, egress: bool, **more: Any) -> dict[str, Any]:
        return {"ruleNumber": number, "protocol": "-1", "ruleAction": action, "egress": egress, "cidrBlock": "0.0.0.0/0", **more}

    entries = [entry(number, action, egress) for egress in (True, False) for number, action in (("100", "allow"), ("32767", "deny"))]
    if is_walled:
        entries.append(entry("50", "deny", False) | {"protocol": "6", "portRange": {"from": "22", "to": "22"}})
    return entries


def _status(status: str) -> dict[str, Any]:
    detail = {"name": "reachability", "status": {"ok": "passed", "impaired": "failed"}.get(status, "insufficient-data")}
    return {"status": status, "details": [] if status == "not-applicable" else [detail]}


def _instance(account: str, region: str, place: str, number: int, vpc: int, odd: dict[str, Any], host: int) -> dict[str, Any]:
    subnet = SUBNETS.index(odd.get("subnet", "open"))
    vpc_id, subnet_id = f"vpc-{place}{vpc:02x}{0:08x}", f"subnet-{place}{vpc:02x}{subnet:08x}"
    group = odd.get("group", "open")
    groups = [{"groupId": f"sg-{place}{vpc:02x}{list(GROUPS).index(group):08x}", "groupName": group}]
    private = f"10.{vpc}.{subnet * 64 + (host >> 8)}.{host & 255}"
    public = f"52.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" if odd.get("public", True) else None
    association = {"publicIp": public, "publicDnsName": "", "ipOwnerId": "amazon"} if public else None
    state = odd.get("state", "running")
    interface = {
        "networkInterfaceId": f"eni-{place}{number:010x}", "subnetId": subnet_id, "vpcId": vpc_id, "description": "", "ownerId": account,
        "status": "in-use", "macAddress": "02:00:00:00:00:01", "privateIpAddress": private, "sourceDestCheck": True, "groupSet": groups,
        "attachment": {
            "attachmentId": f"eni-attach-{place}{number:010x}", "deviceIndex": "0", "status": "attached", "attachTime": LAUNCHED,
            "deleteOnTermination": True, "networkCardIndex": "0",
        },
        "association": association, "interfaceType": "interface", "ipv6AddressesSet": [],
        "privateIpAddressesSet": [{"privateIpAddress": private, "primary": True, "association": association}],
    }  # fmt: skip
    return {
        "instanceId": f"i-{place}{number:010x}", "imageId": IMAGE["imageId"], "instanceState": {"code": STATES[state], "name": state},
        "privateDnsName": f"ip-{private.replace('.', '-')}.{region}.compute.internal", "dnsName": "", "amiLaunchIndex": "0",
        "instanceType": "t3.micro", "launchTime": LAUNCHED, "placement": {"availabilityZone": f"{region}a", "tenancy": "default"},
        "monitoring": {"state": "disabled"}, "subnetId": subnet_id, "vpcId": vpc_id, "privateIpAddress": private, "ipAddress": public,
        "sourceDestCheck": True, "groupSet": groups, "architecture": "x86_64", "rootDeviceType": "ebs", "rootDeviceName": "/dev/xvda",
        "virtualizationType": "hvm", "hypervisor": "xen", "tagSet": [{"key": "Name", "value": f"web-{number}"}, {"key": "Stage", "value": STAGES[number % len(STAGES)]}],
        "networkInterfaceSet": [interface],
        "metadataOptions": {
            "state": "applied", "httpTokens": "required", "httpPutResponseHopLimit": "2",
            "httpEndpoint": odd.get("http_endpoint", "enabled"), "httpProtocolIpv6": "disabled", "instanceMetadataTags": "disabled",
        },
        "platformDetails": "Linux/UNIX", "usageOperation": "RunInstances", "operator": {"managed": False},
    }  # fmt: skip
