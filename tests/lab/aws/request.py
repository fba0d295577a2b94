"""One signed AWS request, taken apart: which service, Region, operation, by whom, with what."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Mapping
from urllib.parse import parse_qsl

from .wire import AwsError

SCOPE = re.compile(r"Credential=([^/,\s]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request")
TARGETS = {
    "AmazonSSM": "ssm",
    "AWSEC2InstanceConnectService": "ec2-instance-connect",
    "CloudTrail_20131101": "cloudtrail",
    "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101": "cloudtrail",
    "AWSOrganizationsV20161128": "organizations",
}
# REST: the path names the operation, and the body is JSON.
PATHS = {"/findings/import": "BatchImportFindings", "/findings": "GetFindings"}


@dataclass
class Call:
    service: str
    region: str
    operation: str
    access_key: str
    headers: Mapping[str, str]
    body: bytes
    path: str
    # Query protocol: flat names such as `InstanceId.1`. JSON: the document.
    params: dict[str, Any]

    @property
    def action(self) -> str:
        """The IAM action, which for these services has the operation's name."""
        return f"{self.service}:{self.operation}"

    def listed(self, prefix: str) -> list[str]:
        """`prefix.1`, `prefix.2`, … in order."""
        numbered = [(int(k[len(prefix) + 1 :]), v) for k, v in self.params.items() if re.fullmatch(re.escape(prefix) + r"\.\d+", k)]
        return [value for _, value in sorted(numbered)]

    def filters(self) -> dict[str, list[str]]:
        """EC2's `Filter.N.Name` and `Filter.N.Value.M`."""
        found: dict[str, list[str]] = {}
        for key, value in self.params.items():
            if match := re.fullmatch(r"Filter\.(\d+)\.Name", key):
                found[value] = self.listed(f"Filter.{match[1]}.Value")
        return found


def parse_call(headers: Mapping[str, str], body: bytes, path: str) -> Call:
    scope = SCOPE.search(headers.get("Authorization", "")) or SCOPE.search(path.replace("%2F", "/").replace("X-Amz-", ""))
    if not scope:
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    access_key, _, region, service = scope.groups()
    target = headers.get("X-Amz-Target", "")
    if service == "securityhub":
        operation, params = PATHS.get(path, ""), json.loads(body or b"{}")
    elif target:
        prefix, _, operation = target.rpartition(".")
        service = TARGETS.get(prefix, service)
        try:
            params = json.loads(body or b"{}")
        except ValueError:
            raise AwsError("SerializationException", "Could not parse the request's JSON") from None
    else:
        query = path.partition("?")[2]
        params = dict(parse_qsl(body.decode("utf-8", "replace") or query, keep_blank_values=True))
        # A tunnel is opened by a request of its own, whose path names it.
        operation = "OpenTunnel" if path.startswith("/openTunnel?") else params.get("Action", "")
    return Call(service, region, operation, access_key, headers, body, path, params)
