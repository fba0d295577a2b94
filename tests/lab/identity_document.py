"""Signs instance identity documents as AWS does a Region's, with a certificate that one lab has for all its Regions.

The shape is AWS's `rsa2048`: PKCS #7 in BER (indefinite lengths, the content in pieces), the document inside, no certificate.
"""

from __future__ import annotations

import base64
import fcntl
from dataclasses import dataclass, field
from pathlib import Path

from signer import openssl


@dataclass
class Signer:
    """Key and certificate, as files in one directory."""

    directory: Path
    _signed: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def certificate(self) -> Path:
        return self.directory / "certificate.pem"

    def fingerprint(self) -> str:
        """SHA-256, as a pin in the coordinator's configuration has it."""
        text = openssl("x509", "-in", str(self.certificate), "-noout", "-fingerprint", "-sha256").decode()
        return text.strip().partition("=")[2].replace(":", "").lower()

    def rsa2048(self, document: bytes) -> bytes:
        """What IMDS serves: base64 in lines, without the header that PEM has. One document has one signature."""
        if document not in self._signed:
            message = openssl(
                "cms", "-sign", "-binary", "-stream", "-nodetach", "-nocerts", "-md", "sha256", "-outform", "DER",
                "-signer", str(self.certificate), "-inkey", str(self.directory / "key.pem"), stdin=document,
            )  # fmt: skip
            self._signed[document] = base64.encodebytes(message).rstrip(b"\n")
        return self._signed[document]


def in_directory(directory: Path) -> Signer:
    """The signer there, made by whoever comes first."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    signer = Signer(directory)
    with open(directory / "lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not signer.certificate.exists():
            key, made = directory / "key.pem", directory / "making.pem"
            openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key))
            subject = "/C=US/ST=Washington State/L=Seattle/O=EIC Doctor lab, instance identity"
            openssl("req", "-x509", "-new", "-key", str(key), "-sha256", "-days", "30", "-subj", subject, "-out", str(made))
            made.rename(signer.certificate)
    return signer
