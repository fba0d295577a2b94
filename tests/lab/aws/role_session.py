"""Instance roles' sessions, and STS's GetCallerIdentity for a request that one of them signed: the signature is really verified.

The signature is computed by botocore from what the request itself says it signed, so that neither the agent's signing nor the
coordinator's sending can be wrong in the same way.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import threading
import time
from calendar import timegm
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .request import Call
from .wire import Answer, AwsError, new_request_id, query_answer

if TYPE_CHECKING:
    from .front import Front

# STS takes no request that was signed further away from its own time.
MAX_SKEW = 15 * 60
PARTS = re.compile(r"AWS4-HMAC-SHA256 Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{64})")


@dataclass
class RoleSession:
    """What IMDS gives an instance for its role."""

    account: str
    partition: str
    role: str
    role_id: str
    name: str
    access_key: str
    secret_key: str
    token: str

    @property
    def arn(self) -> str:
        return f"arn:{self.partition}:sts::{self.account}:assumed-role/{self.role}/{self.name}"


class RoleSessions:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, RoleSession] = {}

    def begin(self, account: str, partition: str, role: str, role_id: str, name: str) -> RoleSession:
        key = "ASIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))
        secret, token = secrets.token_urlsafe(30), secrets.token_urlsafe(300)
        session = RoleSession(account, partition, role, role_id, name, key, secret, token)
        with self._lock:
            self._sessions[key] = session
        return session

    def end(self, access_key: str) -> None:
        with self._lock:
            self._sessions.pop(access_key, None)

    def of(self, access_key: str) -> RoleSession | None:
        with self._lock:
            return self._sessions.get(access_key)


def get_caller_identity(front: Front, call: Call, session: RoleSession) -> Answer:
    in_json = "application/json" in call.headers.get("Accept", "")
    try:
        verify(call, session, time.time())
    except AwsError as error:
        if not in_json:
            raise
        reason = {"Code": error.code, "Message": error.message, "Type": "Sender"}
        return _json({"Error": reason, "RequestId": new_request_id()}, error.status)
    identity = {"Arn": session.arn, "UserId": f"{session.role_id}:{session.name}", "Account": session.account}
    if not in_json:
        return query_answer("sts", "GetCallerIdentity", identity)
    answer = {"GetCallerIdentityResult": identity, "ResponseMetadata": {"RequestId": new_request_id()}}
    return _json({"GetCallerIdentityResponse": answer}, 200)


def verify(call: Call, session: RoleSession, now: float) -> None:
    """Raises STS's words for what is wrong with the request."""
    # Slow to load, and few runs of the lab come here.
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    parts = PARTS.fullmatch(call.headers.get("Authorization", ""))
    if parts is None:
        raise AwsError("IncompleteSignature", "Authorization header is not of Signature Version 4.", 400)
    scope, names, signature = parts[1].split("/"), parts[2].split(";"), parts[3]
    if call.headers.get("X-Amz-Security-Token") != session.token:
        raise AwsError("InvalidClientTokenId", "The security token included in the request is invalid", 403)
    date = call.headers.get("X-Amz-Date", "")
    if not re.fullmatch(r"\d{8}T\d{6}Z", date) or scope[1] != date[:8]:
        raise AwsError("SignatureDoesNotMatch", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date", 403)
    if abs(timegm(time.strptime(date, "%Y%m%dT%H%M%SZ")) - now) > MAX_SKEW:
        raise AwsError("SignatureDoesNotMatch", f"Signature expired: {date} is not within 15 minutes of now", 403)
    if "host" not in names or "x-amz-date" not in names or names != sorted(names):
        raise AwsError("SignatureDoesNotMatch", "'Host' must be a 'SignedHeader' in the AWS Authorization.", 403)
    absent = [name for name in names if call.headers.get(name) is None]
    if absent:
        raise AwsError("SignatureDoesNotMatch", f"{absent[0]} is signed and not there", 403)
    headers = {name: call.headers[name] for name in names}
    request = AWSRequest("POST", f"https://{call.headers['Host']}{call.path}", headers=headers, data=call.body)
    request.context["timestamp"] = date
    auth = SigV4Auth(Credentials(session.access_key, session.secret_key), "sts", scope[2])
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if not hmac.compare_digest(expected, signature):
        raise AwsError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
            "signing method. Consult the service documentation for details.", 403,
        )  # fmt: skip


def _json(body: dict, status: int) -> Answer:
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json", "x-amzn-RequestId": new_request_id()})
