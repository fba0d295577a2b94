"""IAM's policy simulator, which moto lacks: decided by an evaluator that is not ours, on the policies moto holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .policies import Policy, Principal, principal_with_policies
from .request import Call
from .wire import Answer, AwsError, query_answer

if TYPE_CHECKING:
    from .front import Front

# From the most restrictive to the least.
DECISIONS = ("explicitDeny", "implicitDeny", "allowed")
VARIABLE = re.compile(r"\$\{([^}*?$,]+?)\s*(?:,[^}]*)?\}")
ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
# At most so many simulation results a page unless asked otherwise (IAM's default).
PAGE = 100


def simulate_principal_policy(front: Front, call: Call) -> Answer:
    principal = principal_with_policies(front, call.access_key, call.region, call.params.get("PolicySourceArn", ""))
    _refuse_bad_input(call)
    extra = [Policy(f"PolicyInputList.{n}", text) for n, text in enumerate(call.listed("PolicyInputList.member"), 1)]
    principal.policies += extra
    if boundaries := call.listed("PermissionsBoundaryPolicyInputList.member"):
        principal.boundary = Policy("PermissionsBoundaryPolicyInputList.1", boundaries[0])
    shape = front.knobs.shape(call.access_key)
    context = _context(call)
    if shape == "after":
        context = _filled_in(principal) | context
    resources = call.listed("ResourceArns.member") or ["*"]
    results = []
    for action in call.listed("ActionNames.member"):
        control = front.knobs.service_control_policies(call.access_key)
        decided = [(resource, decide(front, principal, action, resource, context, control)) for resource in resources]
        results += [_per_action(action, decided, principal)] if shape == "after" else [
            _per_resource(action, resource, answer, principal) for resource, answer in decided
        ]
    return _page(call, results)


def get_context_keys_for_principal_policy(front: Front, call: Call) -> Answer:
    principal = principal_with_policies(front, call.access_key, call.region, call.params.get("PolicySourceArn", ""))
    texts = [policy.text for policy in principal.policies] + call.listed("PolicyInputList.member")
    keys: dict[str, None] = {}
    for text in texts:
        document = Policy("", text).document
        statements = document["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            for operands in (statement.get("Condition") or {}).values():
                keys |= dict.fromkeys(operands)
        keys |= dict.fromkeys(VARIABLE.findall(text))
    return query_answer("iam", call.operation, {"ContextKeyNames": list(keys)})


def decide(front: Front, principal: Principal, action: str, resource: str, context: dict[str, Any],
           control: list[dict[str, Any]]) -> dict[str, Any]:  # fmt: skip
    account = resource.split(":")[4] if resource.count(":") >= 5 and resource.split(":")[4] else principal.arn.split(":")[4]
    boundary = principal.boundary
    return front.simulator.decide(
        {
            "principal": principal.arn, "action": action, "resource": resource, "account": account, "context": context,
            "policies": [{"name": p.name, "policy": p.document} for p in principal.policies],
            "control": control,
            "boundary": [{"name": boundary.name, "policy": boundary.document}] if boundary else None,
        }
    )


def _refuse_bad_input(call: Call) -> None:
    for action in call.listed("ActionNames.member"):
        if not ACTION.fullmatch(action):
            raise AwsError("InvalidInput", f"Invalid action name: {action}")
    for resource in call.listed("ResourceArns.member"):
        if resource != "*" and resource.count(":") < 5:
            raise AwsError("InvalidInput", f"Invalid resource ARN: {resource}")


def _context(call: Call) -> dict[str, str | list[str]]:
    context: dict[str, str | list[str]] = {}
    number = 1
    while name := call.params.get(f"ContextEntries.member.{number}.ContextKeyName"):
        values = call.listed(f"ContextEntries.member.{number}.ContextKeyValues.member")
        several = call.params.get(f"ContextEntries.member.{number}.ContextKeyType", "string").endswith("List")
        context[name] = values if several else (values[0] if values else "")
        number += 1
    return context


def _filled_in(principal: Principal) -> dict[str, str]:
    """What IAM itself has known of the principal since 30 July 2026."""
    filled = {
        "aws:PrincipalArn": principal.arn,
        "aws:PrincipalAccount": principal.arn.split(":")[4],
        "aws:PrincipalType": "AssumedRole" if principal.kind == "role" else "User",
    }
    return filled | ({"aws:username": principal.name} if principal.kind == "user" else {})


def _per_action(action: str, decided: list[tuple[str, dict[str, Any]]], principal: Principal) -> dict[str, Any]:
    """One result per action; each resource's own verdict below it."""
    answers = [answer for _, answer in decided]
    worst = min((answer["decision"] for answer in answers), key=DECISIONS.index)
    matched = [m for a in answers if a["decision"] == worst for m in a["matched"]]
    result: dict[str, Any] = {
        "EvalActionName": action,
        "EvalResourceName": answers[0]["template"],
        "EvalDecision": worst,
        "MatchedStatements": _statements(principal, matched),
        "MissingContextValues": list(dict.fromkeys(key for a in answers for key in a["missing"])),
    }
    if principal.boundary:
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": all(a["boundaryAllows"] for a in answers)}
    if organization := _organization(answers):
        result["OrganizationsDecisionDetail"] = organization
    if [resource for resource, _ in decided] != ["*"]:
        result["EvalDecisionDetails"] = {}
        result["ResourceSpecificResults"] = [
            {
                "EvalResourceName": resource,
                "EvalResourceDecision": answer["decision"],
                "MatchedStatements": _statements(principal, answer["matched"]),
                "MissingContextValues": answer["missing"],
                "PermissionsBoundaryDecisionDetail": (
                    {"AllowedByPermissionsBoundary": answer["boundaryAllows"]} if principal.boundary else None
                ),
            }
            for resource, answer in decided
        ]
    return result


def _per_resource(action: str, resource: str, answer: dict[str, Any], principal: Principal) -> dict[str, Any]:
    """The shape before 30 July 2026: a result per action and resource, with nothing below it."""
    return {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": answer["decision"],
        "OrganizationsDecisionDetail": _organization([answer]),
        "MatchedStatements": _statements(principal, answer["matched"]),
        "MissingContextValues": answer["missing"],
        "PermissionsBoundaryDecisionDetail": (
            {"AllowedByPermissionsBoundary": answer["boundaryAllows"]} if principal.boundary else None
        ),
    }


def _organization(answers: list[dict[str, Any]]) -> dict[str, bool] | None:
    """Only for an account that is in an organization; which statement of it decided is not told."""
    told = [answer["organizationAllows"] for answer in answers]
    return None if None in told else {"AllowedByOrganizations": all(told)}


def _statements(principal: Principal, matched: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_name = {policy.name: policy for policy in [*principal.policies, *([principal.boundary] if principal.boundary else [])]}
    found, seen = [], set()
    for match in matched:
        key = (match["policy"], match["statement"])
        if key in seen:
            continue
        seen.add(key)
        start, end = by_name[match["policy"]].position(match["statement"])
        # "IAM Policy" is what the service sends, although its model lists other words.
        found.append(
            {"SourcePolicyId": match["policy"], "SourcePolicyType": "IAM Policy", "StartPosition": start, "EndPosition": end}
        )
    return found


def _page(call: Call, results: list[dict[str, Any]]) -> Answer:
    first = int(call.params.get("Marker") or 0)
    after = first + int(call.params.get("MaxItems") or PAGE)
    more = after < len(results)
    body = {"IsTruncated": more, "Marker": str(after) if more else None, "EvaluationResults": results[first:after]}
    return query_answer("iam", call.operation, body)


OPERATIONS = {
    "iam:SimulatePrincipalPolicy": simulate_principal_policy,
    "iam:GetContextKeysForPrincipalPolicy": get_context_keys_for_principal_policy,
}
