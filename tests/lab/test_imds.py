"""The metadata service answers as IMDSv2 does. Needs openssl, but no root."""

from __future__ import annotations

import base64
import http.client
import json
import tempfile
import threading
import unittest
from pathlib import Path

import identity_document
import imds
import signer

INSTANCE = "i-0123456789abcdef0"
SETTINGS = {
    "account_id": "123456789012",
    "availability_zone": "eu-west-1a",
    "domain": "amazonaws.com",
    "hop_limit": 2,
    "http_endpoint": "enabled",
    "http_tokens": "required",
    "image_id": "ami-0123456789abcdef0",
    "instance_id": INSTANCE,
    "instance_type": "t3.micro",
    "ipv6": None,
    "mac": "02:00:0a:00:01:05",
    "pending_time": "2026-11-01T00:00:00Z",
    "private_ipv4": "10.0.1.5",
    "public_ipv4": None,
    "region": "eu-west-1",
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
ACTIVE = "/latest/meta-data/managed-ssh-keys/active-keys/ec2-user/"
TTL = imds.TOKEN_TTL_HEADER


class MetadataService(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.identity = identity_document.in_directory(Path(cls.directory.name) / "identity")
        cls.authority = signer.create(Path(cls.directory.name) / "authority", "eu-west-1", "amazonaws.com")

    def setUp(self) -> None:
        self.now = 1000.0
        self.service = imds.Service(dict(SETTINGS), self.authority, self.authority.staples(), self.identity, lambda: self.now)
        self.server = imds.Server(("127.0.0.1", 0), type("Bound", (imds.Handler,), {"service": self.service}))
        self.port = self.server.socket.getsockname()[1]
        serving = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(serving.join)
        self.addCleanup(self.server.shutdown)

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        answer = response.status, response.read(), dict(response.getheaders())
        connection.close()
        return answer

    def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        token = self.ask("PUT", "/latest/api/token", **{TTL: "60"})[1].decode()
        return self.ask(method, path, **{imds.TOKEN_HEADER: token})[:2]

    def test_a_token_needs_a_ttl_between_1_second_and_6_hours(self) -> None:
        for ttl in ("1", "21600"):
            self.assertEqual(self.ask("PUT", "/latest/api/token", **{TTL: ttl})[0], 200, ttl)
        for ttl in ("0", "21601", "-1", "x", "9" * 5000):
            self.assertEqual(self.ask("PUT", "/latest/api/token", **{TTL: ttl})[0], 400, ttl[:9])
        self.assertEqual(self.ask("PUT", "/latest/api/token")[0], 400)

    def test_a_proxied_request_gets_no_token(self) -> None:
        self.assertEqual(self.ask("PUT", "/latest/api/token", X_Forwarded_For="10.0.0.1", **{TTL: "5"})[0], 403)

    def test_without_a_good_token_nothing_is_told(self) -> None:
        path = "/latest/meta-data/instance-id/"
        self.assertEqual(self.ask("GET", path)[0], 401)
        self.assertEqual(self.ask("GET", path, **{imds.TOKEN_HEADER: "wrong"})[0], 401)
        token = self.ask("PUT", "/latest/api/token", **{TTL: "5"})[1].decode()
        self.assertEqual(self.ask("GET", path, **{imds.TOKEN_HEADER: token})[:2], (200, INSTANCE.encode()))
        self.now += 5
        self.assertEqual(self.ask("GET", path, **{imds.TOKEN_HEADER: token})[0], 401)

    def test_with_optional_tokens_version_1_works_and_a_bad_token_does_not(self) -> None:
        self.service.settings["http_tokens"] = "optional"
        self.assertEqual(self.ask("GET", "/latest/meta-data/instance-id")[0], 200)
        self.assertEqual(self.ask("GET", "/latest/meta-data/instance-id", **{imds.TOKEN_HEADER: "wrong"})[0], 401)

    def test_a_disabled_endpoint_forbids_everything(self) -> None:
        self.service.settings["http_endpoint"] = "disabled"
        self.assertEqual(self.ask("PUT", "/latest/api/token", **{TTL: "5"})[0], 403)
        self.assertEqual(self.ask("GET", "/latest/meta-data/instance-id")[0], 403)

    def test_known_paths_are_answered_and_others_are_not_found(self) -> None:
        for path, body in {
            "ami-id": b"ami-0123456789abcdef0",
            "instance-type": b"t3.micro",
            "local-ipv4": b"10.0.1.5",
            "mac": b"02:00:0a:00:01:05",
            "placement/availability-zone/": b"eu-west-1a",
            "placement/region": b"eu-west-1",
            "services/domain/": b"amazonaws.com",
            "services/partition": b"aws",
        }.items():
            self.assertEqual(self.get(f"/latest/meta-data/{path}"), (200, body), path)
        for path in ("iam/", "iam/info", "public-ipv4", "nonsense", "managed-ssh-keys/active-keys/"):
            self.assertEqual(self.get(f"/latest/meta-data/{path}")[0], 404, path)
        for path in ("document", "signature", "pkcs7", "rsa2048"):
            status = 200 if path in ("document", "rsa2048") else 404
            self.assertEqual(self.get(f"/latest/dynamic/instance-identity/{path}")[0], status, path)

    def document(self) -> bytes:
        return self.get("/latest/dynamic/instance-identity/document")[1]

    def rsa2048(self) -> bytes:
        return self.get("/latest/dynamic/instance-identity/rsa2048")[1]

    def verify(self, message: bytes) -> bytes:
        """The content, if openssl finds the signature to be the lab's."""
        path = Path(self.directory.name) / "message"
        path.write_bytes(message)
        return signer.openssl(
            "cms", "-verify", "-binary", "-inform", "DER", "-in", str(path), "-noverify", "-nointern",
            "-certfile", str(self.identity.certificate),
        )  # fmt: skip

    def test_the_identity_document_is_signed_in_the_shape_that_aws_s_signature_has(self) -> None:
        text = self.rsa2048()
        message = base64.b64decode(text)
        self.assertEqual(self.verify(message), self.document())
        # Indefinite lengths, the content in pieces: BER. No certificate, and lines without PEM's header.
        self.assertEqual(message[:4], bytes.fromhex("30800609"))
        self.assertIn(bytes.fromhex("a080248004"), message)
        self.assertNotIn(b"BEGIN", text)
        self.assertLess(len(message), 1600)
        self.assertEqual(self.rsa2048(), text)
        listed = self.get("/latest/dynamic/instance-identity/")[1]
        self.assertEqual(listed, b"document\nrsa2048")

    def test_a_new_start_renews_document_and_signature(self) -> None:
        before, signature = self.document(), self.rsa2048()
        self.service.settings["pending_time"] = "2026-11-02T00:00:00Z"
        self.assertEqual(json.loads(self.document())["pendingTime"], "2026-11-02T00:00:00Z")
        self.assertNotEqual(self.rsa2048(), signature)
        self.assertEqual(self.verify(base64.b64decode(self.rsa2048())), self.document())
        self.assertNotEqual(self.document(), before)

    def test_one_directory_has_one_signer_and_another_has_another(self) -> None:
        again = identity_document.in_directory(self.identity.directory)
        self.assertEqual(again.fingerprint(), self.identity.fingerprint())
        self.assertRegex(again.fingerprint(), "^[0-9a-f]{64}$")
        other = identity_document.in_directory(Path(self.directory.name) / "other")
        self.assertNotEqual(other.fingerprint(), self.identity.fingerprint())
        self.identity, theirs = other, self.rsa2048()
        with self.assertRaises(RuntimeError):
            self.verify(base64.b64decode(theirs))

    def test_an_instance_with_a_profile_has_its_role_s_credentials(self) -> None:
        self.service.settings["role"] = {
            "name": "web", "access_key": "ASIAEXAMPLE", "secret_key": "secret", "session_token": "token",
            "profile_arn": "arn:aws:iam::123456789012:instance-profile/web", "profile_id": "AIPAEXAMPLE",
        }  # fmt: skip
        base = "/latest/meta-data/iam/"
        self.assertEqual(self.get(base), (200, b"info\nsecurity-credentials/"))
        self.assertEqual(self.get(base + "security-credentials/"), (200, b"web"))
        told = json.loads(self.get(base + "security-credentials/web")[1])
        self.assertEqual(
            {name: told[name] for name in ("Code", "Type", "AccessKeyId", "SecretAccessKey", "Token")},
            {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "secret", "Token": "token"},
        )
        self.assertGreater(told["Expiration"], told["LastUpdated"])
        info = json.loads(self.get(base + "info")[1])
        self.assertEqual(info["InstanceProfileArn"], "arn:aws:iam::123456789012:instance-profile/web")
        self.assertEqual(self.get(base + "security-credentials/other")[0], 404)

    def test_a_directory_lists_what_is_in_it(self) -> None:
        self.assertEqual(self.get("/latest/meta-data/placement/"), (200, b"availability-zone\nregion"))
        self.assertIn(b"placement/\n", self.get("/latest/meta-data/")[1])

    def test_it_names_itself_and_the_time(self) -> None:
        headers = self.ask("GET", "/latest/meta-data/")[2]
        self.assertEqual(headers["Server"], "EC2ws")
        self.assertRegex(headers["Date"], "GMT$")

    def test_a_pushed_key_is_there_for_sixty_seconds_and_for_its_user_only(self) -> None:
        self.assertEqual(self.get(ACTIVE, "HEAD")[0], 404)
        self.service.push("ec2-user", KEY, "arn:aws:iam::123456789012:user/operator", "request")
        self.now += 59.9
        self.assertEqual(self.get(ACTIVE, "HEAD"), (200, b""))
        body = self.get(ACTIVE)[1].decode().splitlines()
        self.assertEqual(body[1:5], [f"#Instance={INSTANCE}", "#Caller=arn:aws:iam::123456789012:user/operator",
                                     "#Request=request", KEY])  # fmt: skip
        self.assertEqual(self.get(ACTIVE.replace("ec2-user", "root"), "HEAD")[0], 404)
        self.now += 0.1
        self.assertEqual(self.get(ACTIVE, "HEAD")[0], 404)

    def test_every_certificate_of_the_chain_has_its_staple(self) -> None:
        chain = self.get("/latest/meta-data/managed-ssh-keys/signer-cert/")[1]
        names = self.get("/latest/meta-data/managed-ssh-keys/signer-ocsp/")[1].decode().split()
        self.assertEqual(chain.count(b"BEGIN CERTIFICATE"), len(names))
        for name in names:
            self.assertRegex(name, "^[0-9a-f]{40}$")
            self.assertEqual(self.get(f"/latest/meta-data/managed-ssh-keys/signer-ocsp/{name}")[0], 200)


if __name__ == "__main__":
    unittest.main()
