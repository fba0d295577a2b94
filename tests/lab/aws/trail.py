"""CloudTrail's event history of key pushes and tunnels: LookupEvents, from what really happened at the front server."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from .request import Call
from .wire import Answer, AwsError, json_answer, new_request_id

if TYPE_CHECKING:
    from .front import Front

PAGE = 50


class Trail:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[dict[str, Any]] = []

    def record(self, front: Front, call: Call, error: AwsError | None, asked: dict[str, Any] | None = None) -> None:
        """`asked`: the request's parameters; left out, those of a push."""
        arn = front.callers.arn(call.access_key, call.region)
        now, event_id = time.time(), new_request_id()
        detail: dict[str, Any] = {
            "eventVersion": "1.08",
            "userIdentity": {"type": "AssumedRole" if ":assumed-role/" in arn else "IAMUser", "arn": arn, "accountId": arn.split(":")[4]},
            "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            "eventSource": "ec2-instance-connect.amazonaws.com",
            "eventName": call.operation,
            "awsRegion": call.region,
            "sourceIPAddress": "203.0.113.7",
            "requestParameters": asked or {
                "instanceId": call.params.get("InstanceId"),
                "instanceOSUser": call.params.get("InstanceOSUser"),
                "sSHPublicKey": call.params.get("SSHPublicKey"),
            },
            "responseElements": {"requestId": event_id, "success": True},
            "eventID": event_id,
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": arn.split(":")[4],
        }
        if error:
            detail |= {
                "errorCode": error.code.replace("AccessDeniedException", "AccessDenied"), "errorMessage": error.message,
                "responseElements": None,
            }  # fmt: skip
            # A push that was not let in is recorded without what it asked for; the message names the instance's ARN.
            if detail["errorCode"] == "AccessDenied" and not asked:
                detail["requestParameters"] = None
        event = {
            "EventId": event_id, "EventName": call.operation, "EventTime": now, "ReadOnly": "false",
            "EventSource": "ec2-instance-connect.amazonaws.com", "AccessKeyId": call.access_key, "Username": arn.rpartition("/")[2],
            "Resources": [], "CloudTrailEvent": json.dumps(detail), "region": call.region,
        }
        with self._lock:
            self._events.insert(0, event)

    def events(self, region: str) -> list[dict[str, Any]]:
        with self._lock:
            return [{k: v for k, v in e.items() if k != "region"} for e in self._events if e["region"] == region]


def lookup_events(front: Front, call: Call) -> Answer:
    events = front.trail.events(call.region)
    for attribute in call.params.get("LookupAttributes", []):
        key = attribute["AttributeKey"]
        if key not in ("EventName", "EventSource", "EventId", "Username", "ReadOnly", "AccessKeyId"):
            events = []
        events = [e for e in events if e.get(key) == attribute["AttributeValue"]]
    start, end = call.params.get("StartTime"), call.params.get("EndTime")
    events = [e for e in events if (start is None or e["EventTime"] >= start) and (end is None or e["EventTime"] <= end)]
    first = int(call.params.get("NextToken") or 0)
    after = first + int(call.params.get("MaxResults") or PAGE)
    body: dict[str, Any] = {"Events": events[first:after]}
    return json_answer(body | ({"NextToken": str(after)} if after < len(events) else {}))


OPERATIONS = {"cloudtrail:LookupEvents": lookup_events}
