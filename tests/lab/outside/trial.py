"""Carries one row out: change, check, compare; paste every printed command with the real AWS CLI, check again."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator

from daemon.clients import Clients
from outside.row import Row
from outside.site import Site
from running import RunningLab

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
RECORDED = REPOSITORY / "tests/worlds/recorded-healthy"
# Regions for rows whose change holds for a whole one: enabled for every account, with a published range of EC2 Instance Connect.
REGIONS = ("ap-south-1", "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1")
# A profile of the AWS configuration.
PROFILE = "lab-own"
CHECK_TIMEOUT = 60
PASTE_TIMEOUT = 120


@dataclass
class Outcome:
    row: Row
    causes: frozenset[str] = frozenset()
    connectable: str = ""
    remedy: str = "-"
    pasted: int = 0
    complaints: list[str] = field(default_factory=list)
    seconds: float = 0.0
    # For a person who looks into a row.
    reports: list[dict[str, Any]] = field(default_factory=list)


class Bench:
    """What the rows share. Rows may be run from several threads."""

    def __init__(self, doctor: Path, workdir: Path, lab: RunningLab) -> None:
        self.doctor = doctor
        self.workdir = workdir
        self.lab = lab
        self.clients = Clients(lab.endpoint)
        self.bin = workdir / "bin"
        self.bin.mkdir()
        (self.bin / "aws").symlink_to(REPOSITORY / "tests/lab/aws-cli")
        (self.bin / "eic-doctor").symlink_to(doctor.resolve())
        self._os = (RECORDED / "os.json").read_text(encoding="utf-8")
        self._was = _recorded_ids()
        self._regions: queue.SimpleQueue[str] = queue.SimpleQueue()
        for region in REGIONS:
            self._regions.put(region)

    def run(self, row: Row) -> Outcome:
        outcome = Outcome(row)
        started = time.monotonic()
        try:
            with self._region(row) as region:
                self._in(region, outcome)
        except Exception as error:
            outcome.complaints.append(f"{type(error).__name__}: {error}")
        outcome.seconds = time.monotonic() - started
        return outcome

    @contextmanager
    def _region(self, row: Row) -> Iterator[str]:
        """The row's Region; one that it has for itself is given back as it was."""
        if not row.alone:
            yield (row.spec or {}).get("region", "eu-west-1")
            return
        region = self._regions.get()
        try:
            yield region
        finally:
            self.lab.ask("POST", "/region", {"region": region, "public_access": {}})
            self._regions.put(region)

    def _in(self, region: str, outcome: Outcome) -> None:
        made = self.lab.scenario(**{"machine": False, **(outcome.row.spec or {}), "region": region})
        try:
            _Trial(self, Site(self.lab, self.clients, made), outcome).run()
        finally:
            self.lab.ask("DELETE", f"/scenario/{made['instance_id']}")

    def os_facts(self, site: Site) -> Path:
        """The healthy recording, as if this instance had been recorded."""
        text = self._os
        for was, now in (
            (self._was["instance_id"], site.instance_id), (self._was["net"], f"{site.net}.1."), (self._was["region"], site.region),
            (self._was["ipv6"], site.ipv6_address),
        ):  # fmt: skip
            text = text.replace(was, now)
        path = self.workdir / f"{site.instance_id}.json"
        path.write_text(text, encoding="utf-8")
        return path


def _recorded_ids() -> dict[str, str]:
    answer = json.loads((RECORDED / "aws/ec2-describe-instances.json").read_text(encoding="utf-8"))
    instance = answer["Reservations"][0]["Instances"][0]
    net = instance["PrivateIpAddress"].rpartition(".")[0] + "."
    ipv6 = instance["NetworkInterfaces"][0]["Ipv6Addresses"][0]["Ipv6Address"]
    return {
        "instance_id": instance["InstanceId"], "net": net, "region": instance["Placement"]["AvailabilityZone"][:-1], "ipv6": ipv6,
    }  # fmt: skip


class _Trial:
    def __init__(self, bench: Bench, site: Site, outcome: Outcome) -> None:
        self.bench = bench
        self.site = site
        self.outcome = outcome
        self.row = outcome.row
        self.os_facts = bench.os_facts(site)

    def run(self) -> None:
        self.row.change(self.site)
        report = self._check()
        self.outcome.causes = frozenset(report["root_causes"])
        self.outcome.connectable = report["connectable"]
        self._compare(report)
        findings = [result for result in report["results"] if result["status"] in ("fail", "warn")]
        if findings and not self.outcome.complaints:
            self._mend(findings)

    def _check(self) -> dict[str, Any]:
        row, site = self.row, self.site
        self._configure_addresses()
        words = {"net": site.net, "net6": site.net6, "profile": PROFILE, **site.ids, **site.made}
        flags = [flag.format_map(words) for flag in row.flags]
        argv = [
            str(self.bench.doctor), "check", site.instance_id, "--principal", site.principal, "--output", "json",
            "--os-facts", str(self.os_facts), *flags,
        ]  # fmt: skip
        done = subprocess.run(argv, env=self._environment(), capture_output=True, text=True, timeout=CHECK_TIMEOUT, check=False)
        if not done.stdout:
            raise ValueError(f"eic-doctor ended with {done.returncode}: {done.stderr}")
        report = json.loads(done.stdout)
        expected = {"yes": 0, "no": 1, "unknown": 3}[report["connectable"]]
        if done.returncode != expected:
            self._complain(f"exit {done.returncode} with `connectable: {report['connectable']}`")
        self.outcome.reports.append(report)
        return report

    def _configure_addresses(self) -> None:
        """A healthy system configures every address that EC2 gives the instance, also one that it was just given."""
        facts = json.loads(self.os_facts.read_text(encoding="utf-8"))
        configured = facts["network"]["addresses"]["known"]
        known = {address["address"].partition("/")[0] for address in configured}
        instance = self.site.ec2.describe_instances(InstanceIds=[self.site.instance_id])["Reservations"][0]["Instances"][0]
        for interface in instance["NetworkInterfaces"]:
            given = [(address["PrivateIpAddress"], 24) for address in interface.get("PrivateIpAddresses", [])]
            given += [(address["Ipv6Address"], 128) for address in interface.get("Ipv6Addresses", [])]
            # All on one interface: how replies find their way from a second one is another check's, and the other lab's.
            configured += [{"interface": "eth0", "address": f"{address}/{length}"} for address, length in given if address not in known]
        self.os_facts.write_text(json.dumps(facts), encoding="utf-8")

    def _environment(self, has_region: bool = True) -> dict[str, str]:
        """A shell's with the lab's credentials: in variables, or where the row names a profile only in that one."""
        env = {"PATH": f"{self.bench.bin}:/usr/bin:/bin", "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
        if cache := os.environ.get("EIC_LAB_CACHE"):
            env["EIC_LAB_CACHE"] = cache
        lab = dict(self.site.env)
        if "--profile" in self.row.flags:
            key, secret = lab.pop("AWS_ACCESS_KEY_ID"), lab.pop("AWS_SECRET_ACCESS_KEY")
            credentials = self.bench.workdir / f"{self.site.instance_id}.credentials"
            credentials.write_text(f"[{PROFILE}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n", encoding="utf-8")
            env |= {"AWS_SHARED_CREDENTIALS_FILE": str(credentials), "AWS_CONFIG_FILE": "/nonexistent"}
        if not has_region or "--region" in self.row.flags:
            lab = {name: value for name, value in lab.items() if "REGION" not in name}
        return env | lab

    def _compare(self, report: dict[str, Any]) -> None:
        row = self.row
        found = {
            "names": frozenset(report["root_causes"]),
            "warns of": frozenset(r["id"] for r in report["results"] if r["status"] == "warn"),
            "does not know": frozenset(r["id"] for r in report["results"] if r["status"] == "unknown" and r["required"]),
        }
        for (what, ids), wanted in zip(found.items(), (row.causes, row.warns, row.unknown)):
            if ids != wanted:
                self._complain(f"{what} {_words(ids)}, not {_words(wanted)}: {self._whys(report, ids | wanted)}")
        connectable, answer = row.expected()
        if (report["connectable"], report["path"]["answer"]) != (connectable, answer):
            hops = [f"{h['element']} {h['decision']}: {h['rule']}" for h in report["path"]["hops"] if h["decision"] not in ("allowed", "not-applicable")]
            self._complain(f"connectable {report['connectable']}, path {report['path']['answer']}; not {connectable}, {answer}: {hops}")
        of_row = [r for r in report["results"] if r["id"] in row.causes | row.warns | row.unknown]
        if row.says and not any(row.says.format_map({**self.site.ids, **self.site.made}) in (r["why"] or "") for r in of_row):
            self._complain(f"nothing says `{row.says}`: {self._whys(report, row.causes | row.warns | row.unknown)}")
        quoted = [evidence["seen"] for result in of_row for evidence in result["evidence"]]
        if row.quotes and not any(row.quotes in seen for seen in quoted):
            self._complain(f"no evidence has `{row.quotes}`: {quoted}")
        if row.action and not any(r.get("missing_action") == row.action for r in of_row):
            self._complain(f"the missing {row.action} is not named: {of_row}")

    def _mend(self, findings: list[dict[str, Any]]) -> None:
        row = self.row
        if row.for_good:
            self.outcome.remedy = "for good"
            return
        commands = [finding["remedy"]["command"] for finding in findings]
        self.outcome.remedy = "by hand" if None in commands else "pasted"
        for command in filter(None, commands):
            self._paste(command)
        if None in commands:
            if row.hand is None:
                words = [f["remedy"]["text"] for f in findings if f["remedy"]["command"] is None]
                self._complain(f"a remedy has no command: {words}")
                return
            row.hand(self.site)
        if len(findings) == 1 and not row.left and (verify := findings[0]["remedy"]["verify"]).startswith("eic-doctor "):
            self._shell(verify, self._environment())
        report = self._check()
        left = [r for r in report["results"] if r["status"] in ("fail", "warn") and r["id"] not in row.left]
        unknown = {r["id"] for r in report["results"] if r["status"] == "unknown" and r["required"]}
        if left or unknown - row.left - row.unknown or (report["path"]["answer"] != "allowed" and not row.left | row.unknown):
            said = self._whys(report, {r["id"] for r in left} | unknown)
            self._complain(f"after {commands}: the path is {report['path']['answer']}; {said}")

    def _paste(self, command: str) -> None:
        # Nothing tells the shell a Region: the command must. IAM has none, but the AWS CLI asks for one beside an endpoint of the lab's.
        self._shell(command, self._environment(has_region=command.startswith("aws iam ")))
        self.outcome.pasted += 1

    def _shell(self, command: str, env: dict[str, str]) -> None:
        done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, timeout=PASTE_TIMEOUT, check=False)
        if done.returncode != 0:
            self._complain(f"`{command}` ended with {done.returncode}: {done.stderr.strip()} {done.stdout.strip()}")

    def _whys(self, report: dict[str, Any], ids: Any) -> str:
        return "; ".join(f"{r['id']} {r['status']}: {r['why']}" for r in report["results"] if r["id"] in ids)

    def _complain(self, text: str) -> None:
        self.outcome.complaints.append(text)


def _words(ids: Any) -> str:
    return ", ".join(sorted(ids)) or "nothing"
