"""EC2 Instance Connect Endpoints: OpenTunnel, a presigned request as the AWS CLI makes it. It is judged and recorded; no tunnel is opened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .iam import decide
from .knobs import refusal
from .policies import principal_with_policies
from .request import Call
from .wire import Answer, AwsError, json_answer

if TYPE_CHECKING:
    from .front import Front


def open_tunnel(front: Front, call: Call) -> Answer:
    error = None
    try:
        _refuse_without_permission(front, call)
    except AwsError as refused:
        error = refused
        raise
    finally:
        asked = ("instanceConnectEndpointId", "maxTunnelDuration", "remotePort", "privateIpAddress")
        front.trail.record(front, call, error, {name: call.params.get(name) for name in asked})
    return json_answer({})


def _refuse_without_permission(front: Front, call: Call) -> None:
    """A session of a role may open what its policies allow; the lab's operator may all."""
    caller = front.callers.arn(call.access_key, call.region)
    match = re.fullmatch(r"arn:([a-z-]+):sts::(\d+):assumed-role/([^/]+)/.+", caller)
    if not match:
        return
    partition, account, name = match.groups()
    role = front.moto.query("iam", call.region, call.access_key, "GetRole", RoleName=name)
    principal = principal_with_policies(front, call.access_key, call.region, role.findtext(".//Role/Arn", ""))
    resource = f"arn:{partition}:ec2:{call.region}:{account}:instance-connect-endpoint/{call.params.get('instanceConnectEndpointId')}"
    context = {f"ec2-instance-connect:{key}": call.params.get(key, "") for key in ("remotePort", "privateIpAddress", "maxTunnelDuration")}
    control = front.knobs.service_control_policies(call.access_key)
    if decide(front, principal, call.action, resource, context, control)["decision"] != "allowed":
        raise refusal(call, caller, resource)


OPERATIONS = {"ec2-instance-connect:OpenTunnel": open_tunnel}
