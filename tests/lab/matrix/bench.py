"""Carries one row out on a fresh instance: break, log in, ask the agent, mend with what it printed, log in again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import debian
from base import ARCHIVE, Base
from machine import Completed, Machine, MachineSpec
from matrix.row import CLIENT, CLIENT_IPV6, Login, Row

AGENT = "/usr/bin/eic-doctor-agent"
# Two runs of the keys command, 5 s each, and room for a busy machine.
LOGIN_TIMEOUT = 30.0
AGENT_TIMEOUT = 30.0
# A client that nobody answers gives up after this many seconds; one that should be answered is more patient.
UNREACHED_TIMEOUT = 2
PATIENCE = 10

# What it warns of is true of the machine that the lab runs on: how busy it is.
NOT_THE_ROWS = frozenset({"os.host.resources"})
# A remedy for whoever connects.
DIAL = "aws ec2-instance-connect ssh "

# Seconds within which sshd has started itself anew.
SETTLING = 1.0

# What a client prints that sshd never spoke to.
NEVER_ANSWERED = (
    "Connection refused", "timed out", "No route to host", "Network is unreachable", "kex_exchange_identification",
    "Connection reset",
)  # fmt: skip

# The family's platform on AWS's list: Ubuntu, whose package the lab's one stands for.
SYSTEM = """
set -eu
rm -f /etc/os-release
cat >/etc/os-release <<END
NAME="Ubuntu"
ID=ubuntu
ID_LIKE=debian
PRETTY_NAME="Ubuntu $1 LTS"
VERSION_ID="$1"
VERSION_CODENAME=$2
END
"""
# How a finding says that it is not about the key.
AFTER_THE_KEY = ("accepted", "after the key")

# The distribution's archive, with the package in it: FIELDS of its entry.
SOURCES = f"""
set -eu
cat >{ARCHIVE}/package.deb
printf '%s\\n' "$1" >>{ARCHIVE}/Packages
echo 'deb [trusted=yes] file:{ARCHIVE} ./' >/etc/apt/sources.list
rm -f /etc/apt/sources.list.d/*
apt-get update --quiet --quiet
"""


@dataclass
class Outcome:
    row: Row
    # What the first login came to.
    login: Login | None = None
    causes: frozenset[str] = frozenset()
    connectable: str = ""
    remedy: str = "-"
    complaints: list[str] = field(default_factory=list)
    seconds: float = 0.0
    # For a person who looks into a row: what the client said, and the reports.
    client: str = ""
    reports: list[dict[str, Any]] = field(default_factory=list)


class Bench:
    """What the rows share. Rows may be run from several threads."""

    def __init__(self, agent: Path, workdir: Path) -> None:
        self._agent = agent
        self._base = Base.ready()
        self._workdir = workdir
        for kind, options in (("ed25519", []), ("rsa", ["-b", "2048"]), ("ecdsa", [])):
            path = str(workdir / kind)
            subprocess.run(["ssh-keygen", "-q", "-t", kind, *options, "-N", "", "-f", path], check=True)
        # Built once, before the threads ask for it.
        debian.package(debian.Platform.usual_version)

    def run(self, row: Row) -> Outcome:
        outcome = Outcome(row)
        started = time.monotonic()
        try:
            with Machine(self._spec(row), self._base, self._workdir) as machine:
                _Trial(self, machine, outcome).run()
        except Exception as error:
            outcome.complaints.append(f"{type(error).__name__}: {error}")
        outcome.seconds = time.monotonic() - started
        return outcome

    def key(self, row: Row) -> Path:
        return self._workdir / row.key

    def agent(self) -> Path:
        return self._agent

    def package(self) -> bytes:
        return debian.package(debian.Platform.usual_version)

    def _spec(self, row: Row) -> MachineSpec:
        number = int.from_bytes(hashlib.sha256(row.name.encode()).digest()[:8], "big")
        usual = {
            "instance_id": f"i-0{number:016x}", "private_ipv4": "10.0.1.5", "region": "eu-west-1",
            "availability_zone": "eu-west-1a", "account_id": "123456789012",
            "platform": "debian" if row.platform.startswith("ubuntu:") else row.platform,
        }  # fmt: skip
        return MachineSpec(**{**usual, **row.spec})


class _Trial:
    def __init__(self, bench: Bench, machine: Machine, outcome: Outcome) -> None:
        self.bench = bench
        self.machine = machine
        self.outcome = outcome
        self.row = outcome.row

    def run(self) -> None:
        self.machine.install_file(self.bench.agent(), AGENT)
        self._bring_the_client()
        platform, _, version = self.row.platform.partition(":")
        if platform == "ubuntu":
            self.machine.exec(["sh", "-c", SYSTEM, "sh", *version.split()])
        broken = self._sh(self.row.script)
        if broken.returncode != 0:
            return self._complain(f"the script ended with {broken.returncode}: {_text(broken)}")
        self.machine.update_imds(**self.row.imds)
        self.outcome.login = self._log_in()
        if self.outcome.login is not self.row.login:
            self._complain(f"the login {self.outcome.login.value}, not {self.row.login.value}: {self.outcome.client}")
        report = self._ask()
        self.outcome.causes = frozenset(report["root_causes"])
        self.outcome.connectable = report["connectable"]
        self._compare(report)
        if self.row.causes and self.outcome.causes == self.row.causes:
            self._mend(report)

    def _bring_the_client(self) -> None:
        """Gives the client the address that the row's connection comes from, and AWS's side the way back."""
        if self.row.source in (CLIENT, CLIENT_IPV6):
            return
        client = self.machine.client_network()
        vpc = client.removesuffix("client") + "vpc"
        for network, order in (
            (client, f"addr add {self.row.source}/32 dev eth0"),
            (vpc, f"route add {self.row.source}/32 dev client"),
        ):
            subprocess.run(["nsenter", f"--net={network}", "--", "ip", *order.split()], check=True)

    def _log_in(self) -> Login:
        row = self.row
        key = self.bench.key(row)
        if row.pushed_for is not None:
            public_key = key.with_suffix(".pub").read_text(encoding="ascii")
            self.machine.push_key(row.pushed_for or row.os_user, public_key)
        patience = UNREACHED_TIMEOUT if row.login is Login.UNREACHED else PATIENCE
        options = [
            "BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null", f"ConnectTimeout={patience}", "LogLevel=ERROR", *row.client,
        ]  # fmt: skip
        ssh = ["ssh", "-F", "/dev/null", "-i", str(key), "-p", str(row.port)]
        for option in options:
            ssh += ["-o", option]
        if row.source not in (CLIENT, CLIENT_IPV6):
            ssh += ["-b", row.source]
        done = self.machine.client([*ssh, f"{row.os_user}@{row.address}", "whoami"], timeout=LOGIN_TIMEOUT)
        self.outcome.client = _text(done)
        login = _login(done, row.os_user)
        if login is Login.CLOSED and not self._was_accepted():
            return Login.DENIED
        return login

    def _was_accepted(self) -> bool:
        """sshd says so; of PAM's account phase only that it refused, which comes after the key."""
        said = self.machine.exec(["sh", "-c", "journalctl --sync; journalctl --quiet --output=cat --identifier=sshd"]).stdout
        return b"Accepted publickey" in said or b"by PAM account configuration" in said

    def _ask(self) -> dict[str, Any]:
        asked = [AGENT, "check", "--output", "json", *self.row.attempt()]
        done = self.machine.exec(asked, timeout=AGENT_TIMEOUT)
        report = json.loads(done.stdout or "{}")
        if "root_causes" not in report:
            raise ValueError(f"the agent ended with {done.returncode}: {_text(done)}")
        self.outcome.reports.append(report)
        return report

    def _compare(self, report: dict[str, Any]) -> None:
        row = self.row
        by_status: dict[str, dict[str, dict[str, Any]]] = {}
        for result in report["results"]:
            by_status.setdefault(result["status"], {})[result["id"]] = result
        unknown = [f"{result['id']} ({result['why']})" for result in by_status.get("unknown", {}).values() if result["required"]]
        if self.outcome.causes != row.causes:
            self._complain(f"the agent names {_words(self.outcome.causes)}, not {_words(row.causes)}")
        warns = frozenset(by_status.get("warn", {})) - NOT_THE_ROWS
        if row.warns is not None and warns != row.warns:
            self._complain(f"the agent warns of {_words(warns)}, not of {_words(row.warns)}")
        if self.outcome.connectable != row.expected_connectable():
            because = f"; unknown: {', '.join(unknown)}" if unknown else ""
            self._complain(f"connectable: {self.outcome.connectable}, not {row.expected_connectable()}{because}")
        if row.login is Login.CLOSED:
            whys = " ".join(result["why"] for result in by_status.get("fail", {}).values())
            if not any(words in whys for words in AFTER_THE_KEY):
                self._complain("no finding says that the key is accepted first")

    def _mend(self, report: dict[str, Any]) -> None:
        """Pastes each printed command; what has one must be well afterwards, and the login works if all had one."""
        remedies = {result["id"]: result["remedy"]["command"] for result in report["results"] if result["status"] == "fail"}
        commands = {id: command for id, command in remedies.items() if command is not None}
        if self.row.untried is not None:
            self.outcome.remedy = "untried"
            return None
        if not commands:
            self.outcome.remedy = "by hand"
            return None
        for command in commands.values():
            if command.startswith(DIAL):
                self._dial(shlex.split(command.removeprefix(DIAL)))
                continue
            if "apt-get" in command:
                self._bring_the_archive()
            done = self._sh(command)
            if done.returncode != 0:
                return self._complain(f"`{command}` ended with {done.returncode}: {_text(done)}")
        left = frozenset(remedies.keys() - commands.keys())
        if (ill := self._still_ill(frozenset(commands), left)) is not None:
            return self._complain(f"after `{'; '.join(commands.values())}` {ill}")
        if left:
            self.outcome.remedy = "in part"
            return None
        if (login := self._log_in()) is not Login.WORKS:
            ran = "; ".join(commands.values())
            return self._complain(f"after `{ran}` the login {login.value}: {self.outcome.client}")
        self.outcome.remedy = "mended"
        return None

    def _still_ill(self, mended: frozenset[str], left: frozenset[str]) -> str | None:
        """What the agent says against the remedies. A reloaded sshd listens again in its own time, so it is asked for a while."""
        end = time.monotonic() + SETTLING
        while True:
            report = self._ask()
            statuses = {result["id"]: result["status"] for result in report["results"] if result["id"] in mended}
            if statuses.keys() == mended and set(statuses.values()) <= {"ok", "warn"} and frozenset(report["root_causes"]) == left:
                return None
            if time.monotonic() > end:
                return f"the agent names {_words(report['root_causes'])}, and {statuses}"

    def _dial(self, words: list[str]) -> None:
        """What remains to be done at the client's end: `aws ec2-instance-connect ssh` with other options."""
        options = dict(zip(words[::2], words[1::2]))
        if options.pop("--instance-id") != self.machine.spec.instance_id:
            raise ValueError("the remedy is for another instance")
        known = {"--os-user": ("os_user", str), "--ssh-port": ("port", int), "--region": ("", str)}
        for option, text in options.items():
            name, kind = known[option]
            if name:
                self.row = dataclasses.replace(self.row, **{name: kind(text)})

    def _bring_the_archive(self) -> None:
        package = self.bench.package()
        version = debian.Platform.usual_version
        index = "\n".join([
            f"Package: {debian.NAME}", f"Version: {version}", "Architecture: all", "Maintainer: EIC Doctor lab <lab@localhost>",
            "Filename: ./package.deb", f"Size: {len(package)}", f"SHA256: {hashlib.sha256(package).hexdigest()}",
            "Description: EC2 Instance Connect for the lab's instances", "",
        ])  # fmt: skip
        done = self.machine.exec(["sh", "-c", SOURCES, "sh", index], stdin=package)
        if done.returncode != 0:
            raise ValueError(f"the archive: {_text(done)}")

    def _sh(self, script: str) -> Completed:
        return self.machine.exec(["sh", "-eu", "-c", script])

    def _complain(self, text: str) -> None:
        self.outcome.complaints.append(text)


def _login(done: Completed, os_user: str) -> Login:
    said = done.stderr.decode(errors="replace")
    if done.returncode == 0 and done.stdout.decode(errors="replace").split() == [os_user]:
        return Login.WORKS
    if done.returncode != 255:
        return Login.CLOSED
    if "Permission denied" in said or "Too many authentication failures" in said:
        return Login.DENIED
    if any(words in said for words in NEVER_ANSWERED):
        return Login.UNREACHED
    return Login.CLOSED


def _text(done: Completed) -> str:
    return " / ".join((done.stdout + done.stderr).decode(errors="replace").split("\n")).strip(" /")


def _words(ids: Any) -> str:
    return ", ".join(sorted(ids)) or "nothing"
