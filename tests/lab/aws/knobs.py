"""What a test may turn: calls that are refused, throttled, delayed or answered with HTTP 500; and the log of calls.

Rules are kept per access key (or for everybody), so that tests with keys of their own do not disturb each other.
A rule is `{"action": "ec2:DescribeInstances" | "ec2:*" | "*", "except": [ACTION…], "answer": "refuse" | "throttle" |
"http-500" | "delay", "ms": N, "times": N, "because": TEXT}`; `times` lets a throttle end after N calls.
"""

from __future__ import annotations

import threading
import time
from fnmatch import fnmatchcase
from typing import Any

from .request import Call
from .wire import AwsError

ANSWERS = ("refuse", "throttle", "http-500", "delay")
SHAPES = ("before", "after")
# AWS answers this one whatever the policies say ("No permissions are required").
NEVER_REFUSED = "sts:GetCallerIdentity"
NO_POLICY = "no identity-based policy allows the {action} action"


class Knobs:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: dict[str | None, list[dict[str, Any]]] = {}
        self._shapes: dict[str | None, str] = {}
        self._calls: list[dict[str, Any]] = []

    def turn(self, settings: dict[str, Any]) -> None:
        """`{"access_key": KEY or none, "rules": […] (replace those before), "simulate_shape": "before" | "after"}`"""
        unknown = set(settings) - {"access_key", "rules", "simulate_shape"}
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        rules = settings.get("rules")
        for rule in rules or []:
            if rule.get("answer") not in ANSWERS or not isinstance(rule.get("action"), str):
                raise ValueError(f"a rule needs an action and an answer of {', '.join(ANSWERS)}")
        if settings.get("simulate_shape", "after") not in SHAPES:
            raise ValueError(f"simulate_shape is one of {', '.join(SHAPES)}")
        key = settings.get("access_key")
        with self._lock:
            if rules is not None:
                self._rules[key] = [dict(rule) for rule in rules]
            if "simulate_shape" in settings:
                self._shapes[key] = settings["simulate_shape"]

    def reset(self, access_key: str | None = None) -> None:
        with self._lock:
            if access_key is None:
                self._rules.clear()
                self._shapes.clear()
            else:
                self._rules.pop(access_key, None)
                self._shapes.pop(access_key, None)

    def shape(self, access_key: str) -> str:
        return self._shapes.get(access_key) or self._shapes.get(None) or "after"

    def matching(self, call: Call) -> list[dict[str, Any]]:
        """The rules that apply to this call, counting down those that last only so many times."""
        found = []
        with self._lock:
            for rule in self._rules.get(call.access_key, []) + self._rules.get(None, []):
                if not _covers(rule, call.action) or rule.get("times") == 0:
                    continue
                if rule.get("times"):
                    rule["times"] -= 1
                found.append(rule)
        return found

    def record(self, call: Call, status: int, seconds: float) -> None:
        entry = {
            "service": call.service, "operation": call.operation, "region": call.region, "access_key": call.access_key,
            "status": status, "ms": round(seconds * 1000, 1), "at": time.time(),
        }
        with self._lock:
            self._calls.append(entry)

    def calls(self, access_key: str | None = None) -> list[dict[str, Any]]:
        with self._lock:
            return [c for c in self._calls if access_key in (None, c["access_key"])]

    def forget_calls(self, access_key: str | None = None) -> None:
        with self._lock:
            self._calls = [c for c in self._calls if access_key not in (None, c["access_key"])]


def _covers(rule: dict[str, Any], action: str) -> bool:
    if rule["answer"] == "refuse" and action == NEVER_REFUSED:
        return False
    return fnmatchcase(action, rule["action"]) and not any(fnmatchcase(action, e) for e in rule.get("except", []))


def refusal(call: Call, principal: str, resource: str = "*", because: str | None = None) -> AwsError:
    """Each service says "you may not" in its own way."""
    reason = (because or NO_POLICY).format(action=call.action)
    text = f"User: {principal} is not authorized to perform: {call.action}"
    if call.service == "ec2":
        return AwsError("UnauthorizedOperation", f"You are not authorized to perform this operation. {text} because {reason}", 403)
    if call.service in ("ssm", "cloudtrail", "ec2-instance-connect", "organizations"):
        return AwsError("AccessDeniedException", f"{text} on resource: {resource} because {reason}", 400)
    return AwsError("AccessDenied", f"{text} on resource: {resource} because {reason}", 403)


def throttled(call: Call) -> AwsError:
    if call.service == "ec2":
        return AwsError("RequestLimitExceeded", "Request limit exceeded.", 503)
    if call.service in ("iam", "sts"):
        return AwsError("Throttling", "Rate exceeded", 400)
    return AwsError("ThrottlingException", "Rate exceeded", 400)
