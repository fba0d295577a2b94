"""The policy evaluator: `simulator/decide.mjs` as a child process that is asked in JSON lines."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

from .wire import AwsError


def cache_dir() -> Path:
    return Path(os.environ.get("EIC_LAB_CACHE") or "/var/cache/eic-doctor-lab")


class Simulator:
    def __init__(self) -> None:
        script = Path(__file__).parent / "simulator" / "decide.mjs"
        # It leaves when its standard input closes, which the end of this process does by itself.
        self._process = subprocess.Popen(
            ["node", str(script), str(cache_dir() / "simulator")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )
        self._lock = threading.Lock()
        self._last_id = 0

    def decide(self, question: dict[str, Any]) -> dict[str, Any]:
        """One question at a time: an answer takes about a millisecond."""
        with self._lock:
            self._last_id += 1
            self._process.stdin.write(json.dumps({"id": self._last_id, **question}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the policy evaluator ended (exit {self._process.wait()})")
        answer = json.loads(line)
        if "error" in answer:
            # A policy or an input that cannot be evaluated; IAM says so, with no reason for another try.
            raise AwsError("InvalidInput", answer["error"])
        return answer

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=5)
