"""VPC Block Public Access: a Region's switch and what is excluded from it, as moto does not have them."""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING, Any

from .request import Call
from .wire import Answer, AwsError, ec2_answer

if TYPE_CHECKING:
    from .front import Front

_lock = threading.Lock()


def describe_options(front: Front, call: Call) -> Answer:
    return ec2_answer(call.operation, {"vpcBlockPublicAccessOptions": _options(front, call)})


def modify_options(front: Front, call: Call) -> Answer:
    with _lock:
        options = front.nodes.public_access.setdefault(call.region, {})
        options |= {"internetGatewayBlockMode": call.params["InternetGatewayBlockMode"], "state": "update-complete"}
    return describe_options(front, call)


def describe_exclusions(front: Front, call: Call) -> Answer:
    return ec2_answer(call.operation, {"vpcBlockPublicAccessExclusionSet": _exclusions(front, call)})


def create_exclusion(front: Front, call: Call) -> Answer:
    if _options(front, call)["exclusionsAllowed"] == "not-allowed":
        raise AwsError("OperationNotPermitted", "Exclusions are not allowed by the declarative policy of your organization")
    subnet, vpc = call.params.get("SubnetId"), call.params.get("VpcId")
    account = front.callers.account(call.access_key, call.region)
    exclusion = {
        "exclusionId": f"vpcbpa-exclude-{secrets.token_hex(8)}0",
        "internetGatewayExclusionMode": call.params["InternetGatewayExclusionMode"],
        "resourceArn": f"arn:aws:ec2:{call.region}:{account}:{f'subnet/{subnet}' if subnet else f'vpc/{vpc}'}",
        "state": "create-complete",
    }
    with _lock:
        front.nodes.public_access.setdefault(call.region, {}).setdefault("exclusions", []).append(exclusion)
    return ec2_answer(call.operation, {"vpcBlockPublicAccessExclusion": exclusion})


def modify_exclusion(front: Front, call: Call) -> Answer:
    exclusion = _exclusion(front, call)
    exclusion |= {"internetGatewayExclusionMode": call.params["InternetGatewayExclusionMode"], "state": "update-complete"}
    return ec2_answer(call.operation, {"vpcBlockPublicAccessExclusion": exclusion})


def delete_exclusion(front: Front, call: Call) -> Answer:
    exclusion = _exclusion(front, call)
    exclusion["state"] = "delete-complete"
    return ec2_answer(call.operation, {"vpcBlockPublicAccessExclusion": exclusion})


def _options(front: Front, call: Call) -> dict[str, Any]:
    usual = {
        "awsAccountId": front.callers.account(call.access_key, call.region),
        "awsRegion": call.region,
        "state": "default-state",
        "internetGatewayBlockMode": "off",
        "managedBy": "account",
        "exclusionsAllowed": "allowed",
    }
    told = front.nodes.public_access.get(call.region, {})
    return usual | {name: value for name, value in told.items() if name != "exclusions"}


def _exclusions(front: Front, call: Call) -> list[dict[str, Any]]:
    return front.nodes.public_access.get(call.region, {}).get("exclusions", [])


def _exclusion(front: Front, call: Call) -> dict[str, Any]:
    wanted = call.params["ExclusionId"]
    for exclusion in _exclusions(front, call):
        if exclusion["exclusionId"] == wanted:
            return exclusion
    raise AwsError("InvalidVpcBlockPublicAccessExclusionId.NotFound", f"The exclusion '{wanted}' does not exist")


OPERATIONS = {
    "ec2:DescribeVpcBlockPublicAccessOptions": describe_options,
    "ec2:ModifyVpcBlockPublicAccessOptions": modify_options,
    "ec2:DescribeVpcBlockPublicAccessExclusions": describe_exclusions,
    "ec2:CreateVpcBlockPublicAccessExclusion": create_exclusion,
    "ec2:ModifyVpcBlockPublicAccessExclusion": modify_exclusion,
    "ec2:DeleteVpcBlockPublicAccessExclusion": delete_exclusion,
}
