"""A fresh, healthy account picture for one instance, made through AWS's own APIs, and its machine."""

from __future__ import annotations

import itertools
import json
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aws.nodes import Node

from .clients import ACCOUNT, Clients
from .operator import ensure_operator

CLIENT_CIDR = "203.0.113.0/24"
DEFAULTS: dict[str, Any] = {
    "region": "eu-west-1",
    "name": "web-1",
    "machine": True,
    "availability_zone": None,
    "instance_type": "t3.micro",
    "domain": None,
    "http_endpoint": "enabled",
    "http_tokens": "required",
    "hop_limit": 2,
    "package_version": "1.1.19",
    "ssh_port": 22,
    "os": "ubuntu-22.04",
    "ssm": True,
    "os_user": "ec2-user",
    "fault": None,
    # Whether the instance has a profile with a role, whose credentials IMDS serves.
    "role": False,
}
DOMAINS = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}
PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}
# What an instance says it is: os-release and SSM's words, and the name of the image it was launched from.
SYSTEMS = {
    "ubuntu-22.04": ("Ubuntu", "22.04", "ubuntu", "debian", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20261101"),
    "ubuntu-24.04": ("Ubuntu", "24.04", "ubuntu", "debian", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20261101"),
    "debian-12": ("Debian GNU/Linux", "12", "debian", "", "debian-12-amd64-20261101-1918"),
}
_numbers = itertools.count(1)
_image_lock = threading.Lock()
_images: dict[tuple[str, str], str] = {}


@dataclass
class Scenario:
    spec: dict[str, Any]
    ids: dict[str, Any]
    node: Node
    machine: Any = None
    credentials: dict[str, str] = field(default_factory=dict)

    @property
    def instance_id(self) -> str:
        return self.ids["instance_id"]

    @property
    def region(self) -> str:
        return self.ids["region"]


def by_prefix(table: dict[str, str], region: str, default: str) -> str:
    return next((value for prefix, value in table.items() if region.startswith(prefix)), default)


def complete(spec: dict[str, Any]) -> dict[str, Any]:
    if unknown := set(spec) - set(DEFAULTS):
        raise ValueError(f"a scenario has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(DEFAULTS))}")
    spec = DEFAULTS | spec
    if spec["os"] not in SYSTEMS:
        raise ValueError(f"os is one of {', '.join(SYSTEMS)}")
    spec["availability_zone"] = spec["availability_zone"] or f"{spec['region']}a"
    spec["domain"] = spec["domain"] or by_prefix(DOMAINS, spec["region"], "amazonaws.com")
    return spec


def create_account_picture(clients: Clients, spec: dict[str, Any]) -> Scenario:
    region, zone = spec["region"], spec["availability_zone"]
    ensure_operator(clients, region)
    ec2 = clients.of("ec2", region)
    number = next(_numbers) % 250 + 1
    cidr, private_ip = f"10.{number}.0.0/16", f"10.{number}.1.10"
    vpc = ec2.create_vpc(CidrBlock=cidr, AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    vpc_id, ipv6_cidr = vpc["VpcId"], vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    subnet_id = ec2.create_subnet(
        VpcId=vpc_id, CidrBlock=f"10.{number}.1.0/24", Ipv6CidrBlock=ipv6_cidr.replace("/56", "/64"), AvailabilityZone=zone
    )["Subnet"]["SubnetId"]
    igw_id = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=igw_id, VpcId=vpc_id)
    rtb_id = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=rtb_id, DestinationCidrBlock="0.0.0.0/0", GatewayId=igw_id)
    ec2.create_route(RouteTableId=rtb_id, DestinationIpv6CidrBlock="::/0", GatewayId=igw_id)
    ec2.associate_route_table(RouteTableId=rtb_id, SubnetId=subnet_id)
    acl_id = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["NetworkAcls"][0]["NetworkAclId"]
    prefix_lists = prefix_list_ids(ec2, region)
    sg_id = ec2.create_security_group(GroupName="ssh", Description="SSH", VpcId=vpc_id)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=sg_id, IpPermissions=[healthy_rule(prefix_lists, cidr)])
    image_id = _image(ec2, region, spec["os"])
    ids = {
        "region": region, "availability_zone": zone, "vpc_id": vpc_id, "vpc_cidr": cidr, "ipv6_cidr": ipv6_cidr,
        "subnet_id": subnet_id, "sg_id": sg_id, "acl_id": acl_id, "rtb_id": rtb_id, "igw_id": igw_id,
        "prefix_lists": prefix_lists, "image_id": image_id, "private_ip": private_ip, "os_user": spec["os_user"],
        "account_id": ACCOUNT, "name": spec["name"],
    }
    instance = ec2.run_instances(
        ImageId=image_id, MinCount=1, MaxCount=1, InstanceType=spec["instance_type"], SubnetId=subnet_id,
        SecurityGroupIds=[sg_id], PrivateIpAddress=private_ip, Ipv6AddressCount=1,
        MetadataOptions={
            "HttpEndpoint": spec["http_endpoint"], "HttpTokens": spec["http_tokens"], "HttpPutResponseHopLimit": spec["hop_limit"]
        },
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": spec["name"]}]}],
    )["Instances"][0]
    instance_id, eni = instance["InstanceId"], instance["NetworkInterfaces"][0]
    # moto would draw one at random, from loopback's and private ranges too.
    allocation = ec2.allocate_address(Domain="vpc", Address=f"198.51.100.{number}")
    association = ec2.associate_address(AllocationId=allocation["AllocationId"], InstanceId=instance_id)
    ids |= {
        "instance_id": instance_id, "eni_id": eni["NetworkInterfaceId"], "public_ip": allocation["PublicIp"],
        "eip_allocation_id": allocation["AllocationId"], "eip_association_id": association["AssociationId"],
        "ipv6_address": eni["Ipv6Addresses"][0]["Ipv6Address"], **_connector(clients, region, instance_id, spec["os_user"]),
    }
    platform_name, platform_version = SYSTEMS[spec["os"]][:2]
    node = Node(
        instance_id, region, private_ip, zone, ping_status="Online" if spec["ssm"] else None,
        platform_name=platform_name, platform_version=platform_version,
    )
    # A key of its own for each scenario: knobs and the log of calls are kept per access key.
    ids["access_key"] = "AKIA" + secrets.token_hex(8).upper()
    session = clients.of("sts", region).assume_role(RoleArn=ids["role_arn"], RoleSessionName="alice")["Credentials"]
    ids["connector_credentials"] = {
        "access_key": session["AccessKeyId"], "secret_key": session["SecretAccessKey"], "session_token": session["SessionToken"]
    }
    return Scenario(spec, ids, node)


def healthy_rule(prefix_lists: dict[str, str], vpc_cidr: str) -> dict[str, Any]:
    """tcp/22 from the Region's browser range, from a public client and from the VPC."""
    rule: dict[str, Any] = {
        "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
        "IpRanges": [{"CidrIp": CLIENT_CIDR, "Description": "office"}, {"CidrIp": vpc_cidr, "Description": "inside"}],
    }
    if "ipv4" in prefix_lists:
        rule["PrefixListIds"] = [{"PrefixListId": prefix_lists["ipv4"]}]
    return rule


def prefix_list_ids(ec2: Any, region: str) -> dict[str, str]:
    names = {
        f"com.amazonaws.{region}.ec2-instance-connect": "ipv4", f"com.amazonaws.{region}.ipv6.ec2-instance-connect": "ipv6"
    }
    lists = ec2.describe_managed_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": list(names)}])["PrefixLists"]
    return {names[entry["PrefixListName"]]: entry["PrefixListId"] for entry in lists}


def connect_policy(region: str, instance_id: str, os_user: str) -> str:
    partition = by_prefix(PARTITIONS, region, "aws")
    push = {
        "Effect": "Allow", "Action": "ec2-instance-connect:SendSSHPublicKey",
        "Resource": f"arn:{partition}:ec2:{region}:{ACCOUNT}:instance/{instance_id}",
        "Condition": {"StringEquals": {"ec2:osuser": os_user}},
    }
    look = {"Effect": "Allow", "Action": ["ec2:DescribeInstances", "ec2:DescribeInstanceConnectEndpoints"], "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [push, look]}, indent=2)


def _connector(clients: Clients, region: str, instance_id: str, os_user: str) -> dict[str, str]:
    iam, name = clients.of("iam", region), f"connector-{instance_id[-8:]}"
    partition = by_prefix(PARTITIONS, region, "aws")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:{partition}:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}],
    }
    # A path, because an assumed role's ARN loses it and whoever resolves one must find it again.
    role = iam.create_role(RoleName=name, Path="/eic/", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="connect", PolicyDocument=connect_policy(region, instance_id, os_user))
    return {"role_arn": role["Arn"], "role_name": name, "policy_name": "connect"}


def _image(ec2: Any, region: str, system: str) -> str:
    with _image_lock:
        if (region, system) not in _images:
            name = SYSTEMS[system][4]
            _images[region, system] = ec2.register_image(
                Name=name, Description=name, Architecture="x86_64", RootDeviceName="/dev/sda1", VirtualizationType="hvm"
            )["ImageId"]
        return _images[region, system]


def start_machine(scenario: Scenario, base: Any, workdir: Path) -> None:
    from machine import Machine, MachineSpec

    spec, ids = scenario.spec, scenario.ids
    machine = Machine(
        MachineSpec(
            instance_id=ids["instance_id"], private_ipv4=ids["private_ip"], region=ids["region"],
            availability_zone=ids["availability_zone"], account_id=ids["account_id"], image_id=ids["image_id"],
            instance_type=spec["instance_type"], domain=spec["domain"], ipv6=ids["ipv6_address"], public_ipv4=ids["public_ip"],
            http_endpoint=spec["http_endpoint"], http_tokens=spec["http_tokens"], hop_limit=spec["hop_limit"],
            package_version=spec["package_version"], ssh_port=spec["ssh_port"], role=ids.get("instance_role"),
        ),
        base,
        workdir,
    )
    machine.start()
    scenario.machine = scenario.node.machine = machine
    name, version, system, like, _ = SYSTEMS[spec["os"]]
    release = f'NAME="{name}"\nVERSION_ID="{version}"\nID={system}\nID_LIKE={like}\nPRETTY_NAME="{name} {version}"\n'
    # /etc/os-release is a link to this file.
    machine.exec(["/bin/sh", "-c", "cat >/usr/lib/os-release"], release.encode())


def delete(clients: Clients, scenario: Scenario) -> None:
    """Everything that create made; the machine first, for it is what costs."""
    if scenario.machine is not None:
        scenario.machine.stop()
    ids, ec2, iam = scenario.ids, clients.of("ec2", scenario.region), clients.of("iam", scenario.region)
    steps = [
        lambda: ec2.terminate_instances(InstanceIds=[ids["instance_id"]]),
        lambda: ec2.disassociate_address(AssociationId=ids["eip_association_id"]),
        lambda: ec2.release_address(AllocationId=ids["eip_allocation_id"]),
        lambda: ec2.detach_internet_gateway(InternetGatewayId=ids["igw_id"], VpcId=ids["vpc_id"]),
        lambda: ec2.delete_internet_gateway(InternetGatewayId=ids["igw_id"]),
        lambda: ec2.delete_subnet(SubnetId=ids["subnet_id"]),
        lambda: ec2.delete_route_table(RouteTableId=ids["rtb_id"]),
        lambda: ec2.delete_security_group(GroupId=ids["sg_id"]),
        lambda: ec2.delete_vpc(VpcId=ids["vpc_id"]),
        lambda: [
            iam.delete_role_policy(RoleName=ids["role_name"], PolicyName=name)
            for name in iam.list_role_policies(RoleName=ids["role_name"])["PolicyNames"]
        ],
        lambda: iam.delete_role(RoleName=ids["role_name"]),
    ]
    for step in steps:
        try:
            step()
        except Exception:  # A fault may have taken it away already, or hang on it.
            continue
