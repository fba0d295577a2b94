"""The front server: one HTTP endpoint that answers as AWS does, from moto and from what the lab adds to it."""

from __future__ import annotations

import socket
import sys
import threading
import time
import traceback
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

from . import connect, ec2, endpoints, iam, identity, public_access, security_hub, ssm, trail, tunnel
from .fleet import Fleets
from .identity import Callers
from .knobs import Knobs, is_throttled, refusal, throttled
from .moto_child import MotoChild
from .nodes import Nodes
from .request import Call, parse_call
from .role_session import RoleSessions
from .simulator import Simulator
from .wire import Answer, AwsError, error_answer

Operation = Callable[["Front", Call], Answer]


class Front:
    """Everything an operation may need. No operation keeps state elsewhere."""

    def __init__(self, own_key: str) -> None:
        # The lab's own calls: no rule applies to them, and the log does not count them.
        self.own_key = own_key
        self.moto = MotoChild()
        self.simulator = Simulator()
        self.knobs = Knobs()
        self.nodes = Nodes()
        self.fleets = Fleets()
        self.role_sessions = RoleSessions()
        self.callers = Callers(self.moto, self.role_sessions)
        self.commands = ssm.Commands()
        self.trail = trail.Trail()
        self.operations: dict[str, Operation] = {
            **ec2.OPERATIONS, **endpoints.OPERATIONS, **public_access.OPERATIONS, **iam.OPERATIONS, **ssm.OPERATIONS,
            **connect.OPERATIONS, **trail.OPERATIONS, **tunnel.OPERATIONS, **identity.OPERATIONS,
            **security_hub.OPERATIONS,
        }
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.front = self

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self.moto.wait_ready()
        threading.Thread(target=self._server.serve_forever, name="front", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.simulator.stop()
        self.moto.stop()

    def pass_on(self, call: Call) -> Answer:
        """moto's answer; what moto does not know is an AWS error, not an HTML page."""
        answer = self.moto.forward(call.headers, call.body, call.path)
        if answer.body.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
            raise AwsError("InvalidAction", f"The action {call.operation} is not valid for this web service.")
        return answer

    def answer(self, call: Call) -> Answer:
        is_cut = False

        def account() -> str:
            return self.callers.account(call.access_key, call.region)

        for rule in [] if call.access_key == self.own_key else self.knobs.matching(call, account):
            match rule["answer"]:
                case "cut":
                    is_cut = True
                case "bucket":
                    if not self.knobs.has_token(call, account(), rule):
                        raise throttled(call)
                case "delay":
                    time.sleep(rule.get("ms", 0) / 1000)
                case "refuse":
                    raise refusal(call, self.callers.arn(call.access_key, call.region), because=rule.get("because"))
                case "throttle":
                    raise throttled(call)
                case _:
                    raise AwsError("InternalFailure", "An internal error has occurred", 500)
        of_a_fleet = self.fleets.operation(self, call)
        answer = of_a_fleet(call) if of_a_fleet else self.operations.get(call.action, Front.pass_on)(self, call)
        return replace(answer, is_cut=is_cut)

    def counts(self) -> list[dict[str, Any]]:
        """How often each action was called in each account and Region, and how many of the calls were refused as too many."""
        counted: dict[tuple[str, str, str], list[int]] = {}
        for call in self.knobs.calls():
            account = self.callers.account(call["access_key"], call["region"])
            count = counted.setdefault((f"{call['service']}:{call['operation']}", account, call["region"]), [0, 0])
            count[0] += 1
            count[1] += call["throttled"]
        return [
            {"action": action, "account": account, "region": region, "calls": calls, "throttled": throttled}
            for (action, account, region), (calls, throttled) in sorted(counted.items())
        ]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    front: Front


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One segment for headers and body, and none held back.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        started = time.monotonic()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        front = self.server.front
        service, call = "sts", None
        try:
            call = parse_call(self.headers, body, self.path)
            service = call.service
            answer = front.answer(call)
        except AwsError as error:
            answer = error_answer(service, error)
        except Exception:  # The lab's own mistake must be seen, and must not look like AWS's verdict.
            traceback.print_exc(file=sys.stderr)
            answer = error_answer(service, AwsError("InternalFailure", "the lab's front server failed; see its log", 500))
        if call is not None and call.access_key != front.own_key:
            front.knobs.record(call, answer.status, time.monotonic() - started, is_throttled(answer))
        self.respond(answer)

    do_GET = do_POST

    def respond(self, answer: Answer) -> None:
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if answer.is_cut:
                self.wfile.write(answer.body[: len(answer.body) // 2])
                self.close_connection = True
            else:
                self.wfile.write(answer.body)
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError, socket.timeout):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass
