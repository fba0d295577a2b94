"""The alert rules of packaging/monitoring, read and tried by Prometheus's own promtool. That their metrics are told is the coordinator's test."""

from __future__ import annotations

import os
import subprocess
import unittest
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
RULES = HERE.parents[1] / "packaging/monitoring/alerts.yaml"
CASES = HERE / "alerts.test.yaml"
PROMTOOL = Path(os.environ.get("EIC_LAB_CACHE") or "/var/cache/eic-doctor-lab") / "promtool"


class Alerts(unittest.TestCase):
    def promtool(self, *arguments: str | Path) -> None:
        done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_prometheus_takes_the_rules(self) -> None:
        self.promtool("check", "rules", "--lint-fatal", RULES)

    def test_each_alert_comes_when_it_should_and_only_then(self) -> None:
        self.promtool("test", "rules", CASES)

    def test_no_alert_is_without_a_case_that_raises_it_and_one_that_does_not(self) -> None:
        rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
        alerts = sorted(rule["alert"] for group in rules["groups"] for rule in group["rules"])
        tried = [one for case in yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"] for one in case["alert_rule_test"]]
        for is_raised in (True, False):
            self.assertEqual(sorted({one["alertname"] for one in tried if bool(one.get("exp_alerts")) == is_raised}), alerts)


if __name__ == "__main__":
    unittest.main()
