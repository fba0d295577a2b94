"""EC2 Instance Connect Endpoints: made, changed, deleted and described, as moto does not.

What takes AWS minutes is done here by the time somebody asks: an endpoint that was just made is `create-in-progress` in
the answer and `create-complete` in the next description; one that is being deleted is gone then. The control order
`POST /endpoint/ID` puts one into a state that lasts.
"""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING, Any

from .request import Call
from .wire import Answer, AwsError, ec2_answer

if TYPE_CHECKING:
    from .front import Front

FILTERS = {
    "instance-connect-endpoint-id": "instanceConnectEndpointId", "state": "state", "subnet-id": "subnetId", "vpc-id": "vpcId",
}
# What an endpoint is when it is next looked at; None: gone.
SETTLES = {"create-in-progress": "create-complete", "update-in-progress": "update-complete", "delete-in-progress": None}
_lock = threading.Lock()


def describe(front: Front, call: Call) -> Answer:
    with _lock:
        known = front.nodes.endpoints.setdefault(call.region, [])
        for endpoint in [e for e in known if e.pop("_settles", False)]:
            endpoint["state"] = SETTLES[endpoint["state"]]
        known[:] = [e for e in known if e["state"] is not None]
        found = [_told(e) for e in known]
    for name, values in call.filters().items():
        if name not in FILTERS:
            raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
        found = [e for e in found if e.get(FILTERS[name]) in values]
    if ids := call.listed("InstanceConnectEndpointId"):
        if missing := set(ids) - {e["instanceConnectEndpointId"] for e in found}:
            raise _not_found(min(missing))
        found = [e for e in found if e["instanceConnectEndpointId"] in ids]
    return ec2_answer(call.operation, {"instanceConnectEndpointSet": found})


def create(front: Front, call: Call) -> Answer:
    subnet = call.params["SubnetId"]
    told = front.moto.query("ec2", call.region, call.access_key, "DescribeSubnets", SubnetId__1=subnet).find(".//subnetSet/item")
    vpc, zone = told.findtext("vpcId"), told.findtext("availabilityZone")
    kind = call.params.get("IpAddressType") or ("ipv4" if told.findtext("cidrBlock") else "ipv6")
    keeps = call.params.get("PreserveClientIp", "false").lower() == "true"
    if keeps and kind != "ipv4":
        raise AwsError("InvalidParameterCombination", "PreserveClientIp is only supported with the ipv4 address type")
    groups = call.listed("SecurityGroupId") or [_default_group(front, call, vpc)]
    account = front.callers.account(call.access_key, call.region)
    endpoint_id = f"eice-{secrets.token_hex(8)}0"
    numbered = {f"SecurityGroupId__{number}": group for number, group in enumerate(groups, 1)}
    if kind != "ipv4":
        numbered["Ipv6AddressCount"] = "1"
    made = front.moto.query("ec2", call.region, call.access_key, "CreateNetworkInterface", SubnetId=subnet, **numbered)
    endpoint = {
        "ownerId": account,
        "instanceConnectEndpointId": endpoint_id,
        "instanceConnectEndpointArn": f"arn:aws:ec2:{call.region}:{account}:instance-connect-endpoint/{endpoint_id}",
        "state": "create-in-progress",
        "_settles": True,
        "stateMessage": "",
        "dnsName": f"{endpoint_id}.0a1b2c3d.ec2-instance-connect-endpoint.{call.region}.amazonaws.com",
        "networkInterfaceIdSet": [made.findtext(".//networkInterface/networkInterfaceId")],
        "vpcId": vpc,
        "availabilityZone": zone,
        "createdAt": "2026-11-28T00:00:00.000Z",
        "subnetId": subnet,
        "preserveClientIp": keeps,
        "securityGroupIdSet": groups,
        "tagSet": [],
        "ipAddressType": kind,
    }
    with _lock:
        front.nodes.endpoints.setdefault(call.region, []).append(endpoint)
        return ec2_answer(call.operation, {"instanceConnectEndpoint": _told(endpoint)})


def modify(front: Front, call: Call) -> Answer:
    with _lock:
        endpoint = _of(front, call)
        if kind := call.params.get("IpAddressType"):
            endpoint["ipAddressType"] = kind
        if keeps := call.params.get("PreserveClientIp"):
            endpoint["preserveClientIp"] = keeps.lower() == "true"
        if groups := call.listed("SecurityGroupId"):
            endpoint["securityGroupIdSet"] = groups
        if endpoint["preserveClientIp"] and endpoint["ipAddressType"] != "ipv4":
            raise AwsError("InvalidParameterCombination", "PreserveClientIp is only supported with the ipv4 address type")
        interfaces, kind = endpoint["networkInterfaceIdSet"], endpoint["ipAddressType"]
        endpoint |= {"state": "update-in-progress", "_settles": True}
    if call.params.get("IpAddressType") in ("ipv6", "dualstack"):
        front.moto.query(
            "ec2", call.region, call.access_key, "AssignIpv6Addresses", NetworkInterfaceId=interfaces[0], Ipv6AddressCount="1"
        )
    for interface in interfaces:
        numbered = {f"SecurityGroupId__{number}": group for number, group in enumerate(call.listed("SecurityGroupId"), 1)}
        if numbered:
            front.moto.query(
                "ec2", call.region, call.access_key, "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=interface, **numbered
            )
    return ec2_answer(call.operation, {"return": True})


def delete(front: Front, call: Call) -> Answer:
    with _lock:
        endpoint = _of(front, call)
        endpoint |= {"state": "delete-in-progress", "_settles": True}
        return ec2_answer(call.operation, {"instanceConnectEndpoint": _told(endpoint)})


def put(front: Front, endpoint_id: str, changes: dict[str, Any]) -> None:
    """What no call of the user's brings about: a state that lasts, a message. By EC2's XML names."""
    with _lock:
        for endpoint in (e for endpoints in front.nodes.endpoints.values() for e in endpoints):
            if endpoint["instanceConnectEndpointId"] == endpoint_id:
                endpoint.pop("_settles", None)
                endpoint |= changes
                return
    raise ValueError(f"there is no endpoint {endpoint_id}")


def _of(front: Front, call: Call) -> dict[str, Any]:
    wanted = call.params["InstanceConnectEndpointId"]
    for endpoint in front.nodes.endpoints.get(call.region, []):
        if endpoint["instanceConnectEndpointId"] == wanted:
            return endpoint
    raise _not_found(wanted)


def _told(endpoint: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in endpoint.items() if not name.startswith("_")}


def _default_group(front: Front, call: Call, vpc: str) -> str:
    answer = front.moto.query(
        "ec2", call.region, call.access_key, "DescribeSecurityGroups",
        Filter__1__Name="vpc-id", Filter__1__Value__1=vpc, Filter__2__Name="group-name", Filter__2__Value__1="default",
    )  # fmt: skip
    return answer.findtext(".//securityGroupInfo/item/groupId", "")


def _not_found(endpoint_id: str) -> AwsError:
    return AwsError(
        "InvalidInstanceConnectEndpointId.NotFound", f"The instance connect endpoint ID '{endpoint_id}' does not exist"
    )


OPERATIONS = {
    "ec2:DescribeInstanceConnectEndpoints": describe,
    "ec2:CreateInstanceConnectEndpoint": create,
    "ec2:ModifyInstanceConnectEndpoint": modify,
    "ec2:DeleteInstanceConnectEndpoint": delete,
}
