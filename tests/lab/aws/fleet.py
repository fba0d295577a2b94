"""A whole fleet at once: thousands of instances in one account and Region, told as EC2 and Systems Manager tell them.

moto takes seconds to make a hundred instances, and pages by reservation. Here an order of the control channel,
`POST /fleet {"account", "region", "kinds": {KIND: COUNT}}`, makes all of them in one go; for that account and Region the
operations below then answer from it, in pages of instances, and everything else (IAM, STS, zones, …) from moto as before.
"""

from __future__ import annotations

import base64
import random
import threading
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Callable

from .fleet_picture import IMAGE, KINDS, Picture, picture
from .request import Call
from .wire import Answer, AwsError, ec2_answer, json_answer, raw_ec2_answer

if TYPE_CHECKING:
    from .front import Front

PAGE = 1000
# Instances that were launched together; a page may end between them, as with EC2.
RESERVATION = 7
FILTERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "instance-id": lambda i: i["instanceId"],
    "instance-state-name": lambda i: i["instanceState"]["name"],
    "vpc-id": lambda i: i["vpcId"],
    "subnet-id": lambda i: i["subnetId"],
}


class Fleets:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fleets: dict[tuple[str, str], Picture] = {}

    def make(self, order: dict[str, Any]) -> dict[str, Any]:
        if unknown := set(order) - {"account", "region", "kinds"}:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        if unknown := set(order["kinds"]) - set(KINDS):
            raise ValueError(f"there is no kind {', '.join(sorted(unknown))}; there are: {', '.join(KINDS)}")
        kinds = [kind for kind, count in order["kinds"].items() for _ in range(count)]
        # Mixed, but the same for every run.
        random.Random(f"{order['account']} {order['region']}").shuffle(kinds)
        made = picture(order["account"], order["region"], kinds)
        with self._lock:
            self._fleets[order["account"], order["region"]] = made
        by_kind: dict[str, list[str]] = {kind: [] for kind in order["kinds"]}
        for kind, instance in zip(kinds, made.instances):
            by_kind[kind].append(instance["instanceId"])
        return {"instances": len(kinds), "by_kind": by_kind}

    def forget(self, account: str, region: str) -> None:
        with self._lock:
            self._fleets.pop((account, region), None)

    def operation(self, front: Front, call: Call) -> Callable[[Call], Answer] | None:
        """What answers this call, where a fleet was made for its account and Region."""
        answer = OPERATIONS.get(call.action)
        if answer is None or not self._fleets:
            return None
        found = self._fleets.get((front.callers.account(call.access_key, call.region), call.region))
        return None if found is None else lambda call: answer(found, call)


def describe_instances(fleet: Picture, call: Call) -> Answer:
    ids = call.listed("InstanceId")
    if ids and "MaxResults" in call.params:
        raise AwsError("InvalidParameterCombination", "The parameter InstanceIds cannot be used with the parameter MaxResults")
    if missing := set(ids) - fleet.ids:
        raise AwsError("InvalidInstanceID.NotFound", f"The instance IDs '{', '.join(sorted(missing))}' do not exist")
    wanted = [n for n, i in enumerate(fleet.instances) if (not ids or i["instanceId"] in ids) and _passes(i, call.filters())]
    page, token = _page(call, wanted, 5, PAGE)
    reservations: dict[int, list[str]] = {}
    for number in page:
        reservations.setdefault(number // RESERVATION, []).append(fleet.rendered(number))
    inner = "".join(
        f"<item><reservationId>r-{number:017x}</reservationId><ownerId>{fleet.account}</ownerId><groupSet/>"
        f"<instancesSet>{''.join(items)}</instancesSet></item>"
        for number, items in reservations.items()
    )
    return raw_ec2_answer(call.operation, f"<reservationSet>{inner}</reservationSet>{_token(token)}")


def describe_instance_status(fleet: Picture, call: Call) -> Answer:
    ids = call.listed("InstanceId")
    if ids and ("MaxResults" in call.params or len(ids) > 100):
        raise AwsError("InvalidParameterCombination", "at most 100 InstanceIds, and no MaxResults beside them")
    everything = call.params.get("IncludeAllInstances") == "true"
    known = [
        i for i in fleet.instances
        if (not ids or i["instanceId"] in ids) and (everything or i["instanceState"]["name"] == "running")
    ]  # fmt: skip
    page, token = _page(call, known, 5, PAGE)
    body: dict[str, Any] = {"instanceStatusSet": [fleet.status(instance) for instance in page]}
    return ec2_answer(call.operation, body | ({"nextToken": token} if token else {}))


def describe_images(fleet: Picture, call: Call) -> Answer:
    wanted = call.filters().get("image-id") or call.listed("ImageId")
    return ec2_answer(call.operation, {"imagesSet": [IMAGE] if IMAGE["imageId"] in wanted else []})


def listed(name: str, part: str, id_name: str, id_parameter: str, most: int = PAGE) -> Callable[[Picture, Call], Answer]:
    """An operation over one of the picture's short lists."""

    def describe(fleet: Picture, call: Call) -> Answer:
        ids, found = call.listed(id_parameter), getattr(fleet, part)
        found = [item for item in found if not ids or item[id_name] in ids]
        for filter_name, values in call.filters().items():
            if filter_name != "vpc-id":
                raise AwsError("InvalidParameterValue", f"The filter '{filter_name}' is invalid")
            found = [item for item in found if item["vpcId"] in values]
        page, token = _page(call, found, 5, most)
        return ec2_answer(call.operation, {name: page} | ({"nextToken": token} if token else {}))

    return describe


def describe_instance_information(fleet: Picture, call: Call) -> Answer:
    nodes = [i for i in fleet.instances if i["instanceState"]["name"] == "running"]
    for wanted in call.params.get("Filters", []):
        match wanted["Key"]:
            case "ResourceType":
                nodes = nodes if "EC2Instance" in wanted["Values"] else []
            case "InstanceIds":
                nodes = [i for i in nodes if i["instanceId"] in wanted["Values"]]
            case other:
                raise AwsError("InvalidInstanceInformationFilterValue", f"The filter {other} is not valid")
    most = int(call.params.get("MaxResults") or 10)
    first = _offset(call)
    body: dict[str, Any] = {"InstanceInformationList": [_information(i) for i in nodes[first : first + most]]}
    if first + most < len(nodes):
        body["NextToken"] = _encoded(first + most)
    return json_answer(body)


def _information(instance: dict[str, Any]) -> dict[str, Any]:
    return {
        "InstanceId": instance["instanceId"], "PingStatus": "Online", "LastPingDateTime": time.time() - 30,
        "AgentVersion": "3.3.987.0", "IsLatestVersion": True, "PlatformType": "Linux", "PlatformName": "Amazon Linux",
        "PlatformVersion": "2023", "ResourceType": "EC2Instance", "IPAddress": instance["privateIpAddress"],
        "SourceId": instance["instanceId"], "SourceType": "AWS::EC2::Instance",
    }  # fmt: skip


def _passes(instance: dict[str, Any], filters: dict[str, list[str]]) -> bool:
    for name, values in filters.items():
        if name.startswith("tag:"):
            told = next((tag["value"] for tag in instance["tagSet"] if tag["key"] == name[4:]), "")
        elif name in FILTERS:
            told = FILTERS[name](instance)
        else:
            raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
        if len(values) > 200:
            raise AwsError("FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200")
        if not any(fnmatchcase(told, value) for value in values):
            return False
    return True


def _page(call: Call, items: list[Any], least: int, most: int) -> tuple[list[Any], str | None]:
    """Without MaxResults everything comes at once, as EC2 does it for an account of this size."""
    if "MaxResults" not in call.params:
        return items, None
    size = int(call.params["MaxResults"])
    if not least <= size <= most:
        raise AwsError("InvalidParameterValue", f"Value ( {size} ) for parameter maxResults is invalid. Expecting {least} to {most}.")
    first = _offset(call)
    return items[first : first + size], _encoded(first + size) if first + size < len(items) else None


def _offset(call: Call) -> int:
    token = call.params.get("NextToken")
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True).decode().removeprefix("lab:"))
    except ValueError:
        raise AwsError("InvalidParameterValue", "Invalid value for nextToken") from None


def _encoded(offset: int) -> str:
    return base64.b64encode(f"lab:{offset}".encode()).decode()


def _token(token: str | None) -> str:
    return f"<nextToken>{token}</nextToken>" if token else ""


OPERATIONS: dict[str, Callable[[Picture, Call], Answer]] = {
    "ec2:DescribeInstances": describe_instances,
    "ec2:DescribeInstanceStatus": describe_instance_status,
    "ec2:DescribeImages": describe_images,
    "ec2:DescribeSubnets": listed("subnetSet", "subnets", "subnetId", "SubnetId"),
    "ec2:DescribeSecurityGroups": listed("securityGroupInfo", "groups", "groupId", "GroupId"),
    "ec2:DescribeNetworkAcls": listed("networkAclSet", "acls", "networkAclId", "NetworkAclId"),
    # EC2 gives no more than 100 of these a page.
    "ec2:DescribeRouteTables": listed("routeTableSet", "tables", "routeTableId", "RouteTableId", 100),
    "ec2:DescribeInternetGateways": listed("internetGatewaySet", "gateways", "internetGatewayId", "InternetGatewayId"),
    "ssm:DescribeInstanceInformation": describe_instance_information,
}
