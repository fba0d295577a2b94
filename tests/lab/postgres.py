"""A PostgreSQL that asks for a password and proves by a certificate who it is, as one in a cloud does. Needs root and PostgreSQL's server."""

from __future__ import annotations

import secrets
import socket
import subprocess
from pathlib import Path

NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def certificate(folder: Path, name: str, *extensions: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    path, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-subj", f"/CN={name}",
         *(part for one in extensions for part in ("-addext", one)), "-keyout", key, "-out", path],
        check=True, capture_output=True,
    )  # fmt: skip
    return path, key


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Postgres:
    def __init__(self, folder: Path) -> None:
        self.port, self.password = free_port(), secrets.token_hex(16)
        self.certificate, key = certificate(folder, "localhost", "subjectAltName=DNS:localhost", "basicConstraints=critical,CA:false")
        word = folder / "password"
        word.write_text(self.password)
        for path in (folder, key, word):
            subprocess.run(["chown", "nobody:nogroup", path], check=True)
        programs = max(Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name)) / "bin"
        data = folder / "data"
        subprocess.run(
            [*NOBODY, programs / "initdb", "--no-sync", "-A", "scram-sha-256", "--pwfile", word, "-E", "UTF8", "--locale=C", "-U", "eic", "-D", data],
            check=True, stdout=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "fsync": "off", "ssl": "on",
            "ssl_cert_file": self.certificate, "ssl_key_file": key, "lc_messages": "C",
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # It ends with this process, however that ends.
        self._process = subprocess.Popen(
            [*NOBODY, "--pdeathsig", "INT", programs / "postgres", "-D", data, *options], cwd=folder, stderr=subprocess.PIPE, text=True
        )
        said = []
        for line in self._process.stderr:
            said.append(line)
            if "database system is ready" in line:
                return
        raise AssertionError("".join(said))

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)
