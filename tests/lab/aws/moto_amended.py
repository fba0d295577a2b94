"""The process that runs moto, with moto's answers corrected to what AWS answers.

Run by the front server as a child: `python moto_amended.py`. Prints its port on stdout when it listens, and ends
when its standard input closes, so that it cannot outlive the lab. Every correction here is a difference between
moto 5.2.1 and AWS that this project's checks or tests would see; nothing else of moto is touched.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

# moto reads these when it is imported: a Region or an image that moto has not heard of is no error here.
os.environ.setdefault("MOTO_ALLOW_NONEXISTENT_REGION", "true")
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")

from moto.core.utils import utcnow
from moto.ec2.models import availability_zones_and_regions as zones

from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance, InstanceBackend, MetadataOptions
from moto.ec2.models.managed_prefixes import ManagedPrefixList, ManagedPrefixListBackend
from moto.ec2.models.network_acls import NetworkAcl, NetworkAclBackend
from moto.ec2.models.route_tables import Route
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

HERE = Path(__file__).parent
ZONES = json.loads((HERE / "zones.json").read_text(encoding="utf-8"))
PREFIXES = json.loads((HERE / "prefixes.json").read_text(encoding="utf-8"))["regions"]

# The numbers of the rules that no one can edit ("*" in the console): 32767 for IPv4, 32768 for IPv6.
LAST_IPV4 = 32767
LAST_IPV6 = 32768
DEFAULT_IPV6 = 101


def amend_zones() -> None:
    """moto knows no Local Zones and no European Sovereign Cloud."""
    known = zones.RegionsAndZonesBackend.zones
    for region, names in ZONES["regions"].items():
        zones.RegionsAndZonesBackend.regions.append(zones.Region(region, f"ec2.{region}.{names['domain']}", "opt-in-not-required"))
        known[region] = [
            zones.Zone(region_name=region, name=name, zone_id=f"{names['id']}-az{number}")
            for number, name in enumerate(names["zones"], 1)
        ]
    for zone in ZONES["other_zones"]:
        known[zone["region"]].append(
            zones.Zone(region_name=zone["region"], name=zone["name"], zone_id=zone["id"], zone_type=zone["type"])
        )


def amend_prefix_lists() -> None:
    """AWS keeps two lists for EC2 Instance Connect in each Region that has published ranges."""
    create_default = ManagedPrefixListBackend.create_default_pls

    def create_default_pls(self: ManagedPrefixListBackend) -> None:
        create_default(self)
        ranges = PREFIXES.get(self.region_name, {})
        for family, middle in (("ipv4", ""), ("ipv6", "ipv6.")):
            if ranges.get(family):
                self._create_aws_managed_prefix_list(
                    name=f"com.amazonaws.{self.region_name}.{middle}ec2-instance-connect",
                    address_family=family.replace("ip", "IP"),
                    entries=[{"Cidr": cidr} for cidr in ranges[family]],
                )

    plain_arn = ManagedPrefixList.arn

    def arn(self: ManagedPrefixList, region: str, owner_id: str) -> str:
        return plain_arn(self, region, "aws" if owner_id == "AWS" else owner_id)

    ManagedPrefixListBackend.create_default_pls = create_default_pls
    ManagedPrefixList.arn = arn


def amend_network_acls() -> None:
    """Each list ends in denials that cannot be edited; the default one admits IPv6 too where the VPC has it."""

    def add(self: NetworkAclBackend, acl_id: str, number: int, action: str, cidr: str | None, ipv6: str | None) -> None:
        for egress in (True, False):
            self.create_network_acl_entry(
                network_acl_id=acl_id, rule_number=number, protocol="-1", rule_action=action, egress=egress,
                cidr_block=cidr, ipv6_cidr_block=ipv6, icmp_code=None, icmp_type=None, port_range_from=None, port_range_to=None,
            )

    plain_create = NetworkAclBackend.create_network_acl

    def create_network_acl(self: NetworkAclBackend, vpc_id: str, tags: object = None, default: bool = False) -> NetworkAcl:
        acl = plain_create(self, vpc_id, tags=tags, default=default)
        if default:
            add(self, acl.id, DEFAULT_IPV6, "allow", None, "::/0")
        else:
            add(self, acl.id, LAST_IPV4, "deny", "0.0.0.0/0", None)
        add(self, acl.id, LAST_IPV6, "deny", None, "::/0")
        return acl

    def entries(self: NetworkAcl) -> list:
        vpc = self.ec2_backend.get_vpc(self.vpc_id)
        has_ipv6 = bool(vpc.get_cidr_block_association_set(ipv6=True))
        unasked = {LAST_IPV6} | ({DEFAULT_IPV6} if self.default else set())
        return [e for e in self.network_acl_entries if has_ipv6 or not (e.ipv6_cidr_block and int(e.rule_number) in unasked)]

    NetworkAclBackend.create_network_acl = create_network_acl
    NetworkAcl.entries = property(entries)


def amend_routes() -> None:
    """A route whose target is gone or detached is a `blackhole`."""

    def state(self: Route) -> str:
        backend = self.route_table.ec2_backend
        gateway = self.gateway
        if gateway is not None and gateway.id.startswith("igw-"):
            attached = gateway.vpc is not None and gateway.vpc.id == self.route_table.vpc_id
            alive = gateway.id in backend.internet_gateways and attached
        elif self.nat_gateway is not None:
            alive = getattr(self.nat_gateway, "state", None) == "available" and self.nat_gateway.id in backend.nat_gateways
        elif self.egress_only_igw is not None:
            alive = self.egress_only_igw.id in backend.egress_only_internet_gateways
        elif self.interface is not None:
            alive = self.interface.id in backend.enis and self.interface.instance is not None
        elif self.instance is not None:
            alive = self.instance.state == "running"
        elif self.vpc_pcx is not None:
            alive = self.vpc_pcx.id in backend.vpc_pcxs and self.vpc_pcx._status.code == "active"
        else:
            alive = True
        return "active" if alive else "blackhole"

    Route.state = property(state)


def amend_instances() -> None:
    """`Platform` is only ever `windows`; `PlatformDetails`, `Operator` and the primary IPv6 address are there."""

    def platform(self: Instance) -> str | None:
        return "windows" if (self.__dict__.get("_image_platform") or "").lower() == "windows" else None

    def set_platform(self: Instance, value: str | None) -> None:
        self.__dict__["_image_platform"] = value

    plain_start = Instance.start

    def start(self: Instance) -> object:
        # EC2 tells when an instance was started last, not first.
        self.launch_time = utcnow()
        return plain_start(self)

    def ipv6_address(self: Instance) -> str | None:
        addresses = self.nics[0].ipv6_addresses if 0 in self.nics else []
        return addresses[0] if addresses else None

    Instance.platform = property(platform, set_platform)
    Instance.platform_details = property(lambda self: "Windows" if self.platform else "Linux/UNIX")
    Instance.start = start
    Instance.usage_operation = property(lambda self: "RunInstances:0002" if self.platform else "RunInstances")
    # EC2 tells of every instance whether an AWS service manages it.
    Instance.operator = {"Managed": False}
    Instance.ipv6_address = property(ipv6_address)


def amend_interfaces() -> None:
    """An interface wears its own security groups, not the instance's besides."""
    NetworkInterface.group_set = property(lambda self: self._group_set)


def amend_metadata_options() -> None:
    """What ModifyInstanceMetadataOptions is not told stays as it is."""
    plain_modify = InstanceBackend.modify_instance_metadata_options
    attributes = {
        "http_tokens": "http_tokens", "hop_limit": "http_put_response_hop_limit", "http_endpoint": "http_endpoint",
        "http_protocol": "http_protocol_ipv6", "metadata_tags": "instance_metadata_tags",
    }

    def modify(self: InstanceBackend, instance_id: str, **asked: object) -> MetadataOptions:
        before = self.get_instance(instance_id).metadata_options
        kept = {name: getattr(before, attribute) for name, attribute in attributes.items() if asked.get(name) is None}
        return plain_modify(self, instance_id, **asked | kept)

    InstanceBackend.modify_instance_metadata_options = modify


def amend_stacks() -> None:
    """A role's inline policies are kept and told as JSON, and of a list `AWS::NoValue` is left out."""
    # Imports all that a stack may hold, 3 s of processor time: only for a lab in which one is made.
    from moto.cloudformation import parsing
    from moto.iam.models import Role

    plain_put, plain_clean = Role.put_policy, parsing.clean_json

    def put_policy(self: Role, policy_name: str, policy_json: str | dict) -> None:
        plain_put(self, policy_name, policy_json if isinstance(policy_json, str) else json.dumps(policy_json))

    def clean_json(resource_json: object, resources_map: parsing.ResourceMap) -> object:
        cleaned = plain_clean(resource_json, resources_map)
        return [one for one in cleaned if one is not None] if isinstance(resource_json, list) else cleaned

    Role.put_policy = put_policy
    parsing.clean_json = clean_json


class Quiet(WSGIRequestHandler):
    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


def main() -> None:
    amendments = (
        amend_zones, amend_prefix_lists, amend_network_acls, amend_routes, amend_interfaces, amend_instances, amend_metadata_options,
    )  # fmt: skip
    for amend in amendments:
        amend()

    def create_app(service: str) -> object:
        if service == "cloudformation":
            amend_stacks()
        return create_backend_app(service)

    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_app), threaded=True, request_handler=Quiet)

    plain_log = server.log

    def log(type: str, message: str, *args: object) -> None:
        # An operation that moto lacks is answered by the front server; it is no trouble of moto's.
        if "NotImplementedError" not in message:
            plain_log(type, message, *args)

    server.log = log

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
