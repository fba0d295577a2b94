"""AWS's wire formats: the XML of EC2 and of the Query protocol, JSON 1.1, and the errors of each."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

XMLNS = {
    "ec2": "http://ec2.amazonaws.com/doc/2016-11-15/",
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}
JSON_SERVICES = ("ssm", "cloudtrail", "ec2-instance-connect", "organizations", "securityhub")


class AwsError(Exception):
    """What AWS refuses: the exception's name, its message and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    # The connection ends in the middle of the body.
    is_cut: bool = False


def new_request_id() -> str:
    return str(uuid.uuid4())


def xml(name: str, value: Any, item: str) -> str:
    """`value` below the tag `name`; a list becomes children called `item`; None leaves the tag out."""
    if value is None:
        return ""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, dict):
        text = "".join(xml(key, child, item) for key, child in value.items())
    elif isinstance(value, (list, tuple)):
        text = "".join(xml(item, child, item) for child in value)
    else:
        text = escape(str(value))
    return f"<{name}>{text}</{name}>"


def ec2_answer(action: str, body: dict[str, Any]) -> Answer:
    return raw_ec2_answer(action, "".join(xml(key, value, "item") for key, value in body.items()))


def raw_ec2_answer(action: str, body: str) -> Answer:
    """`body` is XML already."""
    request_id = new_request_id()
    inner = xml("requestId", request_id, "item") + body
    return _xml_answer(200, f'<{action}Response xmlns="{XMLNS["ec2"]}">{inner}</{action}Response>', request_id)


def query_answer(service: str, action: str, result: dict[str, Any]) -> Answer:
    request_id = new_request_id()
    inner = xml(f"{action}Result", result, "member") + xml("ResponseMetadata", {"RequestId": request_id}, "member")
    return _xml_answer(200, f'<{action}Response xmlns="{XMLNS[service]}">{inner}</{action}Response>', request_id)


def json_answer(body: dict[str, Any], status: int = 200, error: str | None = None) -> Answer:
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": new_request_id()}
    if error:
        headers["x-amzn-ErrorType"] = error
    return Answer(status, json.dumps(body).encode(), headers)


def error_answer(service: str, error: AwsError) -> Answer:
    request_id = new_request_id()
    if service in JSON_SERVICES:
        # The SDKs read `message`; the CLI of the older services also met `Message`.
        return json_answer({"__type": error.code, "message": error.message}, error.status, error.code)
    if service == "ec2":
        body = {"Errors": {"Error": {"Code": error.code, "Message": error.message}}, "RequestID": request_id}
        return _xml_answer(error.status, xml("Response", body, "item"), request_id)
    body = {
        "Error": {"Type": "Sender" if error.status < 500 else "Receiver", "Code": error.code, "Message": error.message},
        "RequestId": request_id,
    }
    inner = "".join(xml(key, value, "member") for key, value in body.items())
    space = XMLNS.get(service, XMLNS["sts"])
    return _xml_answer(error.status, f'<ErrorResponse xmlns="{space}">{inner}</ErrorResponse>', request_id)


def _xml_answer(status: int, text: str, request_id: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    return Answer(status, body, {"Content-Type": "text/xml;charset=UTF-8", "x-amzn-RequestId": request_id})
