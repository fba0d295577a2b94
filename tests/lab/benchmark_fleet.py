"""A fleet's calls, wall time and peak memory, beside one `eic-doctor check` for each instance in the same run.

All instances are in one account and Region, the dearest case: the calls that do not grow are shared by the fewest places. AWS's
token buckets are enforced. One check for each of 5,000 instances would take an hour, so that some are really checked, one after the
other, and the rest is reckoned from them; such figures bear a `~`. Both look at the same: AWS's side without IAM.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from running import RunningLab

HERE = Path(__file__).resolve().parent
PROGRAM = Path(os.environ.get("EIC_DOCTOR") or HERE.parent.parent / "target" / "debug" / "eic-doctor")
ACCOUNT, REGION = "123456789012", "eu-north-1"
SIZES = [1, 1000, 5000]
CHECKED = 10
ATTEMPT = ["--via", "public", "--source", "203.0.113.7", "--region", REGION, "--skip", "aws.iam", "--output", "jsonl"]
# What one operation may be asked a second in an account and Region, once the bucket is empty.
REFILL = 20


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or SIZES
    lab = RunningLab("--no-machines")
    try:
        lab.ask("POST", "/aws", {"account": ACCOUNT, "rules": [{"action": "ec2:*", "answer": "bucket"}]})
        environment = {"PATH": "/usr/bin:/bin", **lab.ask("GET", "/env")}
        print(f"{PROGRAM}; one account and Region, token buckets of EC2 enforced")
        print("            fleet                                  one check each                    one check each : fleet")
        print("instances   calls  throttled  wall s  memory MiB      calls  throttled    wall s         calls    wall")
        for size in sizes:
            ids = make(lab, size)
            fleet = measured(lab, environment, [["fleet", *ATTEMPT]])
            sample = ids[:CHECKED]
            checks = [["check", instance, "--os-facts", "none", *ATTEMPT] for instance in sample]
            single = measured(lab, environment, checks)
            times, mark = size / len(sample), "~" if size > len(sample) else " "
            calls, wall = single["calls"] * times, single["wall"] * times
            print(
                f"{size:>9}  {fleet['calls']:>6}  {fleet['throttled']:>9}  {fleet['wall']:>6.1f}  {fleet['memory']:>10.0f}"
                f"    {mark}{calls:>7.0f}  {single['throttled']:>9}  {mark}{wall:>8.1f}"
                f"      {mark}{calls / fleet['calls']:>8.1f}  {mark}{wall / fleet['wall']:>6.1f}"
            )
        slowest = max(sizes)
        print(f"({len(sample)} were really checked; AWS's refill alone makes {slowest} calls of one operation take {slowest / REFILL:.0f} s)")
    finally:
        lab.stop()


def make(lab: RunningLab, size: int) -> list[str]:
    broken = size // 10
    kinds = {"healthy": size - 3 * broken, "closed-group": broken, "no-route": broken, "stopped": broken}
    made = lab.ask("POST", "/fleet", {"account": ACCOUNT, "region": REGION, "kinds": kinds})
    return [instance for ids in made["by_kind"].values() for instance in ids[: max(1, CHECKED // len(kinds) + 1)]]


def measured(lab: RunningLab, environment: dict[str, str], commands: list[list[str]]) -> dict[str, Any]:
    """Calls, wall seconds and the largest memory in MiB of these processes, one after the other."""
    lab.ask("DELETE", "/aws/calls")
    memory, began = 0.0, time.perf_counter()
    for command in commands:
        process = subprocess.Popen([PROGRAM, *command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1, 3):
            raise RuntimeError(errors.decode())
        memory = max(memory, usage.ru_maxrss / 1024)
    wall = time.perf_counter() - began
    counts = lab.ask("GET", "/aws/counts")
    return {
        "calls": sum(count["calls"] for count in counts), "throttled": sum(count["throttled"] for count in counts), "wall": wall,
        "memory": memory,
    }  # fmt: skip


if __name__ == "__main__":
    main()
