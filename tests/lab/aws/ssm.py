"""Systems Manager: managed nodes, and Run Command with AWS-RunShellScript."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from .nodes import Node
from .request import Call
from .run_command import FINAL, Invocation, first, iso
from .wire import Answer, AwsError, json_answer, new_request_id

if TYPE_CHECKING:
    from .front import Front

DOCUMENT = "AWS-RunShellScript"
MAX_INSTANCES = 50
# A question within this time after SendCommand, if it is the first, comes before the invocation is to be seen.
TOO_SOON = 1.0
DEFAULT_DELIVERY_SECONDS = 3600
DEFAULT_EXECUTION_SECONDS = 3600


class Commands:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commands: dict[str, dict[str, Any]] = {}

    def add(self, command: dict[str, Any]) -> None:
        with self._lock:
            self._commands[command["id"]] = command

    def all(self, region: str) -> list[dict[str, Any]]:
        with self._lock:
            return [c for c in reversed(self._commands.values()) if c["region"] == region]

    def get(self, command_id: str, region: str) -> dict[str, Any]:
        with self._lock:
            command = self._commands.get(command_id)
        if command is None or command["region"] != region:
            raise AwsError("InvalidCommandId", "")
        return command


def describe_instance_information(front: Front, call: Call) -> Answer:
    nodes = [node for node in front.nodes.in_region(call.region) if node.ping_status]
    filters = [(f["Key"], f["Values"]) for f in call.params.get("Filters", [])]
    filters += [(f["key"], f["valueSet"]) for f in call.params.get("InstanceInformationFilterList", [])]
    known = {
        "InstanceIds": lambda n: n.instance_id, "PingStatus": lambda n: n.ping_status, "PlatformTypes": lambda n: "Linux",
        "AgentVersion": lambda n: n.agent_version, "ResourceType": lambda n: "EC2Instance",
    }
    for key, values in filters:
        if key not in known:
            raise AwsError("InvalidInstanceInformationFilterValue", f"The filter {key} is not valid")
        nodes = [node for node in nodes if known[key](node) in values]
    nodes.sort(key=lambda node: node.instance_id)
    page, token = _page(call, nodes, 10)
    return json_answer({"InstanceInformationList": [_information(node) for node in page], **token})


def _information(node: Node) -> dict[str, Any]:
    return {
        "InstanceId": node.instance_id,
        "PingStatus": node.ping_status,
        # The agent speaks every five minutes while it can.
        "LastPingDateTime": time.time() - 30 if node.ping_status == "Online" else node.last_ping,
        "AgentVersion": node.agent_version,
        "IsLatestVersion": True,
        "PlatformType": "Linux",
        "PlatformName": node.platform_name,
        "PlatformVersion": node.platform_version,
        "ResourceType": "EC2Instance",
        "IPAddress": node.private_ip,
        "ComputerName": f"ip-{node.private_ip.replace('.', '-')}.{node.region}.compute.internal",
        "SourceId": node.instance_id,
        "SourceType": "AWS::EC2::Instance",
    }


def send_command(front: Front, call: Call) -> Answer:
    params = call.params
    name = params.get("DocumentName", "").rpartition("/")[2]
    if name != DOCUMENT:
        raise AwsError("InvalidDocument", f"document {params.get('DocumentName')} does not exist")
    parameters = params.get("Parameters") or {}
    if not parameters.get("commands") or set(parameters) - {"commands", "workingDirectory", "executionTimeout"}:
        raise AwsError("InvalidParameters", f"the parameters of {DOCUMENT} are commands, workingDirectory and executionTimeout")
    delivery = int(params.get("TimeoutSeconds") or DEFAULT_DELIVERY_SECONDS)
    if not 30 <= delivery <= 2_592_000:
        raise AwsError("ValidationException", "timeoutSeconds must be between 30 and 2592000")
    ids = params.get("InstanceIds") or [
        value for target in params.get("Targets", []) if target["Key"] == "InstanceIds" for value in target["Values"]
    ]
    if not ids or len(ids) > MAX_INSTANCES:
        raise AwsError("ValidationException", f"between 1 and {MAX_INSTANCES} instance ids are needed")
    nodes = [front.nodes.get(instance_id) for instance_id in ids]
    bad = [i for i, node in zip(ids, nodes) if node is None or node.region != call.region or node.ping_status is None]
    if bad:
        account = front.callers.account(call.access_key, call.region)
        raise AwsError("InvalidInstanceId", f"Instances [[{', '.join(bad)}]] not in a valid state for account {account}")
    command_id = new_request_id()
    execution = int(first(parameters, "executionTimeout", str(DEFAULT_EXECUTION_SECONDS)))
    script = "\n".join(parameters["commands"]) + "\n"
    directory = first(parameters, "workingDirectory", "/usr/bin")
    invocations = {
        node.instance_id: Invocation(command_id, node, script, directory, execution, delivery) for node in nodes if node
    }
    command = {"id": command_id, "region": call.region, "params": params, "at": time.time(), "invocations": invocations}
    command["expires"] = command["at"] + delivery
    front.commands.add(command)
    answer = {"Command": _command(command)}
    for invocation in invocations.values():
        invocation.start()
    return json_answer(answer)


def _command(command: dict[str, Any]) -> dict[str, Any]:
    params, invocations = command["params"], command["invocations"].values()
    statuses = [i.status for i in invocations]
    worst = next((s for s in ("InProgress", "Pending", "Failed", "TimedOut", "Cancelled") if s in statuses), "Success")
    return {
        "CommandId": command["id"],
        "DocumentName": params["DocumentName"],
        "DocumentVersion": params.get("DocumentVersion", "$DEFAULT"),
        "Comment": params.get("Comment", ""),
        "ExpiresAfter": command["expires"],
        "Parameters": params.get("Parameters", {}),
        "InstanceIds": list(command["invocations"]),
        "Targets": params.get("Targets", []),
        "RequestedDateTime": command["at"],
        "Status": worst,
        "StatusDetails": worst,
        "MaxConcurrency": params.get("MaxConcurrency", "50"),
        "MaxErrors": params.get("MaxErrors", "0"),
        "TargetCount": len(statuses),
        "CompletedCount": sum(s in FINAL for s in statuses),
        "ErrorCount": sum(s in ("Failed", "TimedOut") for s in statuses),
        "DeliveryTimedOutCount": sum(i.details == "DeliveryTimedOut" for i in invocations),
    }


def get_command_invocation(front: Front, call: Call) -> Answer:
    try:
        command = front.commands.get(call.params.get("CommandId", ""), call.region)
        invocation: Invocation = command["invocations"][call.params.get("InstanceId", "")]
    except (AwsError, KeyError):
        raise AwsError("InvocationDoesNotExist", "") from None
    if not invocation.asked:
        invocation.asked = True
        if time.time() - invocation.requested < TOO_SOON:
            raise AwsError("InvocationDoesNotExist", "")
    elapsed = (invocation.ended or time.time()) - invocation.started if invocation.started else 0.0
    done = invocation.status in FINAL
    return json_answer(
        {
            "CommandId": invocation.command_id,
            "InstanceId": invocation.node.instance_id,
            "Comment": command["params"].get("Comment", ""),
            "DocumentName": command["params"]["DocumentName"],
            "DocumentVersion": "$DEFAULT",
            "PluginName": "aws:runShellScript",
            "ResponseCode": invocation.response_code,
            "ExecutionStartDateTime": iso(invocation.started),
            "ExecutionElapsedTime": f"PT{elapsed:.3f}S" if invocation.started else "",
            "ExecutionEndDateTime": iso(invocation.ended if invocation.started else None),
            "Status": invocation.status,
            "StatusDetails": invocation.details,
            "StandardOutputContent": invocation.stdout_text() if done else "",
            "StandardOutputUrl": "",
            "StandardErrorContent": invocation.stderr_text() if done else "",
            "StandardErrorUrl": "",
            "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": False},
        }
    )


def list_command_invocations(front: Front, call: Call) -> Answer:
    commands = [front.commands.get(call.params["CommandId"], call.region)] if "CommandId" in call.params else front.commands.all(call.region)
    found = [
        _listed(command, invocation, bool(call.params.get("Details")))
        for command in commands
        for invocation in command["invocations"].values()
        if call.params.get("InstanceId") in (None, invocation.node.instance_id)
    ]
    page, token = _page(call, found, 50)
    return json_answer({"CommandInvocations": page, **token})


def _listed(command: dict[str, Any], invocation: Invocation, details: bool) -> dict[str, Any]:
    plugin = {
        "Name": "aws:runShellScript",
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "ResponseCode": invocation.response_code,
        "Output": invocation.plugin_output() if invocation.status in FINAL else "",
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
    }
    times = {"ResponseStartDateTime": invocation.started, "ResponseFinishDateTime": invocation.ended}
    return {
        "CommandId": command["id"],
        "InstanceId": invocation.node.instance_id,
        "InstanceName": "",
        "Comment": command["params"].get("Comment", ""),
        "DocumentName": command["params"]["DocumentName"],
        "DocumentVersion": "$DEFAULT",
        "RequestedDateTime": command["at"],
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "CommandPlugins": [plugin | {k: v for k, v in times.items() if v}] if details else [],
    }


def list_commands(front: Front, call: Call) -> Answer:
    commands = [front.commands.get(call.params["CommandId"], call.region)] if "CommandId" in call.params else front.commands.all(call.region)
    commands = [c for c in commands if call.params.get("InstanceId") in (None, *c["invocations"])]
    page, token = _page(call, [_command(c) for c in commands], 50)
    return json_answer({"Commands": page, **token})


def cancel_command(front: Front, call: Call) -> Answer:
    command = front.commands.get(call.params.get("CommandId", ""), call.region)
    for invocation in command["invocations"].values():
        invocation.cancel()
    return json_answer({})


def _page(call: Call, found: list, size: int) -> tuple[list, dict[str, str]]:
    begin = int(call.params.get("NextToken") or 0)
    end = begin + int(call.params.get("MaxResults") or size)
    return found[begin:end], ({"NextToken": str(end)} if end < len(found) else {})


OPERATIONS = {
    "ssm:DescribeInstanceInformation": describe_instance_information,
    "ssm:SendCommand": send_command,
    "ssm:GetCommandInvocation": get_command_invocation,
    "ssm:ListCommandInvocations": list_command_invocations,
    "ssm:ListCommands": list_commands,
    "ssm:CancelCommand": cancel_command,
}
