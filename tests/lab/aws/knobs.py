"""What a test may turn: calls that are refused, throttled, delayed or answered with HTTP 500; and the log of calls.

Rules are kept per access key (or for everybody), so that tests with keys of their own do not disturb each other.
A rule is `{"action": "ec2:DescribeInstances" | "ec2:*" | "*", "except": [ACTION…], "answer": "refuse" | "throttle" |
"http-500" | "delay" | "cut" | "bucket", "ms": N, "times": N, "because": TEXT}`; `times` lets a throttle end after N calls.
`"region"` keeps it to calls there, `"with": {PARAMETER: PATTERN}` to such calls. Rules may be an account's instead of a key's:
the sessions that STS gives out have keys that nobody knows beforehand.
`cut` ends the connection in the middle of the answer. `bucket` throttles as EC2 does: a bucket of 100 requests for each action,
account and Region, refilled by 20 a second; 50 and 10 for a list that is asked for without a filter, ids or pages
(Amazon EC2 Developer Guide, "Request throttling for the Amazon EC2 API").
"""

from __future__ import annotations

import threading
import time
from fnmatch import fnmatchcase
from typing import Any, Callable

from .request import Call
from .wire import Answer, AwsError

ANSWERS = ("refuse", "throttle", "http-500", "delay", "cut", "bucket")
SHAPES = ("before", "after")
# AWS answers this one whatever the policies say ("No permissions are required").
NEVER_REFUSED = "sts:GetCallerIdentity"
NO_POLICY = "no identity-based policy allows the {action} action"


class Knobs:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: dict[str | None, list[dict[str, Any]]] = {}
        self._shapes: dict[str | None, str] = {}
        self._service_control: dict[str | None, list[dict[str, Any]]] = {}
        self._calls: list[dict[str, Any]] = []
        self._buckets: dict[tuple[str, str, str, bool], tuple[float, float]] = {}

    def turn(self, settings: dict[str, Any]) -> None:
        """`{"access_key": KEY or "account": ID or none, "rules": […] (replace those before), "simulate_shape": "before" | "after",
        "service_control_policies": [DOCUMENT…] (what the organization lays on the account, beside FullAWSAccess unless one allows)}`"""
        unknown = set(settings) - {"access_key", "account", "rules", "simulate_shape", "service_control_policies"}
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        rules = settings.get("rules")
        for rule in rules or []:
            if rule.get("answer") not in ANSWERS or not isinstance(rule.get("action"), str):
                raise ValueError(f"a rule needs an action and an answer of {', '.join(ANSWERS)}")
        if settings.get("simulate_shape", "after") not in SHAPES:
            raise ValueError(f"simulate_shape is one of {', '.join(SHAPES)}")
        key = settings.get("access_key") or settings.get("account")
        with self._lock:
            if rules is not None:
                self._rules[key] = [dict(rule) for rule in rules]
            if "simulate_shape" in settings:
                self._shapes[key] = settings["simulate_shape"]
            if "service_control_policies" in settings:
                self._service_control[key] = list(settings["service_control_policies"])

    def reset(self, access_key: str | None = None) -> None:
        with self._lock:
            if access_key is None:
                for kept in (self._rules, self._shapes, self._service_control):
                    kept.clear()
            else:
                for kept in (self._rules, self._shapes, self._service_control):
                    kept.pop(access_key, None)

    def shape(self, access_key: str) -> str:
        return self._shapes.get(access_key) or self._shapes.get(None) or "after"

    def service_control_policies(self, access_key: str) -> list[dict[str, Any]]:
        return self._service_control.get(access_key) or self._service_control.get(None) or []

    def matching(self, call: Call, account: Callable[[], str]) -> list[dict[str, Any]]:
        """The rules that apply to this call, counting down those that last only so many times."""
        found = []
        owners = [call.access_key, None]
        if any(owner and owner.isdigit() for owner in self._rules):
            owners.append(account())
        with self._lock:
            for rule in [rule for owner in owners for rule in self._rules.get(owner, [])]:
                if not _covers(rule, call.action) or rule.get("times") == 0 or not _is_meant(rule, call):
                    continue
                if rule.get("times"):
                    rule["times"] -= 1
                found.append(rule)
        return found

    def has_token(self, call: Call, account: str, rule: dict[str, Any]) -> bool:
        """Takes a token of EC2's bucket for this call, if there is one."""
        is_broad = "MaxResults" not in call.params and not any("." in name for name in call.params)
        capacity, refill = rule.get("capacity", 50 if is_broad else 100), rule.get("refill", 10 if is_broad else 20)
        key, now = (call.action, account, call.region, is_broad), time.monotonic()
        with self._lock:
            tokens, filled = self._buckets.get(key, (capacity, now))
            tokens = min(capacity, tokens + (now - filled) * refill)
            self._buckets[key] = (tokens - 1 if tokens >= 1 else tokens, now)
            return tokens >= 1

    def record(self, call: Call, status: int, seconds: float, throttled: bool = False) -> None:
        entry = {
            "service": call.service, "operation": call.operation, "region": call.region, "access_key": call.access_key,
            "status": status, "ms": round(seconds * 1000, 1), "at": time.time(), "throttled": throttled,
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


def _is_meant(rule: dict[str, Any], call: Call) -> bool:
    if rule.get("region", call.region) != call.region:
        return False
    return all(fnmatchcase(str(call.params.get(name, "")), pattern) for name, pattern in rule.get("with", {}).items())


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


def is_throttled(answer: Answer) -> bool:
    codes = (b"RequestLimitExceeded", b"<Code>Throttling</Code>", b"ThrottlingException")
    return answer.status >= 400 and any(code in answer.body for code in codes)
