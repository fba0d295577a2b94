"""A booted instance with a role: its identity document, signed, and what of it a new start renews.

Run by `python3 tests/lab/test_identity.py` as root after `tests/lab/setup.sh`.
"""

from __future__ import annotations

import base64
import json
import tempfile
import unittest
from pathlib import Path

import lab

if __name__ == "__main__":
    lab.into_environment(Path(__file__))

import signer
from running import RunningLab

ASK = """
token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
curl -sf -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/$1"
"""
running: RunningLab


def setUpModule() -> None:
    global running
    running = RunningLab()


def tearDownModule() -> None:
    running.stop()


class Identity(unittest.TestCase):
    def setUp(self) -> None:
        self.made = running.scenario(role=True)
        self.id = self.made["instance_id"]
        self.addCleanup(running.ask, "DELETE", f"/scenario/{self.id}")

    def imds(self, path: str) -> str:
        status, body = running.exec(self.id, "sh", "-c", ASK, "sh", path)
        self.assertEqual(status, 0, path)
        return body

    def signed(self) -> dict:
        """The document, if the lab's certificate signed just that."""
        document = self.imds("dynamic/instance-identity/document")
        with tempfile.TemporaryDirectory() as directory:
            message, certificate = Path(directory) / "message", Path(directory) / "certificate"
            message.write_bytes(base64.b64decode(self.imds("dynamic/instance-identity/rsa2048")))
            certificate.write_text(running.ask("GET", "/identity")["certificate"], encoding="ascii")
            content = signer.openssl(
                "cms", "-verify", "-binary", "-inform", "DER", "-in", str(message), "-noverify", "-nointern",
                "-certfile", str(certificate),
            )  # fmt: skip
        self.assertEqual(content.decode(), document)
        return json.loads(document)

    def test_an_instance_proves_which_one_it_is_and_a_new_start_renews_that(self) -> None:
        before = self.signed()
        self.assertEqual(
            (before["instanceId"], before["accountId"], before["privateIp"], before["region"]),
            (self.id, self.made["account_id"], self.made["private_ip"], self.made["region"]),
        )
        running.exec(self.id, "sh", "-c", "mkdir -m 700 /var/lib/kept; touch /var/lib/mark /var/lib/kept/mark")
        running.ask("POST", f"/instance/{self.id}/restart", {"keep": ["/var/lib/kept"]})
        after = self.signed()
        self.assertGreater(after["pendingTime"], before["pendingTime"])
        self.assertEqual(after, before | {"pendingTime": after["pendingTime"]})
        self.assertEqual(running.exec(self.id, "test", "-e", "/var/lib/mark")[0], 1, "the disk is a fresh one")
        self.assertEqual(running.exec(self.id, "stat", "-c", "%a", "/var/lib/kept", "/var/lib/kept/mark")[0], 0)
        refused, why = running.try_("POST", f"/instance/{self.id}/restart", {"keep": ["/not/there"]})
        self.assertEqual(refused, 400, why)
        running.ask("POST", f"/instance/{self.id}/imds", {"pending_time": "2026-01-01T00:00:00Z"})
        self.assertEqual(self.signed()["pendingTime"], "2026-01-01T00:00:00Z")

    def test_the_role_s_credentials_are_those_that_sts_knows(self) -> None:
        name = self.imds("meta-data/iam/security-credentials/")
        told = json.loads(self.imds(f"meta-data/iam/security-credentials/{name}"))
        self.assertEqual(told["AccessKeyId"], self.made["instance_role"]["access_key"])
        self.assertEqual(told["Token"], self.made["instance_role"]["session_token"])


if __name__ == "__main__":
    unittest.main()
