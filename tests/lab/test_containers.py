"""The image of packaging/container, and packaging/kubernetes and packaging/ecs as far as they can be run without a cluster: their own
commands, configurations, users, mounts and environments, in the image, with a PostgreSQL that wants TLS and a password.

Run by `python3 tests/lab/test_containers.py` after `tests/lab/setup.sh`; needs root, and target/debug/eic-doctor.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path

import lab

if __name__ == "__main__":
    lab.into_environment(Path(__file__))

from cfnlint.decode import cfn_yaml

import aws_case
from containers import ECS, KUBERNETES, PACKAGING, Coordinator, Images, asked, busybox, deployment, package
from postgres import Postgres, certificate, free_port

USER = 65532
NAME = "eic-doctor.example.com"
AUTHORITY = ("basicConstraints=critical,CA:true,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign")


def setUpModule() -> None:
    aws_case.start()
    unittest.addModuleCleanup(aws_case.stop)


class Running(aws_case.AwsTest):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="eic-containers-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.folder.chmod(0o711)
        cls.images = Images(cls.folder / "images")
        cls.addClassCleanup(cls.images.remove)
        cls.packages = package(cls.folder)
        cls.image = cls.images.build(cls.packages)
        cls.busybox = busybox(cls.folder / "busybox")
        (cls.folder / "postgres").mkdir()
        cls.database = Postgres(cls.folder / "postgres")
        cls.addClassCleanup(cls.database.stop)
        cls.authority = certificate(cls.folder, "authority", *AUTHORITY)
        cls.region_certificate = cls.folder / "eu-west-1.pem"

    def test_packages_of_two_versions_make_no_image_of_both(self) -> None:
        two = shutil.copytree(self.packages, self.folder / "two")
        (one,) = two.glob("eic-doctor-[0-9]*.tar.gz")
        shutil.copy(one, two / one.name.replace("-1.x86_64", "-2.x86_64"))
        with self.assertRaisesRegex(AssertionError, "one package is wanted"):
            self.images.run_recipe(two, "of-two")

    def test_the_image_holds_the_program_and_what_it_loads_and_no_shell(self) -> None:
        # One in which no test has made places to mount at.
        _, untouched = self.images.container("localhost/eic-doctor")
        files = {str(path.relative_to(untouched)) for path in untouched.rglob("*") if not path.is_dir()}
        runnable = {name for name in files if os.access(untouched / name, os.X_OK) and ".so" not in name}
        self.assertEqual(runnable, {"usr/bin/eic-doctor"})
        self.assertTrue({"etc/ssl/certs/ca-certificates.crt", "usr/share/doc/eic-doctor/copyright"} <= files)
        self.assertFalse(any(name.startswith("etc/eic-doctor") for name in files), "a configuration is baked in")
        told = self.images.told
        self.assertEqual(told["User"], f"{USER}:{USER}")
        self.assertEqual(set(told["Volumes"]), {"/var/lib/eic-doctor", "/run/eic-doctor"})
        for volume, mode in (("var/lib/eic-doctor", 0o700), ("run/eic-doctor", 0o755)):
            about = (untouched / volume).stat()
            self.assertEqual((about.st_uid, about.st_gid, about.st_mode & 0o7777), (USER, USER, mode))
        self.assertIn("eic-doctor ", self.image.run(["--version"], {}, {}))

    def configuration(self, source: Path, to: Path) -> dict[str, int]:
        """The configuration as it is, but for the ports, which are those of this machine here; and for the lab's identity certificate."""
        ports = {port: free_port() for port in ("7443", "7445")}
        text = re.sub(r"0\.0\.0\.0:(\d+)", lambda match: f"127.0.0.1:{ports.get(match[1], match[1])}", source.read_text())
        identity = aws_case.running.ask("GET", "/identity")
        pin = f'also_pinned = [{{ region = "eu-west-1", sha256 = "{identity["sha256"]}" }}]'
        to.write_text(text.replace("[enrolment]\n", f"[enrolment]\n{pin}\n"))
        self.region_certificate.write_text(identity["certificate"])
        return ports

    def environment(self) -> dict[str, str]:
        # The lab by its name: the image has to find names too.
        env = {name: value.replace("127.0.0.1", "localhost") for name, value in self.made["env"].items()}
        return {**env, "PGHOST": "localhost", "PGPORT": str(self.database.port), "PGUSER": "eic", "PGPASSWORD": self.database.password,
                "PGDATABASE": "postgres"}  # fmt: skip

    def serving(self, *how) -> Coordinator:
        coordinator = Coordinator(self.image, *how)
        self.addCleanup(coordinator.stop)
        return coordinator

    def assert_trusted(self, authority: Path, name: str, port: int) -> None:
        """As an agent: no other authority is trusted, and the name has to be the one that was dialled."""
        context = ssl.create_default_context(cafile=authority)
        context.set_alpn_protocols(["h2"])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname=name) as encrypted:
                self.assertEqual(encrypted.selected_alpn_protocol(), "h2")

    def assert_serves(self, coordinator: Coordinator, ports: dict[str, int]) -> None:
        self.assertEqual(asked(ports["7445"], "/healthz"), (200, "ok\n"))
        self.assertIn("# EOF", asked(ports["7445"], "/metrics")[1])
        self.assert_trusted(self.authority[0], NAME, ports["7443"])
        # Whose identity certificate it has read.
        self.assertIn("instances may enrol from 1 Regions: eu-west-1", "".join(coordinator.log))

    def test_one_coordinator_keeps_authority_and_store_in_the_volume_of_its_state(self) -> None:
        own = self.folder / f"{self.id}-own"
        (own / "identity-certificates").mkdir(parents=True)
        ports = self.configuration(PACKAGING / "coordinator.toml", own / "coordinator.toml")
        shutil.copyfile(self.region_certificate, own / "identity-certificates/eu-west-1.pem")
        mounts = {"/etc/eic-doctor": (own, True)}
        for volume in self.images.told["Volumes"]:
            # An engine makes a new volume as the image has the folder.
            mounts[volume] = (self.folder / f"{self.id}{volume.replace('/', '-')}", False)
            subprocess.run(["cp", "-a", self.image.path / volume.lstrip("/"), mounts[volume][0]], check=True)
        trusted = mounts["/var/lib/eic-doctor"][0] / "authority/for-agents.pem"
        authorities = set()
        for _ in range(2):
            coordinator = self.serving(self.images.told["Cmd"], self.environment(), mounts)
            self.assert_trusted(trusted, "coordinator.example.com", ports["7443"])
            authorities.add(trusted.read_text())
            self.assertEqual(self.image.run(["agents", "list", "--output", "json"], {}, mounts), "")
            self.assertEqual(coordinator.stop(), 0)
        self.assertEqual(len(authorities), 1)

    def mounted_as_by_kubelet(self, name: str, files: dict[str, Path], mode: int) -> Path:
        """A Secret or ConfigMap: links to links to files, of root, whose group is the pod's, which may read."""
        volume = self.folder / f"{self.id}-{name}"
        data = volume / "..2026_11_28"
        data.mkdir(parents=True)
        (volume / "..data").symlink_to(data.name)
        for key, source in files.items():
            shutil.copyfile(source, data / key)
            os.chown(data / key, 0, USER)
            (data / key).chmod(mode)
            (volume / key).symlink_to(f"..data/{key}")
        return volume

    def empty(self, name: str) -> Path:
        """An emptyDir."""
        volume = self.folder / f"{self.id}-{name}"
        volume.mkdir()
        os.chown(volume, 0, USER)
        volume.chmod(0o2777)
        return volume

    def test_two_coordinators_of_the_manifest_serve_agents_from_one_database(self) -> None:
        pod = deployment()["spec"]["template"]["spec"]
        (first,), (container,) = pod["initContainers"], pod["containers"]
        settings = self.folder / f"{self.id}-config.toml"
        ports = self.configuration(KUBERNETES / "coordinator.toml", settings)
        volumes = {
            "config": self.mounted_as_by_kubelet("config", {"coordinator.toml": settings}, 0o644),
            "identity-certificates": self.mounted_as_by_kubelet("identity", {"eu-west-1.pem": self.region_certificate}, 0o644),
            "database": self.mounted_as_by_kubelet("database", {"authority.pem": self.database.certificate}, 0o644),
            # defaultMode 0400, and the read permission of the fsGroup.
            "authority": self.mounted_as_by_kubelet("authority", dict(zip(("tls.crt", "tls.key"), self.authority)), 0o440),
            **{name: self.empty(name) for name in ("own-authority", "run", "state")},
        }
        self.assertEqual(set(volumes), {volume["name"] for volume in pod["volumes"]})

        def mounts(of: dict) -> dict[str, tuple[Path, bool]]:
            return {
                one["mountPath"]: ((volumes[one["name"]] / one.get("subPath", "")).resolve(), one.get("readOnly", False))
                for one in of["volumeMounts"]
            }  # fmt: skip

        user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
        self.busybox.run(first["command"], {}, mounts(first), user=user)
        environment = {**self.environment(), **{one["name"]: one["value"] for one in container["env"]}}
        coordinator = self.serving(container["args"], environment, mounts(container), user)
        self.assert_serves(coordinator, ports)
        # `kubectl exec`, with nothing but the image's own environment.
        self.assertEqual(self.image.run(["agents", "list", "--output", "json"], {}, mounts(container), user=user), "")
        other = self.folder / f"{self.id}-other.toml"
        other_ports = self.configuration(KUBERNETES / "coordinator.toml", other)
        volumes |= {"config": self.mounted_as_by_kubelet("other", {"coordinator.toml": other}, 0o644), "run": self.empty("other-run")}
        second = self.serving(container["args"], environment, mounts(container), user)
        self.assert_serves(second, other_ports)
        self.assertEqual((coordinator.stop(), second.stop()), (0, 0))

    def test_a_database_that_proves_to_be_another_is_given_no_password(self) -> None:
        settings = self.folder / f"{self.id}-config.toml"
        self.configuration(ECS / "coordinator.toml", settings)
        own = self.empty("files")
        for source, name in ((self.authority[0], "authority.crt"), (self.authority[1], "authority.key"), (settings, "coordinator.toml")):
            shutil.copyfile(source, own / name)
            os.chown(own / name, USER, USER)
            (own / name).chmod(0o400)
        (own / "identity-certificates").mkdir()
        wrong = {**self.environment(), "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/etc/eic-doctor/authority.crt"}
        with self.assertRaisesRegex(AssertionError, "invalid peer certificate"):
            self.serving(self.images.told["Cmd"], wrong, {"/etc/eic-doctor": (own, True), "/run/eic-doctor": (self.empty("run"), False)})

    def test_the_task_unpacks_its_files_and_serves_agents(self) -> None:
        task = cfn_yaml.load(str(ECS / "coordinator.yaml"))["Resources"]["TaskDefinition"]["Properties"]
        files, coordinator = task["ContainerDefinitions"]
        secret = self.folder / f"{self.id}-secret"
        (secret / "identity-certificates").mkdir(parents=True)
        ports = self.configuration(ECS / "coordinator.toml", secret / "coordinator.toml")
        shutil.copyfile(self.region_certificate, secret / "identity-certificates/eu-west-1.pem")
        shutil.copyfile(self.database.certificate, secret / "database.pem")
        for source, name in zip(self.authority, ("authority.crt", "authority.key")):
            shutil.copyfile(source, secret / name)
            # As whoever packs them may have them.
            (secret / name).chmod(0o644)
        packed = base64.b64encode(subprocess.run(["tar", "-C", secret, "-cz", "."], check=True, stdout=subprocess.PIPE).stdout).decode()
        volumes = {volume["Name"]: self.folder / f"{self.id}-{volume['Name']}" for volume in task["Volumes"]}
        for volume in volumes.values():
            # Fargate's volumes are root's.
            volume.mkdir(mode=0o755)

        def mounts(of: dict) -> dict[str, tuple[Path, bool]]:
            return {one["ContainerPath"]: (volumes[one["SourceVolume"]], one["ReadOnly"]) for one in of["MountPoints"]}

        self.busybox.run(files["Command"], {files["Secrets"][0]["Name"]: packed}, mounts(files), user=files["User"])
        told = {one["Name"]: one["Value"] for one in coordinator["Environment"] if isinstance(one["Value"], str)}
        given = {**self.environment(), **told}
        self.assertLessEqual({one["Name"] for one in coordinator["Environment"] + coordinator["Secrets"]}, set(given))
        serving = self.serving(coordinator["Command"], given, mounts(coordinator), coordinator["User"])
        self.assert_serves(serving, ports)
        self.assertEqual(serving.stop(), 0)


if __name__ == "__main__":
    unittest.main()
