"""The running lab: the front server, the scenarios, and what may be asked of them."""

from __future__ import annotations

import base64
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faults
import identity_document
from aws.front import Front

from . import instance_role
from . import scenario as scenarios
from .clients import LAB_ACCESS_KEY, SECRET_KEY, Clients
from .scenario import Scenario

DEFAULT_REGION = scenarios.DEFAULTS["region"]


class Unknown(Exception):
    """No such scenario, instance or fault."""


class Lab:
    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.front = Front(own_key=LAB_ACCESS_KEY)
        self.clients = Clients(self.front.endpoint)
        self._lock = threading.Lock()
        self._scenarios: dict[str, Scenario] = {}
        self._base: Any = None

    def start(self) -> None:
        self.front.start()
        # moto loads its tables at the first call, boto3 its models at the first client: now, not in a test.
        with ThreadPoolExecutor() as pool:
            for service in ("ec2", "iam", "sts"):
                pool.submit(self.clients.of, service, DEFAULT_REGION)
            pool.submit(self.front.moto.query, "ec2", DEFAULT_REGION, LAB_ACCESS_KEY, "DescribeVpcs")
            pool.submit(self.front.moto.query, "iam", DEFAULT_REGION, LAB_ACCESS_KEY, "ListRoles")

    def stop(self) -> None:
        machines = [s.machine for s in self._scenarios.values() if s.machine is not None]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda machine: machine.stop(), machines))
        self.front.stop()

    def create(self, spec: dict[str, Any]) -> dict[str, Any]:
        fault = faults.find(spec["fault"]) if spec.get("fault") else None
        spec = scenarios.complete({**spec, **(fault.spec if fault else {})})
        made = scenarios.create_account_picture(self.clients, spec)
        try:
            if spec["role"]:
                instance_role.give(self.front, self.clients, made)
            if spec["machine"]:
                scenarios.start_machine(made, self._base_system(), self.workdir)
            self.front.nodes.add(made.node)
            with self._lock:
                self._scenarios[made.instance_id] = made
            if fault:
                fault.apply(faults.Target(self, made))
        except BaseException:
            self.delete(made.instance_id) if made.instance_id in self._scenarios else scenarios.delete(self.clients, made)
            raise
        return self.describe(made)

    def delete(self, instance_id: str) -> None:
        with self._lock:
            made = self._scenarios.pop(instance_id, None)
        if made is None:
            raise Unknown(f"there is no scenario {instance_id}")
        self.front.nodes.remove(instance_id)
        scenarios.delete(self.clients, made)
        instance_role.take(self.front, self.clients, made)

    def scenario(self, instance_id: str) -> Scenario:
        with self._lock:
            if instance_id not in self._scenarios:
                raise Unknown(f"there is no scenario {instance_id}; there are: {', '.join(self._scenarios) or 'none'}")
            return self._scenarios[instance_id]

    def all(self) -> list[dict[str, Any]]:
        with self._lock:
            return [self.describe(made) for made in self._scenarios.values()]

    def describe(self, made: Scenario) -> dict[str, Any]:
        return {**made.ids, "machine": made.machine is not None, "fault": made.spec["fault"], "env": self.environment(made)}

    def environment(self, made: Scenario | None = None) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.front.endpoint,
            "AWS_ACCESS_KEY_ID": made.ids["access_key"] if made else "AKIALABOPERATOR00000",
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": made.region if made else DEFAULT_REGION,
            "AWS_DEFAULT_REGION": made.region if made else DEFAULT_REGION,
        }

    def fault(self, instance_id: str, name: str) -> None:
        made = self.scenario(instance_id)
        fault = faults.find(name)
        if fault.spec:
            raise ValueError(f"{name} is made when the scenario is: create one with fault={name}")
        fault.apply(faults.Target(self, made))
        made.spec["fault"] = name

    def exec(self, instance_id: str, order: dict[str, Any]) -> dict[str, Any]:
        stdin = base64.b64decode(order.get("stdin_b64") or "")
        done = self.machine(instance_id).exec(order["argv"], stdin, timeout=order.get("timeout", 60))
        return _completed(done)

    def login(self, instance_id: str, order: dict[str, Any]) -> dict[str, Any]:
        """Pushes a fresh key through the stand-in's SendSSHPublicKey, then really runs ssh."""
        made, machine = self.scenario(instance_id), self.machine(instance_id)
        os_user = order.get("os_user") or made.spec["os_user"]
        with tempfile.TemporaryDirectory(dir=self.workdir) as directory:
            key = Path(directory) / "key"
            public_key = new_key(key, order.get("key_type", "ed25519"))
            if order.get("push", True):
                credentials = made.ids["connector_credentials"] if order.get("as") == "connector" else None
                try:
                    self.push(made, os_user, public_key, credentials)
                except self.clients.of("sts", made.region).exceptions.ClientError as refused:
                    return {"pushed": False, "error": str(refused), "returncode": 255, "stdout_b64": "", "stderr_b64": ""}
            done = machine.login(os_user, key, port=order.get("port") or 22, command=order.get("command", "true"))
        return {"pushed": order.get("push", True), **_completed(done)}

    def push(self, made: Scenario, os_user: str, public_key: str, credentials: dict[str, str] | None = None) -> None:
        client = self.clients.of("ec2-instance-connect", made.region, credentials)
        client.send_ssh_public_key(InstanceId=made.instance_id, InstanceOSUser=os_user, SSHPublicKey=public_key)

    def push_for_person(self, instance_id: str, order: dict[str, Any]) -> dict[str, str]:
        """Pushes a key that the caller made; tells the network namespace to run ssh in."""
        made, machine = self.scenario(instance_id), self.machine(instance_id)
        self.push(made, order["os_user"], order["public_key"])
        return {"network": str(machine.client_network())}

    def networks(self, instance_id: str) -> dict[str, str]:
        """Paths to the network namespaces of the machine's VPC and client, for any process of the host."""
        client = Path(self.machine(instance_id).client_network())
        return {"vpc": str(client.with_name("vpc")), "client": str(client)}

    def install_file(self, instance_id: str, order: dict[str, Any]) -> None:
        mode = int(str(order.get("mode", "0755")), 8)
        self.machine(instance_id).install_file(Path(order["source"]), order["target"], mode)

    def machine(self, instance_id: str) -> Any:
        machine = self.scenario(instance_id).machine
        if machine is None:
            raise ValueError(f"{instance_id} was made without a machine")
        return machine

    def restart(self, instance_id: str, keep: list[str]) -> None:
        """Stops and starts it, as EC2 does: a later `LaunchTime` and identity document, and a fresh disk but for what is under `keep`."""
        made, machine = self.scenario(instance_id), self.machine(instance_id)
        ec2 = self.clients.of("ec2", made.region)
        kept = machine.exec(["tar", "-C", "/", "-c", *(path.lstrip("/") for path in keep)]) if keep else None
        if kept is not None and kept.returncode != 0:
            raise ValueError(f"cannot keep {', '.join(keep)}: {kept.stderr.decode(errors='replace').strip()}")
        ec2.stop_instances(InstanceIds=[instance_id])
        machine.stop()
        ec2.start_instances(InstanceIds=[instance_id])
        machine.start()
        if kept is not None:
            machine.exec(["tar", "-C", "/", "-x"], kept.stdout)

    def identity(self) -> dict[str, str]:
        """The certificate that signs identity documents, of whatever Region, and its SHA-256."""
        signer = identity_document.in_directory(self.workdir / "identity")
        return {"certificate": signer.certificate.read_text(encoding="ascii"), "sha256": signer.fingerprint()}

    def region(self, order: dict[str, Any]) -> None:
        """What a Region's account-wide operations answer: `endpoints` (EC2's XML names) and `public_access`."""
        if unknown := set(order) - {"region", "endpoints", "public_access"}:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        if "endpoints" in order:
            self.front.nodes.endpoints[order["region"]] = order["endpoints"]
        if "public_access" in order:
            self.front.nodes.public_access[order["region"]] = order["public_access"]

    def _base_system(self) -> Any:
        from base import Base

        with self._lock:
            if self._base is None:
                self._base = Base.ready(log=log)
            return self._base


def log(text: str) -> None:
    import sys

    print(text, file=sys.stderr, flush=True)


def new_key(path: Path, kind: str = "ed25519") -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "lab", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text(encoding="ascii").strip()


def _completed(done: Any) -> dict[str, Any]:
    return {
        "returncode": done.returncode,
        "stdout_b64": base64.b64encode(done.stdout).decode(),
        "stderr_b64": base64.b64encode(done.stderr).decode(),
    }
