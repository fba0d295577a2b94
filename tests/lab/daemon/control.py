"""The control API: HTTP and JSON over a unix socket. `ROUTES` is the list of what there is."""

from __future__ import annotations

import json
import os
import re
import socketserver
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Callable
from urllib.parse import parse_qs, urlsplit

import faults
from aws import endpoints

from .lab import Lab, Unknown

Route = tuple[str, str, Callable[[Lab, list[str], dict[str, Any]], Any]]


def _node(lab: Lab, instance_id: str, changes: dict[str, Any]) -> None:
    lab.scenario(instance_id).node.change(changes)


# Method, path, and what it does with the path's parts and the body (for GET and DELETE: the query).
ROUTES: list[Route] = [
    ("POST", "/scenario", lambda lab, _, body: lab.create(body)),
    ("GET", "/scenarios", lambda lab, _, body: lab.all()),
    ("GET", "/scenario/([^/]+)", lambda lab, part, _: lab.describe(lab.scenario(part[0]))),
    ("DELETE", "/scenario/([^/]+)", lambda lab, part, _: lab.delete(part[0])),
    ("POST", "/instance/([^/]+)/exec", lambda lab, part, body: lab.exec(part[0], body)),
    ("POST", "/instance/([^/]+)/login", lambda lab, part, body: lab.login(part[0], body)),
    ("POST", "/instance/([^/]+)/push", lambda lab, part, body: lab.push_for_person(part[0], body)),
    ("POST", "/instance/([^/]+)/file", lambda lab, part, body: lab.install_file(part[0], body)),
    ("GET", "/instance/([^/]+)/networks", lambda lab, part, _: lab.networks(part[0])),
    ("POST", "/instance/([^/]+)/imds", lambda lab, part, body: lab.machine(part[0]).update_imds(**body)),
    ("POST", "/instance/([^/]+)/restart", lambda lab, part, body: lab.restart(part[0], body.get("keep", []))),
    ("GET", "/identity", lambda lab, _, body: lab.identity()),
    ("POST", "/instance/([^/]+)/node", lambda lab, part, body: _node(lab, part[0], body)),
    ("POST", "/endpoint/([^/]+)", lambda lab, part, body: endpoints.put(lab.front, part[0], body)),
    ("POST", "/region", lambda lab, _, body: lab.region(body)),
    ("POST", "/fleet", lambda lab, _, body: lab.front.fleets.make(body)),
    ("DELETE", "/fleet", lambda lab, _, query: lab.front.fleets.forget(query["account"], query["region"])),
    ("POST", "/fault", lambda lab, _, body: lab.fault(body["instance_id"], body["name"])),
    ("GET", "/faults", lambda lab, _, body: faults.listing()),
    ("GET", "/env", lambda lab, _, body: lab.environment()),
    ("POST", "/aws", lambda lab, _, body: lab.front.knobs.turn(body)),
    ("DELETE", "/aws", lambda lab, _, query: lab.front.knobs.reset(query.get("access_key") or query.get("account"))),
    ("GET", "/aws/calls", lambda lab, _, query: lab.front.knobs.calls(query.get("access_key"))),
    ("GET", "/aws/counts", lambda lab, _, query: lab.front.counts()),
    ("DELETE", "/aws/calls", lambda lab, _, query: lab.front.knobs.forget_calls(query.get("access_key"))),
]


class Control(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, lab: Lab) -> None:
        path.unlink(missing_ok=True)
        self.lab = lab
        before = os.umask(0o177)
        try:
            super().__init__(str(path), Handler)
        finally:
            os.umask(before)
        threading.Thread(target=self.serve_forever, name="control", daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Control

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, answer = 404, {"error": f"there is no {self.command} {url.path}"}
        for method, pattern, action in ROUTES:
            match = re.fullmatch(pattern, url.path)
            if method == self.command and match:
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                status, answer = self.run(action, list(match.groups()), raw, query)
                break
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def run(self, action: Callable[..., Any], parts: list[str], raw: bytes, query: dict[str, str]) -> tuple[int, Any]:
        try:
            body = json.loads(raw) if raw else query
            answer = action(self.server.lab, parts, body)
            return 200, {} if answer is None else answer
        except Unknown as unknown:
            return 404, {"error": str(unknown)}
        except ValueError as bad:
            return 400, {"error": str(bad)}
        except KeyError as missing:
            return 400, {"error": f"the order lacks {missing}"}
        except Exception as problem:
            traceback.print_exc(file=sys.stderr)
            return 500, {"error": f"{type(problem).__name__}: {problem}"}

    # The socket has no peer address to tell.
    def address_string(self) -> str:
        return "control"

    def log_message(self, format: str, *args: object) -> None:
        pass
