"""Runs the matrix of AWS's side, or the rows of it that are named, and prints it. The last lines are as unittest's."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from outside.row import Row
from outside.table import ROWS
from outside.trial import REPOSITORY, Bench, Outcome
from running import RunningLab

DOCTOR = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target") / "debug/eic-doctor"


def main() -> int:
    arguments = argparse.ArgumentParser(prog="run-outside", description=__doc__)
    arguments.add_argument("words", nargs="*", help="only rows with one of these words in name, kind, area or causes")
    arguments.add_argument("--doctor", type=Path, default=DOCTOR, help="the binary `eic-doctor` (default: %(default)s)")
    arguments.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1, help="rows side by side")
    arguments.add_argument("--details", type=Path, help="writes the reports, a JSON line a row")
    arguments.add_argument("--list", action="store_true", help="print the rows, run none")
    chosen = arguments.parse_args()

    rows = [row for row in ROWS if not chosen.words or any(_has(row, word) for word in chosen.words)]
    if chosen.list:
        for row in rows:
            print(f"{row.kind:8}{row.area:16}{' '.join(sorted(row.causes | row.warns | row.unknown)) or '-':60} {row.name}")
        return 0
    if not chosen.doctor.is_file():
        print(f"there is no {chosen.doctor}: build it by `cargo build --workspace`", file=sys.stderr)
        return 2
    started = time.monotonic()
    outcomes = []
    lab = RunningLab("--no-machines")
    try:
        with tempfile.TemporaryDirectory() as workdir, ThreadPoolExecutor(chosen.jobs) as pool:
            bench = Bench(chosen.doctor, Path(workdir), lab)
            for outcome in pool.map(bench.run, rows):
                outcomes.append(outcome)
                _print(outcome)
    finally:
        lab.stop()
    if chosen.details:
        chosen.details.write_text("".join(_details(outcome) for outcome in outcomes), encoding="utf-8")
    return _score(outcomes, time.monotonic() - started)


def _has(row: Row, word: str) -> bool:
    return any(word in text for text in (row.name, row.kind, row.area, *row.causes, *row.warns, *row.unknown))


def _print(outcome: Outcome) -> None:
    row = outcome.row
    word = "WRONG" if outcome.complaints else "ok"
    said = " ".join(sorted(outcome.causes | row.warns | row.unknown)) or "-"
    print(f"{word:6}{row.kind:8}{outcome.connectable:8}{outcome.remedy:9}{outcome.seconds:5.1f} s  {row.name}: {said}")
    for complaint in outcome.complaints:
        print(f"        {complaint}")
    sys.stdout.flush()


def _details(outcome: Outcome) -> str:
    return json.dumps({"name": outcome.row.name, "complaints": outcome.complaints, "reports": outcome.reports}) + "\n"


def _score(outcomes: list[Outcome], seconds: float) -> int:
    right = Counter(outcome.row.kind for outcome in outcomes if not outcome.complaints)
    total = Counter(outcome.row.kind for outcome in outcomes)
    wrong = sum(total.values()) - sum(right.values())
    remedies = Counter(outcome.remedy for outcome in outcomes)
    print()
    for kind in total:
        print(f"{kind:8} {right[kind]:3} of {total[kind]:3} right")
    print(f"said yes where something blocks: {sum(1 for o in outcomes if o.connectable == 'yes' and o.row.causes)}")
    pasted = sum(outcome.pasted for outcome in outcomes)
    print(f"remedies: {pasted} commands pasted in {remedies['pasted']} rows, {remedies['by hand']} rows by hand, {remedies['for good']} not to be mended")
    print(f"\nRan {len(outcomes)} tests in {seconds:.1f}s\n\n{f'FAILED (failures={wrong})' if wrong else 'OK'}")
    return 1 if wrong or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
