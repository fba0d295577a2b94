"""Runs the matrix, or the rows of it that are named, and prints it. The last lines are as unittest's."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from matrix.bench import Bench, Outcome
from matrix.row import Row
from matrix.table import ROWS

REPOSITORY = Path(__file__).resolve().parents[3]


def main() -> int:
    arguments = argparse.ArgumentParser(prog="run-matrix", description=__doc__)
    arguments.add_argument("words", nargs="*", help="only rows with one of these words in name, kind, area or causes")
    arguments.add_argument("--agent", type=Path, help="the static agent; built when left out")
    arguments.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1, help="rows side by side")
    arguments.add_argument("--details", type=Path, help="writes what client and agent said, a JSON line a row")
    arguments.add_argument("--list", action="store_true", help="print the rows, run none")
    arguments.add_argument("--table", type=Path, help="a Python file whose ROWS take the place of the matrix")
    chosen = arguments.parse_args()

    rows = [row for row in _table(chosen.table) if not chosen.words or any(_has(row, word) for word in chosen.words)]
    if chosen.list:
        for row in rows:
            print(f"{row.kind:8}{row.area:10}{row.login.value:10}{' '.join(sorted(row.causes)) or '-':60} {row.name}")
        return 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as workdir:
        bench = Bench(chosen.agent or _built(), Path(workdir))
        with ThreadPoolExecutor(chosen.jobs) as pool:
            outcomes = []
            for outcome in pool.map(bench.run, rows):
                outcomes.append(outcome)
                _print(outcome)
    if chosen.details:
        chosen.details.write_text("".join(_details(outcome) for outcome in outcomes), encoding="utf-8")
    return _score(outcomes, time.monotonic() - started)


def _table(path: Path | None) -> list[Row]:
    if path is None:
        return ROWS
    scope: dict[str, object] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)
    return scope["ROWS"]


def _has(row: Row, word: str) -> bool:
    return any(word in text for text in (row.name, row.kind, row.area, row.platform, *row.causes))


def _built() -> Path:
    built = subprocess.run(["sh", str(REPOSITORY / "packaging/build-agent")], check=True, stdout=subprocess.PIPE, text=True)
    return REPOSITORY / built.stdout.strip()


def _print(outcome: Outcome) -> None:
    row = outcome.row
    login = outcome.login.value if outcome.login else "?"
    causes = " ".join(sorted(outcome.causes)) or "-"
    word = "WRONG" if outcome.complaints else "ok"
    print(f"{word:6}{row.kind:8}{row.platform.partition(':')[0]:11}{login:10}{outcome.remedy:8} {outcome.seconds:4.1f} s  {row.name}: {causes}")
    for complaint in outcome.complaints:
        print(f"        {complaint}")
    sys.stdout.flush()


def _details(outcome: Outcome) -> str:
    return json.dumps({
        "name": outcome.row.name, "complaints": outcome.complaints, "client": outcome.client, "reports": outcome.reports,
    }) + "\n"  # fmt: skip


def _score(outcomes: list[Outcome], seconds: float) -> int:
    right = Counter(outcome.row.kind for outcome in outcomes if not outcome.complaints)
    total = Counter(outcome.row.kind for outcome in outcomes)
    wrong = sum(total.values()) - sum(right.values())
    yes = sum(1 for outcome in outcomes if outcome.connectable == "yes" and outcome.row.causes)
    no = sum(1 for outcome in outcomes if outcome.connectable == "no" and outcome.login and outcome.login.value == "works")
    remedies = Counter(outcome.remedy for outcome in outcomes)
    print()
    for kind in total:
        print(f"{kind:8} {right[kind]:3} of {total[kind]:3} right")
    print(f"said yes where the host refused: {yes}; said no where the login worked: {no}")
    print(f"remedies: {remedies['mended']} pasted and mended, {remedies['in part']} in part, {remedies['by hand']} by hand")
    print(f"\nRan {len(outcomes)} tests in {seconds:.1f}s\n\n{f'FAILED (failures={wrong})' if wrong else 'OK'}")
    return 1 if wrong or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
