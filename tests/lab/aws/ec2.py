"""EC2 operations that moto lacks, or answers with less than EC2 does; endpoints and Block Public Access have files of their own."""

from __future__ import annotations

import base64
import json
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .moto_child import parse_xml
from .request import Call
from .wire import XMLNS, Answer, AwsError, ec2_answer

if TYPE_CHECKING:
    from .front import Front

OTHER_ZONES = {
    zone["name"]: zone
    for zone in json.loads(Path(__file__).with_name("zones.json").read_text(encoding="utf-8"))["other_zones"]
}


# The bytes of a console that EC2 keeps.
CONSOLE = 64 * 1024
STATE_CODES = {"pending": "0", "running": "16", "shutting-down": "32", "terminated": "48", "stopping": "64", "stopped": "80"}


def describe_instance_status(front: Front, call: Call) -> Answer:
    """moto says `ok` for all that runs; the lab may have said otherwise."""
    answer = front.pass_on(call)
    if answer.status != 200:
        return answer
    tree = parse_xml(answer.body)
    for item in tree.findall("./instanceStatusSet/item"):
        node = front.nodes.get(item.findtext("instanceId", ""))
        if node is None or item.findtext("./instanceState/name") != "running":
            continue
        _set_status(item.find("systemStatus"), node.system_status)
        _set_status(item.find("instanceStatus"), node.instance_status)
        if node.ebs_status is not None:
            _set_status(ElementTree.SubElement(item, "attachedEbsStatus"), node.ebs_status, "passed")
        _set_events(item, node.events)
    return _as_ec2(answer, tree)


def _set_events(item: ElementTree.Element, events: list[dict[str, str]]) -> None:
    if not events:
        return
    if (event_set := item.find("eventsSet")) is None:
        event_set = ElementTree.SubElement(item, "eventsSet")
    for child in list(event_set):
        event_set.remove(child)
    for number, event in enumerate(events):
        told = ElementTree.SubElement(event_set, "item")
        ElementTree.SubElement(told, "instanceEventId").text = f"instance-event-{number:017x}"
        ElementTree.SubElement(told, "code").text = event["code"]
        ElementTree.SubElement(told, "description").text = event["description"]
        ElementTree.SubElement(told, "notBefore").text = event["not_before"]


def _set_status(element: ElementTree.Element | None, status: str, well: str | None = None) -> None:
    """`well`: what the detail says where all is well, for an element that moto did not make."""
    if element is None or (status == "ok" and well is None):
        return
    reachability = {"ok": well, "impaired": "failed", "initializing": "initializing"}.get(status, "insufficient-data")
    for child in list(element):
        element.remove(child)
    ElementTree.SubElement(element, "status").text = status
    details = ElementTree.SubElement(ElementTree.SubElement(element, "details"), "item")
    ElementTree.SubElement(details, "name").text = "reachability"
    ElementTree.SubElement(details, "status").text = reachability
    if status == "impaired":
        ElementTree.SubElement(details, "impairedSince").text = "2026-11-01T00:00:00.000Z"


def describe_availability_zones(front: Front, call: Call) -> Answer:
    """With what EC2 tells of each zone: its group, border group, opt-in status and, for a Local Zone, its parent.

    Local and Wavelength Zones that the account has not opted into are listed only with AllAvailabilityZones.
    """
    tree = parse_xml(front.pass_on(call).body)
    everything = call.params.get("AllAvailabilityZones", "false").lower() == "true"
    opted_in = {node.availability_zone for node in front.nodes.in_region(call.region)}
    zones = []
    for item in tree.findall("./availabilityZoneInfo/item"):
        name = item.findtext("zoneName", "")
        other = OTHER_ZONES.get(name)
        chosen = other is None or name in opted_in
        if not chosen and not everything:
            if name in call.listed("ZoneName"):
                raise AwsError("InvalidParameterValue", f"Invalid availability zone: [{name}]")
            continue
        zone: dict[str, Any] = {
            "optInStatus": "opt-in-not-required" if other is None else ("opted-in" if chosen else "not-opted-in"),
            "messageSet": [],
            "regionName": call.region,
            "zoneName": name,
            "zoneId": item.findtext("zoneId"),
            "groupName": other["group"] if other else f"{call.region}-zg-1",
            "networkBorderGroup": other["group"] if other else call.region,
            "zoneType": other["type"] if other else "availability-zone",
        }
        if other:
            zone |= {"parentZoneName": other["parent"], "parentZoneId": other["parent_id"]}
        zones.append(zone | {"zoneState": "available"})
    if unknown := set(call.listed("ZoneName")) - {z["zoneName"] for z in zones}:
        raise AwsError("InvalidParameterValue", f"Invalid availability zone: [{', '.join(sorted(unknown))}]")
    return ec2_answer(call.operation, {"availabilityZoneInfo": zones})


def describe_instances(front: Front, call: Call) -> Answer:
    """What the lab was told that AWS says of an instance: a state that passes, a service that operates it, its platform."""
    answer = front.pass_on(call)
    if answer.status != 200 or not any(node.told for node in front.nodes.in_region(call.region)):
        return answer
    tree = parse_xml(answer.body)
    for item in tree.findall("./reservationSet/item/instancesSet/item"):
        node = front.nodes.get(item.findtext("instanceId", ""))
        if node is None or not node.told:
            continue
        if state := node.passing_state():
            item.find("instanceState/name").text = state
            item.find("instanceState/code").text = STATE_CODES[state]
        if principal := node.told.get("operator"):
            _replace(item, "operator", {"managed": "true", "principal": principal})
        if platform := node.told.get("platform"):
            _replace(item, "platform", platform)
            _replace(item, "platformDetails", platform.capitalize())
        if node.told.get("ipv6_only"):
            _without_ipv4(item)
    return _as_ec2(answer, tree)


def _without_ipv4(instance: ElementTree.Element) -> None:
    """An instance of an IPv6-only subnet has no IPv4 address at all."""
    holders = [instance, *instance.findall("./networkInterfaceSet/item")]
    for holder in holders:
        for name in ("privateIpAddress", "ipAddress", "association", "privateIpAddressesSet"):
            for child in holder.findall(name):
                holder.remove(child)


def describe_subnets(front: Front, call: Call) -> Answer:
    """A subnet that another account shares is that account's; an IPv6-only one has no IPv4 range."""
    answer = front.pass_on(call)
    owners = {node.told["subnet"]: node.told["subnet_owner"] for node in front.nodes.in_region(call.region) if "subnet_owner" in node.told}
    native = {node.told["ipv6_only"] for node in front.nodes.in_region(call.region) if "ipv6_only" in node.told}
    if answer.status != 200 or not owners and not native:
        return answer
    tree = parse_xml(answer.body)
    for item in tree.findall("./subnetSet/item"):
        if item.findtext("subnetId", "") in native:
            _replace(item, "ipv6Native", "true")
            for child in item.findall("cidrBlock"):
                item.remove(child)
        if owner := owners.get(item.findtext("subnetId", "")):
            _replace(item, "ownerId", owner)
    return _as_ec2(answer, tree)


def _replace(parent: ElementTree.Element, name: str, value: str | dict[str, str]) -> None:
    for child in parent.findall(name):
        parent.remove(child)
    child = ElementTree.SubElement(parent, name)
    if isinstance(value, str):
        child.text = value
    else:
        for key, text in value.items():
            ElementTree.SubElement(child, key).text = text


def get_instance_metadata_defaults(front: Front, call: Call) -> Answer:
    return ec2_answer(call.operation, {"accountLevel": {}})


def modify_instance_metadata_options(front: Front, call: Call) -> Answer:
    """What is set by the API takes effect in the instance's metadata service."""
    answer = front.pass_on(call)
    node = front.nodes.get(call.params.get("InstanceId", ""))
    if answer.status == 200 and node and node.machine:
        changes: dict[str, Any] = {}
        for parameter, field in (("HttpEndpoint", "http_endpoint"), ("HttpTokens", "http_tokens")):
            if parameter in call.params:
                changes[field] = call.params[parameter]
        if "HttpPutResponseHopLimit" in call.params:
            changes["hop_limit"] = int(call.params["HttpPutResponseHopLimit"])
        node.machine.update_imds(**changes)
    return answer


def stop_instances(front: Front, call: Call) -> Answer:
    """A stopped instance's SSM Agent no longer answers; on its next host the system is well."""
    answer = front.pass_on(call)
    if answer.status == 200:
        for node in filter(None, map(front.nodes.get, call.listed("InstanceId"))):
            node.ping_status = "ConnectionLost" if node.ping_status else None
            node.system_status = node.instance_status = "ok"
            node.ebs_status = "ok" if node.ebs_status else None
            node.events = []
    return answer


def reboot_instances(front: Front, call: Call) -> Answer:
    answer = front.pass_on(call)
    if answer.status == 200:
        for node in filter(None, map(front.nodes.get, call.listed("InstanceId"))):
            node.instance_status = "ok"
    return answer


def start_instances(front: Front, call: Call) -> Answer:
    answer = front.pass_on(call)
    if answer.status == 200:
        for node in filter(None, map(front.nodes.get, call.listed("InstanceId"))):
            node.ping_status = "Online" if node.ping_status else None
    return answer


def get_console_output(front: Front, call: Call) -> Answer:
    """What the lab was told that stands on the instance's console; `console_latest: False` is an instance type without `Latest`."""
    instance_id = call.params.get("InstanceId", "")
    node = front.nodes.get(instance_id)
    if node is None:
        raise AwsError("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")
    is_latest = call.params.get("Latest", "false").lower() == "true"
    if is_latest and not node.told.get("console_latest", True):
        raise AwsError("UnsupportedOperation", "This instance type does not support retrieving the latest console logs.")
    told = {"instanceId": instance_id, "timestamp": node.told.get("console_at") or _now()}
    if text := node.told.get("console"):
        told["output"] = base64.b64encode(text.encode()[-CONSOLE:]).decode()
    return ec2_answer(call.operation, told)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


def _as_ec2(answer: Answer, tree: ElementTree.Element) -> Answer:
    tree.set("xmlns", XMLNS["ec2"])
    return Answer(200, ElementTree.tostring(tree), answer.headers)


OPERATIONS = {
    "ec2:DescribeInstances": describe_instances,
    "ec2:DescribeSubnets": describe_subnets,
    "ec2:DescribeInstanceStatus": describe_instance_status,
    "ec2:DescribeAvailabilityZones": describe_availability_zones,
    "ec2:GetConsoleOutput": get_console_output,
    "ec2:GetInstanceMetadataDefaults": get_instance_metadata_defaults,
    "ec2:ModifyInstanceMetadataOptions": modify_instance_metadata_options,
    "ec2:RebootInstances": reboot_instances,
    "ec2:StopInstances": stop_instances,
    "ec2:StartInstances": start_instances,
}
