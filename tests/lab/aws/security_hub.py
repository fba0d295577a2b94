"""Security Hub: what `BatchImportFindings` refuses, in front of moto, which takes everything.

Rules as the Security Hub API Reference has them for `AwsSecurityFinding` and `BatchImportFindings`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .request import Call
from .wire import Answer, AwsError, json_answer

if TYPE_CHECKING:
    from .front import Front

MOST = 100
LENGTHS = {
    "SchemaVersion": 10, "Id": 512, "ProductArn": 2048, "GeneratorId": 512, "AwsAccountId": 12, "CreatedAt": 40,
    "UpdatedAt": 40, "Title": 256, "Description": 1024,
}
COMPLIANCE = {"PASSED", "WARNING", "FAILED", "NOT_AVAILABLE"}


def problem(finding: dict[str, Any], account: str, region: str) -> str | None:
    for name, most in LENGTHS.items():
        value = finding.get(name)
        if not isinstance(value, str) or not value.strip() or len(value) > most:
            return f"finding.{name} should be a text of 1 to {most} characters"
    if not 1 <= len(finding.get("Resources", [])) <= 32:
        return "finding.Resources should have 1 to 32 items"
    if finding["AwsAccountId"] != account:
        return f"finding.AwsAccountId should be {account}"
    if not finding["ProductArn"].endswith(f":securityhub:{region}:{account}:product/{account}/default"):
        return "finding.ProductArn is of no product that this account imports for"
    if finding.get("Compliance", {}).get("Status", "PASSED") not in COMPLIANCE:
        return "finding.Compliance.Status is not known"
    return None


def batch_import_findings(front: Front, call: Call) -> Answer:
    findings = call.params.get("Findings", [])
    if not 1 <= len(findings) <= MOST:
        raise AwsError("InvalidInputException", f"Findings should have 1 to {MOST} items")
    account = front.callers.account(call.access_key, call.region)
    problems = [problem(finding, account, call.region) for finding in findings]
    taken = [finding for finding, wrong in zip(findings, problems) if wrong is None]
    failed = [
        {"Id": finding.get("Id", ""), "ErrorCode": "InvalidInput", "ErrorMessage": wrong}
        for finding, wrong in zip(findings, problems) if wrong
    ]
    if taken:
        answer = front.pass_on(replace(call, body=json.dumps({"Findings": taken}).encode()))
        if answer.status != 200:
            return answer
    return json_answer({"FailedCount": len(failed), "SuccessCount": len(taken), "FailedFindings": failed})


OPERATIONS = {"securityhub:BatchImportFindings": batch_import_findings}
