"""The policies that moto holds for an IAM user, group or role: inline, managed, through groups, and the boundary."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .wire import AwsError

if TYPE_CHECKING:
    from .front import Front

ENTITY = re.compile(r"arn:[a-z-]+:iam::\d{12}:(user|group|role)/(?:.*/)?([^/]+)")
TITLES = {"user": "User", "group": "Group", "role": "Role"}


@dataclass
class Policy:
    name: str
    text: str

    @property
    def document(self) -> dict:
        return json.loads(self.text)

    def position(self, statement: int) -> tuple[dict[str, int], dict[str, int]]:
        """Where the statement with this index begins and ends, as line and column from 1."""
        start = end = 0
        if match := re.search(r'"Statement"\s*:\s*\[?\s*', self.text):
            decoder, end = json.JSONDecoder(), match.end()
            for _ in range(statement + 1):
                start = re.compile(r"[\s,]*").match(self.text, end).end()
                _, end = decoder.raw_decode(self.text, start)
        return self._place(start), self._place(end)

    def _place(self, offset: int) -> dict[str, int]:
        before = self.text[:offset]
        return {"Line": before.count("\n") + 1, "Column": offset - (before.rfind("\n") + 1) + 1}


@dataclass
class Principal:
    arn: str
    kind: str
    name: str
    policies: list[Policy] = field(default_factory=list)
    boundary: Policy | None = None


def principal_with_policies(front: Front, access_key: str, region: str, arn: str) -> Principal:
    match = ENTITY.fullmatch(arn)
    if not match:
        # What IAM says to the ARN of an assumed role, of a federated user, of root.
        raise AwsError("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    kind, name = match.groups()
    reader = _Reader(front, access_key, region)
    entity = reader.ask(f"Get{TITLES[kind]}", **{f"{TITLES[kind]}Name": name})
    if entity.findtext(f".//{TITLES[kind]}/Arn") != arn:
        raise AwsError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)
    principal = Principal(arn, kind, name, reader.policies_of(kind, name))
    if kind == "user":
        for group in reader.ask("ListGroupsForUser", UserName=name).findall(".//GroupName"):
            principal.policies += reader.policies_of("group", group.text or "")
    if boundary := entity.findtext(".//PermissionsBoundary/PermissionsBoundaryArn"):
        principal.boundary = reader.managed(boundary)
    return principal


class _Reader:
    def __init__(self, front: Front, access_key: str, region: str) -> None:
        self._front, self._access_key, self._region = front, access_key, region

    def ask(self, action: str, **params: str):
        return self._front.moto.query("iam", self._region, self._access_key, action, **params)

    def policies_of(self, kind: str, name: str) -> list[Policy]:
        title = TITLES[kind]
        owner = {f"{title}Name": name}
        found = []
        for inline in self.ask(f"List{title}Policies", **owner).findall(".//PolicyNames/member"):
            text = self.ask(f"Get{title}Policy", PolicyName=inline.text or "", **owner).findtext(".//PolicyDocument", "")
            # IAM's simulator names an inline policy by what it is attached to.
            found.append(Policy(f"{kind}_{name}_{inline.text}", unquote(text)))
        for arn in self.ask(f"ListAttached{title}Policies", **owner).findall(".//PolicyArn"):
            found.append(self.managed(arn.text or ""))
        return found

    def managed(self, arn: str) -> Policy:
        version = self.ask("GetPolicy", PolicyArn=arn).findtext(".//DefaultVersionId", "v1")
        text = self.ask("GetPolicyVersion", PolicyArn=arn, VersionId=version).findtext(".//Document", "")
        return Policy(arn.rpartition("/")[2], unquote(text))
