"""Who calls: the ARN behind an access key, as STS names it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import role_session
from .moto_child import MotoChild
from .request import Call
from .wire import Answer

if TYPE_CHECKING:
    from .front import Front

OPERATOR = "operator"
# What moto calls the owner of a key it has not given out, which no AWS principal looks like.
NOBODY = re.compile(r"(arn:[a-z-]+):sts::(\d+):user/moto")


class Callers:
    def __init__(self, moto: MotoChild, sessions: role_session.RoleSessions) -> None:
        self._moto = moto
        self._sessions = sessions
        self._arns: dict[tuple[str, str], str] = {}

    def arn(self, access_key: str, region: str) -> str:
        if session := self._sessions.of(access_key):
            return session.arn
        key = (access_key, region)
        if key not in self._arns:
            tree = self._moto.query("sts", region, access_key, "GetCallerIdentity")
            self._arns[key] = _named(tree.findtext(".//Arn", ""))
        return self._arns[key]

    def account(self, access_key: str, region: str) -> str:
        return self.arn(access_key, region).split(":")[4]


def get_caller_identity(front: Front, call: Call) -> Answer:
    if session := front.role_sessions.of(call.access_key):
        return role_session.get_caller_identity(front, call, session)
    answer = front.pass_on(call)
    body = _named(answer.body.decode()).replace(">AKIAIOSFODNN7EXAMPLE<", ">AIDALABOPERATOR00001<")
    return Answer(answer.status, body.encode(), answer.headers)


def _named(text: str) -> str:
    return NOBODY.sub(rf"\1:iam::\2:user/{OPERATOR}", text)


OPERATIONS = {"sts:GetCallerIdentity": get_caller_identity}
