"""The instance metadata service of one machine, on 169.254.169.254 and fd00:ec2::254 port 80.

Runs as a process of its own inside the machine's `vpc` namespace. Its parent speaks to it over a socket it
inherits, one JSON object a line each way: first the settings, then changes to them and pushed keys.
It ends when the parent closes that socket.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

import identity_document
import netns
import signer

TOKEN_TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER = "X-aws-ec2-metadata-token"
MAX_TOKEN_TTL = 21600
KEY_LIFE = 60
# Of a role's credentials, in seconds.
ROLE_LIFE = 6 * 3600
VERSION = re.compile(r"latest|\d{4}-\d{2}-\d{2}|1\.0")
PARTITIONS = {
    "amazonaws.com.cn": "aws-cn",
    "amazonaws.eu": "aws-eusc",
    "c2s.ic.gov": "aws-iso",
    "sc2s.sgov.gov": "aws-iso-b",
}


@dataclass
class Service:
    """What the server answers from.

    `settings` is MachineSpec's fields, and what a test may make of the service: `clock_offset` in seconds, `delay_ms`
    before each answer, `statuses` to answer with by path below the version, `short_chain` and `staples` of the signer.
    """

    settings: dict[str, Any]
    authority: signer.Authority
    staples: dict[str, bytes]
    identity: identity_document.Signer | None = None
    # Seconds that only ever rise; tests put their own here.
    ticks: Callable[[], float] = time.monotonic
    lock: threading.Lock = field(default_factory=threading.Lock)
    tokens: dict[str, float] = field(default_factory=dict)
    pushed: dict[str, list[tuple[float, bytes]]] = field(default_factory=dict)

    def now(self) -> float:
        return time.time() + self.settings.get("clock_offset", 0)

    def issue_token(self, ttl: int) -> str:
        token = base64.urlsafe_b64encode(os.urandom(40)).decode()
        with self.lock:
            self.tokens = {known: end for known, end in self.tokens.items() if end > self.ticks()}
            self.tokens[token] = self.ticks() + ttl
        return token

    def token_is_good(self, token: str) -> bool:
        with self.lock:
            return self.tokens.get(token, 0.0) > self.ticks()

    def push(self, user: str, key: str, caller: str, request: str) -> None:
        blob = signer.blob(
            self.authority, self.settings["instance_id"], caller, request, key, int(self.now()) + KEY_LIFE
        )
        with self.lock:
            self.pushed.setdefault(user, []).append((self.ticks() + KEY_LIFE, blob))

    def active_keys(self, user: str) -> bytes | None:
        with self.lock:
            live = [entry for entry in self.pushed.get(user, []) if entry[0] > self.ticks()]
            self.pushed[user] = live
            return b"".join(blob for _, blob in live) or None

    def metadata(self, path: str) -> bytes | None:
        """The body at a path below the version, without slashes at its ends; None for what is not there."""
        if path.startswith("meta-data/managed-ssh-keys/"):
            return self._managed_ssh_keys(path.removeprefix("meta-data/managed-ssh-keys/"))
        if path == "dynamic/instance-identity/document":
            return self._document()
        if path == "dynamic/instance-identity/rsa2048" and self.identity is not None:
            return self.identity.rsa2048(self._document())
        values = self._values()
        if path in values:
            return values[path].encode()
        signatures = [] if self.identity is None else ["dynamic/instance-identity/rsa2048"]
        return _listing(path, [*values, "dynamic/instance-identity/document", *signatures])

    def _managed_ssh_keys(self, path: str) -> bytes | None:
        if path == "signer-cert":
            return self._chain()
        staples = self._staples()
        if path == "signer-ocsp":
            return "\n".join(staples).encode()
        kind, _, name = path.partition("/")
        if kind == "signer-ocsp":
            return staples.get(name)
        if kind == "active-keys" and name:
            return self.active_keys(name)
        return None

    def _chain(self) -> bytes:
        chain = self.authority.chain()
        end = b"-----END CERTIFICATE-----\n"
        return chain.partition(end)[0] + end if self.settings.get("short_chain") else chain

    def _staples(self) -> dict[str, bytes]:
        """As the setting `staples` says: all, without the signer's own, or named as in November 2020."""
        kind = self.settings.get("staples")
        if kind == "intermediate":
            return dict(list(self.staples.items())[1:])
        if kind == "sha256":
            return {hashlib.sha256(name.encode()).hexdigest(): body for name, body in self.staples.items()}
        return self.staples

    def _values(self) -> dict[str, str]:
        settings = self.settings
        values = {
            "ami-id": settings["image_id"],
            "instance-id": settings["instance_id"],
            "instance-type": settings["instance_type"],
            "mac": settings["mac"],
            "local-ipv4": settings["private_ipv4"],
            "placement/availability-zone": settings["availability_zone"],
            "placement/region": settings["region"],
            "services/domain": settings["domain"],
            "services/partition": PARTITIONS.get(settings["domain"], "aws"),
        }
        for name, key in (("public-ipv4", "public_ipv4"), ("ipv6", "ipv6")):
            if settings.get(key):
                values[name] = settings[key]
        if role := settings.get("role"):
            values |= self._role(role)
        return {f"meta-data/{name}": value for name, value in values.items()}

    def _role(self, role: dict[str, str]) -> dict[str, str]:
        def stamp(seconds: float) -> str:
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

        now = self.now()
        about = {"Code": "Success", "LastUpdated": stamp(now)}
        credentials = {
            "Type": "AWS-HMAC", "AccessKeyId": role["access_key"], "SecretAccessKey": role["secret_key"],
            "Token": role["session_token"], "Expiration": stamp(now + ROLE_LIFE),
        }  # fmt: skip
        info = {"InstanceProfileArn": role["profile_arn"], "InstanceProfileId": role["profile_id"]}
        return {
            "iam/info": json.dumps(about | info, indent=2),
            f"iam/security-credentials/{role['name']}": json.dumps(about | credentials, indent=2),
        }

    def _document(self) -> bytes:
        settings = self.settings
        document = {
            "accountId": settings["account_id"],
            "architecture": "x86_64",
            "availabilityZone": settings["availability_zone"],
            "billingProducts": None,
            "devpayProductCodes": None,
            "marketplaceProductCodes": None,
            "imageId": settings["image_id"],
            "instanceId": settings["instance_id"],
            "instanceType": settings["instance_type"],
            "kernelId": None,
            "pendingTime": settings["pending_time"],
            "privateIp": settings["private_ipv4"],
            "ramdiskId": None,
            "region": settings["region"],
            "version": "2017-09-30",
        }
        return json.dumps(document, indent=2).encode()


def _listing(path: str, known: list[str]) -> bytes | None:
    prefix = f"{path}/" if path else ""
    below = {name.removeprefix(prefix) for name in known if name.startswith(prefix)}
    entries = {first + ("/" if rest else "") for first, _, rest in (name.partition("/") for name in below)}
    return "\n".join(sorted(entries)).encode() or None


class Handler(BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"
    timeout = 30

    def version_string(self) -> str:
        return "EC2ws"

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self.service.now() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_PUT(self) -> None:
        ttl = self.headers.get(TOKEN_TTL_HEADER, "")
        if self._refused() or self._disturbed():
            return
        if self.headers.get("X-Forwarded-For") is not None:
            # A request that came through a proxy gets no token, whoever asks.
            self._answer(403, b"")
        elif _split(self.path)[1] != "api/token":
            self._answer(405, b"")
        elif not (re.fullmatch(r"[0-9]{1,5}", ttl) and 1 <= int(ttl) <= MAX_TOKEN_TTL):
            self._answer(400, b"")
        else:
            self._limit_hops(int(self.service.settings["hop_limit"]))
            self._answer(200, self.service.issue_token(int(ttl)).encode(), {TOKEN_TTL_HEADER: ttl})

    def do_GET(self) -> None:
        if self._refused() or self._disturbed():
            return
        # The connection may have carried a token before.
        self._limit_hops(64)
        token = self.headers.get(TOKEN_HEADER)
        if token is None and self.service.settings["http_tokens"] == "required":
            self._answer(401, b"")
        elif token is not None and not self.service.token_is_good(token):
            self._answer(401, b"")
        else:
            version, path = _split(self.path)
            body = self.service.metadata(path) if VERSION.fullmatch(version) else None
            self._answer(404 if body is None else 200, body or b"")

    do_HEAD = do_GET

    def _refused(self) -> bool:
        if self.service.settings["http_endpoint"] == "enabled":
            return False
        self._answer(403, b"")
        return True

    def _disturbed(self) -> bool:
        time.sleep(self.service.settings.get("delay_ms", 0) / 1000)
        status = self.service.settings.get("statuses", {}).get(_split(self.path)[1])
        if status is not None:
            self._answer(status, b"")
        return status is not None

    def _limit_hops(self, hops: int) -> None:
        """A token's answer leaves with the hop limit as its TTL, so a router in the instance may eat it."""
        level, option = (
            (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
            if self.connection.family == socket.AF_INET6
            else (socket.IPPROTO_IP, socket.IP_TTL)
        )
        self.connection.setsockopt(level, option, hops)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # Several keys commands run at once when a client offers several keys.
    request_queue_size = 64

    def server_bind(self) -> None:
        # Not HTTPServer's: that one looks its own name up.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "imds", self.server_address[1]


class Server6(Server):
    address_family = socket.AF_INET6


def _split(target: str) -> tuple[str, str]:
    version, _, path = target.partition("?")[0].strip("/").partition("/")
    return version, path


def serve(service: Service) -> None:
    handler = type("BoundHandler", (Handler,), {"service": service})
    for server in (Server((netns.IMDS_IPV4, 80), handler), Server6((netns.IMDS_IPV6, 80), handler)):
        threading.Thread(target=server.serve_forever, daemon=True).start()


def control(service: Service, order: dict[str, Any]) -> None:
    if order["op"] == "set":
        service.settings = {**service.settings, **order["settings"]}
        if "clock_offset" in order["settings"]:
            service.authority.restaple(order["settings"]["clock_offset"])
            service.staples = service.authority.staples()
    elif order["op"] == "push":
        service.push(order["user"], order["key"], order["caller"], order["request"])
    else:
        raise ValueError(f"unknown order {order['op']}")


def main(descriptor: int, state: Path) -> None:
    stream = socket.socket(fileno=descriptor).makefile("rw", encoding="utf-8")
    settings = json.loads(stream.readline())
    kept = Path(settings["authority_directory"])
    authority = signer.copy_of_kept(kept, state / "authority", settings["region"], settings["domain"])
    identity = identity_document.Signer(Path(settings["identity_directory"]))
    service = Service(settings, authority, authority.staples(), identity)
    serve(service)
    print(json.dumps({"root": authority.root.read_text(encoding="ascii")}), file=stream, flush=True)
    for line in stream:
        try:
            control(service, json.loads(line))
            answer = {}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=stream, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
