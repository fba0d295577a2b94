"""Signs what the metadata service serves below managed-ssh-keys/, with a test authority of the lab.

The shape is the one EC2 Instance Connect's keys command checks on the instance: a signer certificate with its
intermediate, an OCSP response for each, and an RSA-PSS signature under every pushed key.
"""

from __future__ import annotations

import base64
import datetime
import fcntl
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

EXTENSIONS = """
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[intermediate]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
"""


@dataclass
class Authority:
    """Root, intermediate and signer, as files in one directory."""

    directory: Path

    @property
    def root(self) -> Path:
        return self.directory / "root.pem"

    def chain(self) -> bytes:
        return (self.directory / "leaf.pem").read_bytes() + (self.directory / "intermediate.pem").read_bytes()

    def staples(self) -> dict[str, bytes]:
        """OCSP responses in base64, by the SHA-1 fingerprint of the certificate they speak of."""
        found = {}
        for name in ("leaf", "intermediate"):
            fingerprint = openssl("x509", "-in", self._file(f"{name}.pem"), "-noout", "-fingerprint", "-sha1").decode()
            key = fingerprint.strip().partition("=")[2].replace(":", "").lower()
            found[key] = base64.encodebytes((self.directory / f"{name}.ocsp").read_bytes())
        return found

    def restaple(self, seconds: int) -> None:
        """Makes the OCSP responses anew, as by a responder whose clock is this far ahead: openssl's has no such option."""
        # Needed by few tests, and slow to load.
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.x509 import load_pem_x509_certificate, ocsp

        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        for name, issuer in (("intermediate", "root"), ("leaf", "intermediate")):
            by = load_pem_x509_certificate((self.directory / f"{issuer}.pem").read_bytes())
            key = serialization.load_pem_private_key((self.directory / f"{issuer}.key").read_bytes(), None)
            response = ocsp.OCSPResponseBuilder().add_response(
                load_pem_x509_certificate((self.directory / f"{name}.pem").read_bytes()), by, hashes.SHA1(),
                ocsp.OCSPCertStatus.GOOD, now, now + datetime.timedelta(days=7), None, None,
            ).responder_id(ocsp.OCSPResponderEncoding.NAME, by).sign(key, hashes.SHA256())  # fmt: skip
            (self.directory / f"{name}.ocsp").write_bytes(response.public_bytes(serialization.Encoding.DER))

    def sign(self, data: bytes) -> bytes:
        return openssl(
            "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32",
            "-sign", self._file("leaf.key"), stdin=data,
        )  # fmt: skip

    def _file(self, name: str) -> str:
        return str(self.directory / name)


def create(directory: Path, region: str, domain: str) -> Authority:
    directory.mkdir(mode=0o700)
    authority = Authority(directory)
    (directory / "extensions").write_text(EXTENSIONS, encoding="ascii")
    # Only the signer's key must be RSA (its signatures are RSA-PSS); the others are EC because that takes no time.
    for name in ("root", "intermediate"):
        _generate_key(directory / f"{name}.key", "EC", "ec_paramgen_curve:P-256")
    _generate_key(directory / "leaf.key", "RSA", "rsa_keygen_bits:2048")
    _issue(directory, "root", "root", "/CN=EIC Doctor lab root")
    _issue(directory, "intermediate", "root", "/CN=EIC Doctor lab intermediate")
    _issue(directory, "leaf", "intermediate", f"/CN=managed-ssh-signer.{region}.{domain}")
    _staple(directory, "intermediate", "root")
    _staple(directory, "leaf", "intermediate")
    return authority


def copy_of_kept(kept: Path, directory: Path, region: str, domain: str) -> Authority:
    """One made once for all machines of a Region below `kept`, by whoever comes first: a key takes a boot's time to make."""
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = kept / f"{region}.{domain}"
    with open(kept / "lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            making = kept / "making"
            shutil.rmtree(making, ignore_errors=True)
            create(making, region, domain).directory.rename(made)
    shutil.copytree(made, directory)
    return Authority(directory)


def blob(authority: Authority, instance_id: str, caller: str, request: str, key: str, expires: int) -> bytes:
    """One pushed key as active-keys serves it: four comment lines and the key, signed together, then the signature."""
    signed = (
        f"#Timestamp={expires}\n#Instance={instance_id}\n#Caller={caller}\n#Request={request}\n{key.strip()}\n"
    ).encode()
    return signed + base64.b64encode(authority.sign(signed)) + b"\n"


def _generate_key(path: Path, algorithm: str, option: str) -> None:
    openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", str(path))


def _issue(directory: Path, name: str, issuer: str, subject: str) -> None:
    request = openssl("req", "-new", "-key", str(directory / f"{name}.key"), "-subj", subject)
    by = ["-key", str(directory / f"{name}.key")] if issuer == name else [
        "-CA", str(directory / f"{issuer}.pem"), "-CAkey", str(directory / f"{issuer}.key"),
    ]  # fmt: skip
    certificate = openssl(
        "x509", "-req", "-days", "30", "-sha256", *by, "-set_serial", str(_serial(name)),
        "-extfile", str(directory / "extensions"), "-extensions", name, stdin=request,
    )  # fmt: skip
    (directory / f"{name}.pem").write_bytes(certificate)


def _staple(directory: Path, name: str, issuer: str) -> None:
    # The index is openssl-ca's database: status, expiry, revocation, serial, file, subject.
    expiry = time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() + 30 * 86400))
    index = directory / f"{name}.index"
    index.write_text(f"V\t{expiry}\t\t{_serial(name):02X}\tunknown\t/CN={name}\n", encoding="ascii")
    issuer_files = str(directory / f"{issuer}.pem"), str(directory / f"{issuer}.key")
    openssl(
        "ocsp", "-index", str(index), "-CA", issuer_files[0], "-rsigner", issuer_files[0], "-rkey", issuer_files[1],
        "-issuer", issuer_files[0], "-cert", str(directory / f"{name}.pem"), "-ndays", "7", "-no_nonce",
        "-respout", str(directory / f"{name}.ocsp"),
    )  # fmt: skip


def _serial(name: str) -> int:
    return {"root": 0x11, "intermediate": 0x12, "leaf": 0x13}[name]


def openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    environment = {**os.environ, "OPENSSL_CONF": "/dev/null"}
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=False, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
