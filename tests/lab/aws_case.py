"""What the tests of AWS's stand-in share: one running lab, and a scenario with an access key of its own per test."""

from __future__ import annotations

import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from running import RunningLab

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkw lab"
PUSH = "ec2-instance-connect:SendSSHPublicKey"
running: RunningLab


def start() -> None:
    global running
    running = RunningLab("--no-machines")


def stop() -> None:
    running.stop()


class AwsTest(unittest.TestCase):
    """Each test has a scenario of its own, and with it an access key of its own."""

    spec: dict = {}

    def setUp(self) -> None:
        self.made = running.scenario(machine=False, **self.spec)
        self.id, self.region = self.made["instance_id"], self.made["region"]

    def tearDown(self) -> None:
        running.ask("DELETE", f"/scenario/{self.id}")

    def client(self, service: str, credentials: dict | None = None):
        env = self.made["env"]
        keys = credentials or {"access_key": env["AWS_ACCESS_KEY_ID"], "secret_key": env["AWS_SECRET_ACCESS_KEY"]}
        return boto3.client(
            service, region_name=self.region, endpoint_url=running.endpoint, config=Config(retries={"total_max_attempts": 1}),
            aws_access_key_id=keys["access_key"], aws_secret_access_key=keys["secret_key"],
            aws_session_token=keys.get("session_token"),
        )

    def knobs(self, **settings) -> None:
        running.ask("POST", "/aws", {"access_key": self.made["access_key"], **settings})

    def fault(self, name: str) -> None:
        running.ask("POST", "/fault", {"instance_id": self.id, "name": name})

    def error(self, call, *args, **kwargs) -> tuple[str, str, int]:
        with self.assertRaises(ClientError) as caught:
            call(*args, **kwargs)
        answer = caught.exception.response
        return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]
