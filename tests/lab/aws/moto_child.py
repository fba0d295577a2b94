"""moto as a child process, and the way to it: requests passed on as they came, and questions of the lab's own."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Mapping
from urllib.parse import urlencode

from .wire import Answer, AwsError

VERSIONS = {"ec2": "2016-11-15", "iam": "2010-05-08", "sts": "2011-06-15"}
# Hop-by-hop headers, and what the front server writes itself.
NOT_PASSED = {"connection", "content-length", "transfer-encoding", "keep-alive", "server", "date"}
TIMEOUT = 60


class MotoChild:
    def __init__(self) -> None:
        script = Path(__file__).with_name("moto_amended.py")
        # moto's standard input stays open for as long as this process lives: its end is moto's signal to leave.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._port = 0
        # moto walks its dictionaries while another thread adds to them, and fails; one call at a time takes it no longer.
        self._lock = threading.Lock()

    def wait_ready(self) -> None:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line.strip().isdigit():
            raise RuntimeError(f"moto did not start (exit {self._process.wait()})")
        self._port = int(line)

    def stop(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def forward(self, headers: Mapping[str, str], body: bytes, path: str = "/") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
        try:
            passed = {k: v for k, v in headers.items() if k.lower() not in NOT_PASSED | {"expect", "accept-encoding"}}
            with self._lock:
                connection.request("POST", path, body, passed)
                response = connection.getresponse()
                answered = response.read()
            kept = {k: v for k, v in response.getheaders() if k.lower() not in NOT_PASSED}
            return Answer(response.status, answered, kept)
        finally:
            connection.close()

    def query(self, service: str, region: str, access_key: str, action: str, **params: str) -> ElementTree.Element:
        """A Query-protocol call made for the owner of `access_key` (moto keeps accounts apart by it)."""
        headers = {
            "Host": f"{service}.{region}.amazonaws.com",
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": authorization(access_key, region, service),
        }
        names = {name.replace("__", "."): value for name, value in params.items()}
        body = urlencode({"Action": action, "Version": VERSIONS[service], **names})
        answer = self.forward(headers, body.encode())
        tree = parse_xml(answer.body)
        if answer.status >= 400:
            code, message = tree.findtext(".//Code"), tree.findtext(".//Message")
            raise AwsError(code or "InternalFailure", message or "", answer.status)
        return tree


def authorization(access_key: str, region: str, service: str) -> str:
    """moto reads the scope and does not verify the signature."""
    return f"AWS4-HMAC-SHA256 Credential={access_key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"


def parse_xml(body: bytes) -> ElementTree.Element:
    """The tree without namespaces."""
    return ElementTree.fromstring(re.sub(rb'\sxmlns="[^"]*"', b"", body, count=1))
