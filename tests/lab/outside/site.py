"""One scenario, and the changes to it that rows are made of: each is an ordinary call of AWS's API."""

from __future__ import annotations

import itertools
import json
from typing import Any

from running import RunningLab

EVERYONE, EVERYONE6 = "0.0.0.0/0", "::/0"
_names = itertools.count(1)


class Site:
    def __init__(self, lab: RunningLab, clients: Any, made: dict[str, Any]) -> None:
        self.lab = lab
        self._clients = clients
        self.ids = made
        self.region: str = made["region"]
        self.net = ".".join(made["private_ip"].split(".")[:2])
        self.net6: str = made["ipv6_cidr"].removesuffix("00::/56")
        # Whose policies are asked about: the scenario's role, unless the row takes another.
        self.principal: str = made["role_arn"]
        # What a row made and comes back to, by a name of its own.
        self.made: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        """The scenario's ids: `site.vpc_id`."""
        try:
            return self.__dict__["ids"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def ec2(self) -> Any:
        return self._clients.of("ec2", self.region)

    @property
    def iam(self) -> Any:
        return self._clients.of("iam", self.region)

    def connector(self, service: str) -> Any:
        """A client with a session of the role that the check asks about."""
        return self._clients.of(service, self.region, self.ids["connector_credentials"])

    # Security groups.

    def rules(self, *permissions: dict[str, Any], group: str | None = None) -> None:
        """Leaves the group with these inbound rules alone."""
        group = group or self.sg_id
        self._clear(group, egress=False)
        self.admit(*permissions, group=group)

    def admit(self, *permissions: dict[str, Any], group: str | None = None) -> None:
        if permissions:
            self.ec2.authorize_security_group_ingress(GroupId=group or self.sg_id, IpPermissions=list(permissions))

    def egress(self, *permissions: dict[str, Any], group: str | None = None) -> None:
        """Leaves the group with these outbound rules alone."""
        group = group or self.sg_id
        self._clear(group, egress=True)
        if permissions:
            self.ec2.authorize_security_group_egress(GroupId=group, IpPermissions=list(permissions))

    def _clear(self, group: str, egress: bool) -> None:
        known = self.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
        if ids := [rule["SecurityGroupRuleId"] for rule in known if rule["IsEgress"] == egress]:
            revoke = self.ec2.revoke_security_group_egress if egress else self.ec2.revoke_security_group_ingress
            revoke(GroupId=group, SecurityGroupRuleIds=ids)

    def new_group(self, vpc_id: str | None = None) -> str:
        name = f"group-{next(_names)}"
        return self.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc_id or self.vpc_id)["GroupId"]

    def wear(self, *groups: str, interface: str | None = None) -> None:
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface or self.eni_id, Groups=list(groups))

    def prefix_list(self, *cidrs: str) -> str:
        family = "IPv6" if ":" in cidrs[0] else "IPv4"
        made = self.ec2.create_managed_prefix_list(
            PrefixListName=f"list-{next(_names)}", MaxEntries=max(len(cidrs), 5), AddressFamily=family,
            Entries=[{"Cidr": cidr} for cidr in cidrs],
        )  # fmt: skip
        return made["PrefixList"]["PrefixListId"]

    # Network ACLs.

    def entry(self, number: int, action: str, cidr: str, ports: tuple[int, int] | None = (22, 22), *, out: bool = False,
              protocol: str = "6", acl: str | None = None) -> None:  # fmt: skip
        family = {"Ipv6CidrBlock": cidr} if ":" in cidr else {"CidrBlock": cidr}
        port_range = {"PortRange": {"From": ports[0], "To": ports[1]}} if ports and protocol != "-1" else {}
        self.ec2.create_network_acl_entry(
            NetworkAclId=acl or self.acl_id, RuleNumber=number, Protocol=protocol, RuleAction=action, Egress=out, **port_range, **family
        )

    def no_entry(self, number: int, *, out: bool = False, acl: str | None = None) -> None:
        self.ec2.delete_network_acl_entry(NetworkAclId=acl or self.acl_id, RuleNumber=number, Egress=out)

    def new_acl(self, subnet: str | None = None) -> str:
        """A custom network ACL, which denies everything, for the subnet."""
        acl = self.ec2.create_network_acl(VpcId=self.vpc_id)["NetworkAcl"]["NetworkAclId"]
        self.put_acl(acl, subnet or self.subnet_id)
        return acl

    def put_acl(self, acl: str, subnet: str) -> None:
        found = self.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"]
        association = next(a for known in found for a in known["Associations"] if a["SubnetId"] == subnet)
        self.ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)

    # Routes.

    def route(self, cidr: str, *, table: str | None = None, replace: bool = False, **target: str) -> None:
        """`target` is EC2's own: `GatewayId`, `NatGatewayId`, …"""
        if cidr.startswith("pl-"):
            where = {"DestinationPrefixListId": cidr}
        else:
            where = {"DestinationIpv6CidrBlock" if ":" in cidr else "DestinationCidrBlock": cidr}
        call = self.ec2.replace_route if replace else self.ec2.create_route
        call(RouteTableId=table or self.rtb_id, **where, **target)

    def no_route(self, cidr: str, table: str | None = None) -> None:
        family = "DestinationIpv6CidrBlock" if ":" in cidr else "DestinationCidrBlock"
        self.ec2.delete_route(RouteTableId=table or self.rtb_id, **{family: cidr})

    def nat(self) -> str:
        made = self.ec2.create_nat_gateway(SubnetId=self.subnet_id, ConnectivityType="private")
        return made["NatGateway"]["NatGatewayId"]

    def transit(self) -> str:
        return self.ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]

    def new_vpc(self, cidr: str = "10.254.0.0/16") -> str:
        return self.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]

    def peering(self, vpc: str | None = None) -> str:
        """An active connection to another VPC."""
        asked = self.ec2.create_vpc_peering_connection(VpcId=self.vpc_id, PeerVpcId=vpc or self.new_vpc())
        connection = asked["VpcPeeringConnection"]["VpcPeeringConnectionId"]
        self.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=connection)
        return connection

    def gateway(self, vpc: str | None = None) -> str:
        made = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        if vpc:
            self.ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=vpc)
        return made

    def main_table(self) -> str:
        wanted = [{"Name": "vpc-id", "Values": [self.vpc_id]}, {"Name": "association.main", "Values": ["true"]}]
        return self.ec2.describe_route_tables(Filters=wanted)["RouteTables"][0]["RouteTableId"]

    def associations(self, table: str | None = None) -> list[dict[str, Any]]:
        found = self.ec2.describe_route_tables(RouteTableIds=[table or self.rtb_id])["RouteTables"][0]["Associations"]
        return [association for association in found if not association.get("Main")]

    # Subnets, interfaces, addresses.

    def subnet(self, third: int = 2, zone: str | None = None) -> str:
        made = self.ec2.create_subnet(
            VpcId=self.vpc_id, CidrBlock=f"{self.net}.{third}.0/24", AvailabilityZone=zone or self.availability_zone
        )
        return made["Subnet"]["SubnetId"]

    def second_interface(self, *groups: str, subnet: str | None = None) -> str:
        made = self.ec2.create_network_interface(SubnetId=subnet or self.subnet_id, Groups=list(groups or (self.sg_id,)))
        interface = made["NetworkInterface"]["NetworkInterfaceId"]
        self.ec2.attach_network_interface(NetworkInterfaceId=interface, InstanceId=self.instance_id, DeviceIndex=1)
        return interface

    def private_address(self, interface: str) -> str:
        found = self.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"][0]
        return found["PrivateIpAddress"]

    def no_public_address(self) -> None:
        self.ec2.disassociate_address(AssociationId=self.eip_association_id)

    def move_public_address(self, interface: str) -> None:
        self.no_public_address()
        self.ec2.associate_address(AllocationId=self.eip_allocation_id, NetworkInterfaceId=interface)

    def no_ipv6(self) -> None:
        self.ec2.unassign_ipv6_addresses(NetworkInterfaceId=self.eni_id, Ipv6Addresses=[self.ipv6_address])

    # Endpoints.

    def endpoint(self, *, subnet: str | None = None, groups: tuple[str, ...] = (), is_admitted: bool = True, may: bool = True,
                 **more: Any) -> str:  # fmt: skip
        """An endpoint that works: its own group, which the instance's admits, and a policy that lets a tunnel be opened."""
        vpc = self.vpc_id
        if subnet:
            vpc = self.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
        groups = groups or (self.new_group(vpc),)
        made = self.ec2.create_instance_connect_endpoint(
            SubnetId=subnet or self.subnet_id, SecurityGroupIds=list(groups), **more
        )["InstanceConnectEndpoint"]
        self.made["endpoint"], self.made["endpoint_group"] = made["InstanceConnectEndpointId"], groups[0]
        self.made["endpoint_interface"] = made["NetworkInterfaceIds"][0]
        if is_admitted:
            self.rules(tcp(22, group=groups[0]))
        if may:
            self.may_open(made["InstanceConnectEndpointArn"])
        return made["InstanceConnectEndpointId"]

    def may_open(self, arn: str, **condition: Any) -> None:
        statement = {"Effect": "Allow", "Action": "ec2-instance-connect:OpenTunnel", "Resource": arn}
        if condition:
            statement["Condition"] = condition
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_role_policy(RoleName=self.role_name, PolicyName="tunnel", PolicyDocument=document)

    # IAM.

    @property
    def instance_arn(self) -> str:
        return f"arn:aws:ec2:{self.region}:{self.account_id}:instance/{self.instance_id}"

    def policy(self, name: str, *statements: dict[str, Any]) -> None:
        """An inline policy of the role, in place of the one of this name: `connect` is the scenario's own."""
        self.iam.put_role_policy(RoleName=self.role_name, PolicyName=name, PolicyDocument=document(*statements))

    def no_policy(self, name: str) -> None:
        self.iam.delete_role_policy(RoleName=self.role_name, PolicyName=name)

    def managed(self, *statements: dict[str, Any]) -> str:
        """The ARN of a managed policy that hangs on nothing yet."""
        made = self.iam.create_policy(PolicyName=f"managed-{next(_names)}-{self.instance_id[-8:]}", PolicyDocument=document(*statements))
        return made["Policy"]["Arn"]

    def bound(self, *statements: dict[str, Any]) -> None:
        self.iam.put_role_permissions_boundary(RoleName=self.role_name, PermissionsBoundary=self.managed(*statements))

    def no_boundary(self) -> None:
        self.iam.delete_role_permissions_boundary(RoleName=self.role_name)

    def user(self, *statements: dict[str, Any], path: str = "/") -> str:
        """A user, who is asked about from now on, with an inline policy."""
        name = f"ann-{next(_names)}-{self.instance_id[-8:]}"
        self.principal = self.iam.create_user(UserName=name, Path=path)["User"]["Arn"]
        if statements:
            self.iam.put_user_policy(UserName=name, PolicyName="connect", PolicyDocument=document(*statements))
        return name

    def group_of(self, user: str, *statements: dict[str, Any]) -> str:
        name = f"group-{next(_names)}-{self.instance_id[-8:]}"
        self.iam.create_group(GroupName=name)
        self.iam.put_group_policy(GroupName=name, PolicyName="connect_all", PolicyDocument=document(*statements))
        self.iam.add_user_to_group(GroupName=name, UserName=user)
        return name

    def role(self, *statements: dict[str, Any], name: str | None = None, path: str = "/") -> str:
        """Another role, which is asked about from now on."""
        name = name or f"other-{next(_names)}-{self.instance_id[-8:]}"
        made = self.iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document())
        self.iam.put_role_policy(RoleName=name, PolicyName="connect", PolicyDocument=document(*statements))
        self.principal = made["Role"]["Arn"]
        return name

    def profile(self, *statements: dict[str, Any], boundary: tuple[dict[str, Any], ...] = (), has_role: bool = True) -> str:
        """An instance profile whose role has this policy, on the instance; the role's name."""
        name = f"node-{next(_names)}-{self.instance_id[-8:]}"
        arn = self.iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
        if has_role:
            self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document())
            if statements:
                self.iam.put_role_policy(RoleName=name, PolicyName="node", PolicyDocument=document(*statements))
            if boundary:
                self.iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=self.managed(*boundary))
            self.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        self.ec2.associate_iam_instance_profile(IamInstanceProfile={"Arn": arn, "Name": name}, InstanceId=self.instance_id)
        self.made["node_role"] = name
        return name

    def service_control(self, *statements: dict[str, Any]) -> None:
        """What the organization lays on the account; nothing takes it away."""
        told = [json.loads(document(*statements))] if statements else []
        self.lab.ask("POST", "/aws", {"access_key": self.access_key, "service_control_policies": told})

    def put_endpoint(self, **state: Any) -> None:
        """What AWS says of the endpoint that no call of the user's brings about."""
        self.lab.ask("POST", f"/endpoint/{self.made['endpoint']}", state)

    # What AWS says of the instance, and what the caller may not ask.

    def told(self, **what: Any) -> None:
        self.lab.ask("POST", f"/instance/{self.instance_id}/node", {"told": what})

    def node(self, **what: Any) -> None:
        self.lab.ask("POST", f"/instance/{self.instance_id}/node", what)

    def refuse(self, *actions: str, answer: str = "refuse") -> None:
        rules = [{"action": action, "answer": answer} for action in actions]
        self.lab.ask("POST", "/aws", {"access_key": self.access_key, "rules": rules})


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=2)


def tcp(first: int | None = 22, last: int | None = None, **who: str) -> dict[str, Any]:
    """A permission for TCP; `who` is `cidr`, `group` or `prefix_list`."""
    return permission("tcp", first, last, **who)


def permission(protocol: str, first: int | None, last: int | None = None, *, cidr: str | None = None, group: str | None = None,
               prefix_list: str | None = None) -> dict[str, Any]:  # fmt: skip
    made: dict[str, Any] = {"IpProtocol": protocol}
    if first is not None:
        made |= {"FromPort": first, "ToPort": first if last is None else last}
    if cidr:
        made |= {"Ipv6Ranges": [{"CidrIpv6": cidr}]} if ":" in cidr else {"IpRanges": [{"CidrIp": cidr}]}
    if group:
        made |= {"UserIdGroupPairs": [{"GroupId": group}]}
    if prefix_list:
        made |= {"PrefixListIds": [{"PrefixListId": prefix_list}]}
    return made
