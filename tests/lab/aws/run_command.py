"""One Run Command on one instance: the script is really run as root on the machine, as SSM Agent runs it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from .nodes import Node

# What SSM keeps of an output, and how SSM Agent marks a cut.
MAX_STDOUT = 24_000
MAX_STDERR = 8_000
MAX_PLUGIN_OUTPUT = 2_500
CUT_MARK = "--output truncated--"
ERROR_MARK = "\n----------ERROR-------\n"
# Status and details that a test may ask for instead of a run, and the response code with it.
OUTCOMES = {
    "Failed": ("Failed", "Failed", 1),
    "ExecutionTimedOut": ("TimedOut", "ExecutionTimedOut", 137),
    "DeliveryTimedOut": ("TimedOut", "DeliveryTimedOut", -1),
    "TimedOut": ("TimedOut", "DeliveryTimedOut", -1),
    "Undeliverable": ("Failed", "Undeliverable", -1),
    "Cancelled": ("Cancelled", "Cancelled", -1),
    "InProgress": ("InProgress", "InProgress", -1),
    "Pending": ("Pending", "Pending", -1),
}
FINAL = ("Success", "Failed", "TimedOut", "Cancelled")
# SSM Agent writes the script to a file of its own and runs it with `sh -c`; `timeout` stands for the agent's timer.
RUN = """
umask 077
directory=/var/lib/amazon/ssm/$1/document/orchestration/$2/awsrunShellScript/0.awsrunShellScript
mkdir -p "$directory" && cat >"$directory/_script.sh" && chmod 0700 "$directory/_script.sh" || exit 1
cd "$4" || exit 1
umask 022
timeout --signal=KILL "$3" sh -c "$directory/_script.sh" </dev/null
status=$?
rm -rf "/var/lib/amazon/ssm/$1/document/orchestration/$2"
exit $status
"""


@dataclass
class Invocation:
    command_id: str
    node: Node
    script: str
    directory: str
    execution_seconds: int
    delivery_seconds: int
    requested: float = field(default_factory=time.time)
    status: str = "Pending"
    details: str = "Pending"
    response_code: int = -1
    stdout: bytes = b""
    stderr: bytes = b""
    started: float | None = None
    ended: float | None = None
    # GetCommandInvocation answers InvocationDoesNotExist to the first question that comes too soon.
    asked: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def start(self) -> None:
        threading.Thread(target=self._run, name=self.command_id, daemon=True).start()

    def cancel(self) -> None:
        with self.changed:
            if self.status not in FINAL:
                self._end("Cancelled", "Cancelled", -1)

    def stdout_text(self) -> str:
        text = shortened(self.stdout, MAX_STDOUT)
        return text if self.node.command_cut is None else text[: self.node.command_cut]

    def stderr_text(self) -> str:
        return shortened(self.stderr, MAX_STDERR)

    def plugin_output(self) -> str:
        both = self.stdout + (ERROR_MARK.encode() + self.stderr if self.stderr else b"")
        return shortened(both, MAX_PLUGIN_OUTPUT)

    def _run(self) -> None:
        outcome = self.node.command_outcome
        time.sleep(self.node.command_delay_ms / 1000)
        if outcome is None and (self.node.machine is None or self.node.ping_status != "Online"):
            # Nobody fetches the command: it stays pending until its delivery time is over.
            self._wait_pending(self.delivery_seconds)
            self._finish(*OUTCOMES["DeliveryTimedOut"])
        elif outcome is not None:
            self._finish(*OUTCOMES[outcome])
        else:
            self._really_run()

    def _really_run(self) -> None:
        with self.changed:
            if self.status in FINAL:
                return
            self.status = self.details = "InProgress"
            self.started = time.time()
        argv = ["/bin/sh", "-c", RUN, "sh", self.node.instance_id, self.command_id, str(self.execution_seconds), self.directory]
        try:
            done = self.node.machine.exec(argv, self.script.encode(), timeout=self.execution_seconds + 10)
        except Exception as problem:  # The machine went away while the command ran.
            self.stderr = str(problem).encode()
            self._finish(*OUTCOMES["Undeliverable"])
            return
        self.stdout, self.stderr = done.stdout, done.stderr
        killed = done.returncode in (137, -9) and time.time() - self.started >= self.execution_seconds
        if killed:
            self._finish(*OUTCOMES["ExecutionTimedOut"])
        else:
            status = "Success" if done.returncode == 0 else "Failed"
            self._finish(status, status, done.returncode)

    def _wait_pending(self, seconds: float) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.status in FINAL, timeout=seconds)

    def _finish(self, status: str, details: str, response_code: int) -> None:
        with self.changed:
            if self.status not in FINAL:
                self._end(status, details, response_code)

    def _end(self, status: str, details: str, response_code: int) -> None:
        self.status, self.details, self.response_code = status, details, response_code
        if status in FINAL:
            self.ended = time.time()
        self.changed.notify_all()


def shortened(output: bytes, limit: int) -> str:
    text = output.decode("utf-8", "replace")
    return text if len(text) <= limit else text[: limit - len(CUT_MARK)] + CUT_MARK


def iso(moment: float | None) -> str:
    if moment is None:
        return ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03d}Z"


def first(parameters: dict[str, Any], name: str, default: str) -> str:
    values = parameters.get(name) or [default]
    return str(values[0] or default)
