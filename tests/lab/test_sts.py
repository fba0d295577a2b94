"""STS as the lab answers for it: a request that an instance's role signed is believed only as it was signed. No machine is booted.

Run by `python3 tests/lab/test_sts.py` after `tests/lab/setup.sh`.
"""

from __future__ import annotations

import datetime
import http.client
import json
import time
import unittest
from pathlib import Path
from urllib.parse import urlsplit

import lab

if __name__ == "__main__":
    lab.into_environment(Path(__file__))

import aws_case
from aws_case import AwsTest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

setUpModule, tearDownModule = aws_case.start, aws_case.stop

BODY = "Action=GetCallerIdentity&Version=2011-06-15"
CHALLENGE = "x-eic-doctor-challenge"


class GetCallerIdentity(AwsTest):
    spec = {"role": True}

    def setUp(self) -> None:
        super().setUp()
        self.role = self.made["instance_role"]

    def signed(self, challenge: str = "ab" * 32, offset: int = 0, **credentials: str) -> dict[str, str]:
        """The headers of a request as an agent signs it."""
        keys = {**self.role, **credentials}
        request = AWSRequest("POST", f"https://sts.{self.region}.amazonaws.com/", data=BODY, headers={
            "Host": f"sts.{self.region}.amazonaws.com", "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            CHALLENGE: challenge,
        })  # fmt: skip
        auth = SigV4Auth(Credentials(keys["access_key"], keys["secret_key"], keys["session_token"]), "sts", self.region)
        at = datetime.datetime.fromtimestamp(time.time() + offset, datetime.timezone.utc)
        request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        request.headers["X-Amz-Security-Token"] = keys["session_token"]
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        names = auth.signed_headers(auth.headers_to_sign(request))
        scope = f"{keys['access_key']}/{auth.credential_scope(request)}"
        request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
        return dict(request.headers.items())

    def post(self, headers: dict[str, str], body: str = BODY, accept: str = "application/json") -> tuple[int, bytes]:
        place = urlsplit(aws_case.running.endpoint)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
        connection.request("POST", "/", body, {**headers, "Accept": accept})
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    def refused(self, headers: dict[str, str], **how: str) -> str:
        status, body = self.post(headers, **how)
        self.assertEqual(status, 403, body)
        return json.loads(body)["Error"]["Code"]

    def test_a_request_that_the_instance_s_role_signed_names_the_instance(self) -> None:
        status, body = self.post(self.signed())
        self.assertEqual(status, 200, body)
        told = json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
        arn = f"arn:aws:sts::{self.made['account_id']}:assumed-role/{self.role['name']}/{self.id}"
        self.assertEqual((told["Account"], told["Arn"]), (self.made["account_id"], arn))
        self.assertTrue(told["UserId"].endswith(f":{self.id}"))
        self.assertIn(arn.encode(), self.post(self.signed(), accept="text/xml")[1])

    def test_the_challenge_is_part_of_what_is_signed(self) -> None:
        headers = self.signed()
        self.assertEqual(self.refused({**headers, CHALLENGE: "cd" * 32}), "SignatureDoesNotMatch")
        del headers[CHALLENGE]
        self.assertEqual(self.refused(headers), "SignatureDoesNotMatch")

    def test_another_body_host_key_or_token_is_refused(self) -> None:
        self.assertEqual(self.refused(self.signed(), body=BODY + "&x=1"), "SignatureDoesNotMatch")
        self.assertEqual(self.refused({**self.signed(), "Host": "sts.eu-west-2.amazonaws.com"}), "SignatureDoesNotMatch")
        self.assertEqual(self.refused(self.signed(secret_key="wrong")), "SignatureDoesNotMatch")
        self.assertEqual(self.refused(self.signed(session_token="wrong")), "InvalidClientTokenId")

    def test_a_request_of_another_time_is_refused(self) -> None:
        for offset in (-16 * 60, 16 * 60):
            self.assertEqual(self.refused(self.signed(offset=offset)), "SignatureDoesNotMatch")
        for offset in (-14 * 60, 14 * 60):
            self.assertEqual(self.post(self.signed(offset=offset))[0], 200)

    def test_boto3_signs_so_too(self) -> None:
        self.assertTrue(self.client("sts", self.role).get_caller_identity()["Arn"].endswith(self.id))
        self.assertEqual(
            self.error(self.client("sts", {**self.role, "secret_key": "wrong"}).get_caller_identity)[0], "SignatureDoesNotMatch"
        )

    def test_ec2_says_that_the_instance_has_the_profile(self) -> None:
        instance = self.client("ec2").describe_instances(InstanceIds=[self.id])["Reservations"][0]["Instances"][0]
        self.assertEqual(instance["IamInstanceProfile"]["Arn"], self.role["profile_arn"])

    def test_launch_time_is_that_of_the_last_start(self) -> None:
        ec2 = self.client("ec2")

        def launched() -> datetime.datetime:
            return ec2.describe_instances(InstanceIds=[self.id])["Reservations"][0]["Instances"][0]["LaunchTime"]

        before = launched()
        # EC2 tells whole seconds: a start in the same second looks the same.
        for _ in range(500):
            ec2.stop_instances(InstanceIds=[self.id])
            ec2.start_instances(InstanceIds=[self.id])
            if launched() > before:
                break
        self.assertGreater(launched(), before)

    def test_the_certificate_of_the_identity_documents_is_told(self) -> None:
        told = aws_case.running.ask("GET", "/identity")
        self.assertIn("BEGIN CERTIFICATE", told["certificate"])
        self.assertEqual(told, aws_case.running.ask("GET", "/identity"))


if __name__ == "__main__":
    unittest.main()
