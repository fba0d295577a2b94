"""The whole lab with booted instances: logins, Run Command, every fault's effect on a real login, and the end.

Run by `python3 tests/lab/test_lab.py` as root after `tests/lab/setup.sh`.
"""

from __future__ import annotations

import base64
import os
import select
import signal
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lab

if __name__ == "__main__":
    lab.into_environment(Path(__file__))

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from running import RunningLab

# What a real login with the connector's own push comes to, by fault. A fault of the network or of SSM leaves the
# login alone here: nothing filters the way from the lab's client to the instance.
DENIED, REFUSED, NOT_PUSHED, WORKS = "Permission denied", "Connection refused", "not pushed", "works"
LOGIN = {
    "instance-stopped": NOT_PUSHED,
    "status-check-impaired": WORKS,
    "region-unsupported": NOT_PUSHED,
    "local-zone": DENIED,
    "os-user-missing": DENIED,
    "metadata-endpoint-disabled": DENIED,
    "imds-blocked": DENIED,
    "imds-blocked-for-keys-user": DENIED,
    "package-absent": DENIED,
    "package-old-with-tokens-required": DENIED,
    "keys-command-missing": DENIED,
    "keys-command-overridden": DENIED,
    "keys-user-missing": DENIED,
    "sshd-other-port": REFUSED,
    "sshd-not-running": REFUSED,
    "sg-no-rule": WORKS,
    "sg-narrow-cidr": WORKS,
    "sg-wrong-port-range": WORKS,
    "sg-udp-only": WORKS,
    "prefix-list-wrong-family": WORKS,
    "acl-deny-inbound": WORKS,
    "acl-no-ephemeral-outbound": WORKS,
    "nacl-narrow-ephemeral": WORKS,
    "no-public-address": WORKS,
    "no-route-to-gateway": WORKS,
    "gateway-detached": WORKS,
    "blackhole-route": WORKS,
    "iam-implicit-deny": NOT_PUSHED,
    "iam-explicit-deny": NOT_PUSHED,
    "iam-osuser-mismatch": NOT_PUSHED,
    "ssm-unmanaged": WORKS,
    "ssm-connection-lost": WORKS,
}
running: RunningLab


def setUpModule() -> None:
    global running
    running = RunningLab()


def tearDownModule() -> None:
    running.stop()


def login(instance_id: str, **order: object) -> str:
    done = running.ask("POST", f"/instance/{instance_id}/login", order)
    if not done["pushed"] and order.get("push", True):
        return NOT_PUSHED
    if done["returncode"] == 0:
        return WORKS
    said = base64.b64decode(done["stderr_b64"]).decode()
    return next((word for word in (DENIED, REFUSED) if word in said), said)


class OneInstance(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.made = running.scenario()
        cls.id = cls.made["instance_id"]
        env = cls.made["env"]
        cls.ssm = boto3.client(
            "ssm", region_name=cls.made["region"], endpoint_url=running.endpoint, config=Config(retries={"total_max_attempts": 1}),
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    @classmethod
    def tearDownClass(cls) -> None:
        running.ask("DELETE", f"/scenario/{cls.id}")

    def run_command(self, *commands: str, **parameters: list[str]) -> dict:
        sent = self.ssm.send_command(
            InstanceIds=[self.id], DocumentName="AWS-RunShellScript", Parameters={"commands": list(commands), **parameters}
        )["Command"]["CommandId"]
        end = time.monotonic() + 20
        seen = []
        while True:
            try:
                answer = self.ssm.get_command_invocation(CommandId=sent, InstanceId=self.id)
                seen.append(answer["Status"])
            except ClientError as early:
                self.assertEqual(early.response["Error"]["Code"], "InvocationDoesNotExist")
                seen.append("InvocationDoesNotExist")
                continue
            if answer["Status"] not in ("Pending", "InProgress"):
                return {**answer, "seen": seen}
            self.assertLess(time.monotonic(), end)

    def test_the_metadata_service_tells_the_same_instance_id(self) -> None:
        script = (
            "token=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token);"
            'curl -s -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/instance-id'
        )
        self.assertEqual(running.exec(self.id, "sh", "-c", script), (0, self.id))

    def test_a_login_works_with_a_pushed_key_only(self) -> None:
        self.assertEqual(login(self.id, push=False), DENIED)
        self.assertEqual(login(self.id), WORKS)
        self.assertEqual(login(self.id, **{"as": "connector"}), WORKS)
        self.assertEqual(login(self.id, **{"as": "connector", "os_user": "root"}), NOT_PUSHED)

    def test_run_command_really_runs_as_root_and_shows_its_course(self) -> None:
        answer = self.run_command("id -u", "echo to-stderr >&2", "sleep 1.2", "exit 3")
        self.assertEqual((answer["Status"], answer["ResponseCode"]), ("Failed", 3))
        self.assertEqual((answer["StandardOutputContent"], answer["StandardErrorContent"]), ("0\n", "to-stderr\n"))
        self.assertEqual(answer["seen"][0], "InvocationDoesNotExist")
        self.assertIn("InProgress", answer["seen"])

    def test_an_interpreter_line_counts(self) -> None:
        self.assertEqual(self.run_command("#!/bin/bash", 'echo "${BASH##*/}"')["StandardOutputContent"], "bash\n")

    def test_outputs_are_cut_where_aws_cuts_them(self) -> None:
        answer = self.run_command("seq 1 20000", "seq 1 20000 >&2")
        self.assertEqual((len(answer["StandardOutputContent"]), len(answer["StandardErrorContent"])), (24000, 8000))
        self.assertTrue(answer["StandardOutputContent"].endswith("--output truncated--"))
        listed = self.ssm.list_command_invocations(CommandId=answer["CommandId"], Details=True)["CommandInvocations"][0]
        self.assertEqual(len(listed["CommandPlugins"][0]["Output"]), 2500)

    def test_an_answer_can_be_cut_without_a_mark(self) -> None:
        running.ask("POST", f"/instance/{self.id}/node", {"command_cut": 5})
        self.addCleanup(running.ask, "POST", f"/instance/{self.id}/node", {"command_cut": None})
        self.assertEqual(self.run_command("echo 0123456789")["StandardOutputContent"], "01234")

    def test_a_command_that_takes_too_long_is_timed_out(self) -> None:
        answer = self.run_command("sleep 30", executionTimeout=["1"])
        self.assertEqual((answer["Status"], answer["StatusDetails"]), ("TimedOut", "ExecutionTimedOut"))

    def test_a_file_can_be_put_into_the_instance(self) -> None:
        order = {"source": "/bin/true", "target": "/usr/bin/eic-doctor-test"}
        running.ask("POST", f"/instance/{self.id}/file", order)
        self.assertEqual(running.exec(self.id, "stat", "-c", "%a", "/usr/bin/eic-doctor-test"), (0, "755\n"))

    def test_an_api_change_of_the_metadata_options_reaches_the_instance(self) -> None:
        made = running.scenario()
        running.ask("POST", "/fault", {"instance_id": made["instance_id"], "name": "metadata-endpoint-disabled"})
        _, status = running.exec(
            made["instance_id"], "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://169.254.169.254/latest/meta-data/"
        )
        running.ask("DELETE", f"/scenario/{made['instance_id']}")
        self.assertEqual(status, "403")


class Faults(unittest.TestCase):
    def test_every_fault_has_the_effect_on_a_real_login_that_it_should(self) -> None:
        names = [fault["name"] for fault in running.ask("GET", "/faults")]
        self.assertEqual(sorted(names), sorted(LOGIN))

        def outcome(name: str) -> str:
            made = running.scenario(fault=name)
            try:
                return login(made["instance_id"], **{"as": "connector"})
            finally:
                running.ask("DELETE", f"/scenario/{made['instance_id']}")

        with ThreadPoolExecutor(max_workers=4) as pool:
            found = dict(zip(names, pool.map(outcome, names)))
        self.assertEqual(found, LOGIN)


class End(unittest.TestCase):
    def test_a_killed_daemon_takes_everything_along(self) -> None:
        other = RunningLab()
        other.scenario()
        pids = descendants(other.place["pid"])
        self.assertGreater(len(pids), 5)
        watched = watch(pids)
        os.kill(other.place["pid"], signal.SIGKILL)
        other.stop()
        for pid, descriptor in watched.items():
            # A pidfd becomes readable when its process ends.
            self.assertTrue(ended(descriptor, 10), f"process {pid} outlived the lab")
            os.close(descriptor)
        subprocess.run(["rm", "-r", other.place["dir"]], check=True)

    def test_the_end_of_standard_input_leaves_nothing(self) -> None:
        other = RunningLab()
        other.scenario()
        watched = watch(descendants(other.place["pid"]))
        self.assertEqual(other.stop(), 0)
        self.assertTrue(all(ended(descriptor, 10) for descriptor in watched.values()))
        self.assertFalse(Path(other.place["dir"]).exists())

    def test_up_and_down_leave_nothing(self) -> None:
        directory = Path(f"/tmp/eic-doctor-lab-test-{os.getpid()}")
        command = [sys.executable, "-B", str(Path(lab.__file__)), "--dir", str(directory)]
        subprocess.run([*command, "up"], check=True, capture_output=True)
        made = subprocess.run([*command, "instance", "create", "--json", '{"machine": false}'], check=True, capture_output=True)
        self.assertIn(b'"instance_id"', made.stdout)
        exports = subprocess.run([*command, "env"], check=True, capture_output=True, text=True).stdout
        self.assertIn("export AWS_ENDPOINT_URL=http://127.0.0.1:", exports)
        subprocess.run([*command, "down"], check=True, capture_output=True)
        self.assertFalse(directory.exists())


def descendants(pid: int) -> list[int]:
    """Threads and processes come and go meanwhile; one that has ended has no children any more."""
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                children = (task / "children").read_text(encoding="ascii")
            except (FileNotFoundError, ProcessLookupError):
                continue
            for child in children.split():
                found += [int(child), *descendants(int(child))]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def watch(pids: list[int]) -> dict[int, int]:
    """A pidfd for each that is still there."""
    watched = {}
    for pid in pids:
        try:
            watched[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
    return watched


def ended(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


if __name__ == "__main__":
    unittest.main()
