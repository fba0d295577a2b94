"""A lab for the length of a test run: it ends when this process does, however that ends."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import lab

HERE = Path(__file__).resolve().parent


class RunningLab:
    def __init__(self, *options: str) -> None:
        # The lab sees the end of this pipe, so a test process that is killed takes it along.
        self._process = subprocess.Popen(
            [sys.executable, "-B", str(HERE / "lab.py"), "serve", "--until-eof", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the lab did not start (exit {self._process.wait()})")
        self.place = json.loads(line)
        self.endpoint: str = self.place["endpoint"]

    def stop(self) -> int:
        self._process.stdin.close()
        self._process.stdout.close()
        return self._process.wait(timeout=30)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.try_(method, path, body)
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {answer}")
        return answer

    def try_(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return lab.request(self.place["control"], method, path, body)

    def scenario(self, **spec: Any) -> dict[str, Any]:
        return self.ask("POST", "/scenario", spec)

    def exec(self, instance_id: str, *argv: str) -> tuple[int, str]:
        done = self.ask("POST", f"/instance/{instance_id}/exec", {"argv": argv})
        return done["returncode"], base64.b64decode(done["stdout_b64"]).decode()
