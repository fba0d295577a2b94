"""EC2 Instance Connect: SendSSHPublicKey, which puts the key into the metadata service of the instance's machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .iam import decide
from .knobs import refusal
from .policies import principal_with_policies
from .request import Call
from .wire import Answer, AwsError, json_answer, new_request_id

if TYPE_CHECKING:
    from .front import Front

# From the service's own model (2018-04-02).
INSTANCE_ID = re.compile(r"i-[a-f0-9]{8,30}")
OS_USER = re.compile(
    r"(?=.{1,32}$)(?:[A-Za-z_][A-Za-z0-9@._-]{0,30}[A-Za-z0-9$_-]?|(?=.{2,32}$)[0-9]{1,32}[A-Za-z@._-][A-Za-z0-9@._-]*[A-Za-z0-9$_-]?)"
)
ZONE = re.compile(r"(\w+-){2,3}\d+\w+")
KEY_TYPES = ("ssh-rsa ", "ssh-ed25519 ")
# The service is not offered in the European Sovereign Cloud.
NOT_OFFERED = "eusc-"


def send_ssh_public_key(front: Front, call: Call) -> Answer:
    instance_id = call.params.get("InstanceId", "")
    os_user = call.params.get("InstanceOSUser", "")
    error = None
    request_id = new_request_id()
    try:
        _push(front, call, instance_id, os_user, request_id)
    except AwsError as refused:
        error = refused
        raise
    finally:
        front.trail.record(front, call, error)
    return json_answer({"RequestId": request_id, "Success": True})


def _push(front: Front, call: Call, instance_id: str, os_user: str, request_id: str) -> None:
    if call.region.startswith(NOT_OFFERED):
        raise AwsError("UnknownOperationException", "EC2 Instance Connect is not offered in this Region", 404)
    _refuse_bad_input(call.params, instance_id, os_user)
    instance = _instance(front, call, instance_id)
    _refuse_without_permission(front, call, instance_id, os_user)
    zone = call.params.get("AvailabilityZone")
    if instance is None or (zone and zone != instance.findtext("./placement/availabilityZone")):
        raise AwsError("EC2InstanceNotFoundException", "No instance with that ID was found.")
    state = instance.findtext("./instanceState/name")
    if state != "running":
        raise AwsError(
            "EC2InstanceStateInvalidException",
            "Unable to connect because the instance is not in a valid state. Connecting requires the instance to be in the "
            f"running state; it is {state}.",
        )
    node = front.nodes.get(instance_id)
    if node and node.machine:
        caller = front.callers.arn(call.access_key, call.region)
        node.machine.push_key(os_user, call.params["SSHPublicKey"], caller=caller, request=request_id)


def _refuse_bad_input(params: dict, instance_id: str, os_user: str) -> None:
    key = params.get("SSHPublicKey", "")
    problem = None
    if not INSTANCE_ID.fullmatch(instance_id):
        problem = "The instance ID is not valid."
    elif not OS_USER.fullmatch(os_user):
        problem = "The OS user name is not valid."
    elif not 80 <= len(key) <= 4096 or not key.startswith(KEY_TYPES):
        problem = "The SSH public key is not valid: only RSA and ED25519 keys are supported."
    elif params.get("AvailabilityZone") and not ZONE.fullmatch(params["AvailabilityZone"]):
        problem = "The Availability Zone is not valid."
    if problem:
        raise AwsError("InvalidArgsException", problem)


def _instance(front: Front, call: Call, instance_id: str):
    try:
        tree = front.moto.query("ec2", call.region, call.access_key, "DescribeInstances", InstanceId__1=instance_id)
    except AwsError:
        return None
    return tree.find(".//instancesSet/item")


def _refuse_without_permission(front: Front, call: Call, instance_id: str, os_user: str) -> None:
    """A caller with policies in this account may push what they allow; one without (the lab's operator) may all."""
    caller = front.callers.arn(call.access_key, call.region)
    partition, account = caller.split(":")[1], caller.split(":")[4]
    if match := re.fullmatch(r"arn:[a-z-]+:sts::\d+:assumed-role/([^/]+)/.+", caller):
        role = front.moto.query("iam", call.region, call.access_key, "GetRole", RoleName=match[1])
        source = role.findtext(".//Role/Arn", "")
    elif ":iam::" in caller and ":user/" in caller:
        source = caller
    else:
        return
    principal = principal_with_policies(front, call.access_key, call.region, source)
    resource = f"arn:{partition}:ec2:{call.region}:{account}:instance/{instance_id}"
    context = {"ec2:osuser": os_user, **_tags(front, call, instance_id)}
    answer = decide(front, principal, call.action, resource, context, front.knobs.service_control_policies(call.access_key))
    if answer["decision"] == "explicitDeny":
        raise refusal(call, caller, resource, "an explicit deny in an identity-based policy")
    if answer["decision"] != "allowed":
        raise refusal(call, caller, resource)


def _tags(front: Front, call: Call, instance_id: str) -> dict[str, str]:
    tree = front.moto.query(
        "ec2", call.region, call.access_key, "DescribeTags", Filter__1__Name="resource-id", Filter__1__Value__1=instance_id
    )
    tags = {item.findtext("key", ""): item.findtext("value", "") for item in tree.findall("./tagSet/item")}
    return {f"{prefix}:ResourceTag/{key}": value for key, value in tags.items() for prefix in ("aws", "ec2")}


OPERATIONS = {"ec2-instance-connect:SendSSHPublicKey": send_ssh_public_key}
