"""What carries the agent to instances, run on booted ones: images, user data, documents of Systems Manager. Needs root."""

from __future__ import annotations

import base64
import hashlib
import shlex
import subprocess
import unittest
from pathlib import Path

import yaml

from image_builder import Component, StepFailed, write
from machine import Machine
from ssm_document import Document, Refused, shell
from test_footprint import REPOSITORY
from test_machine import spec
from test_packages import AGENT, CONFIGURE, STATE, PackagedTest

ROLLOUT = REPOSITORY / "packaging/rollout"
TIMER = "eic-doctor-agent-report.timer"
# Where instances find the coordinator: by a cable between the two, for each lab machine has a VPC of its own.
ADDRESS = "192.0.2.1"
# Each would do something if a shell read it as a part of its text.
HOSTILE = ("$(touch /root/owned)", "`touch /root/owned`", '"; touch /root/owned; "', "'; touch /root/owned; '", "x\ntouch /root/owned", "a b", "")
# A server of packages, on the instance itself.
SERVED = """
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \\
    -keyout /root/localhost.key -out /root/localhost.pem 2>/dev/null
systemd-run --quiet --unit=served --working-directory=/root/served \\
    openssl s_server -quiet -accept 8443 -WWW -cert /root/localhost.pem -key /root/localhost.key
"""


class Rollout(PackagedTest):
    """A coordinator, packages as build-packages makes them, and instances that come to them by every way."""

    component = Component(ROLLOUT / "image-builder/component.yaml")
    set_up = Document(ROLLOUT / "ssm/set-up.yaml")
    check = Document(ROLLOUT / "ssm/check.yaml")

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.packages = cls.build(cls.workdir / "packages", 1)
        cls.distributor = cls.workdir / "distributor"
        subprocess.run(
            [REPOSITORY / "packaging/build-distributor", "--packages", cls.packages, "--to", cls.distributor],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        cls.coordinator = Machine(spec(70), cls.base, cls.workdir)
        cls.addClassCleanup(cls.coordinator.stop)
        cls.coordinator.start()
        package = cls.package("eic-doctor_*.deb")
        cls.coordinator.install_file(package, "/root/package.deb", 0o644)
        signer = cls.coordinator.identity
        script = CONFIGURE.replace("@SHA256@", signer.fingerprint()).replace("127.0.0.1", ADDRESS)
        done = cls.coordinator.exec(["sh", "-c", f"dpkg --install /root/package.deb && {script}"], signer.certificate.read_bytes())
        assert done.returncode == 0, done.stderr
        cls.authorities = cls.coordinator.exec(["cat", "/etc/eic-doctor/authorities.pem"]).stdout

    @classmethod
    def package(cls, pattern: str) -> Path:
        (package,) = cls.packages.glob(pattern)
        return package

    def package_for(self, platform: str) -> Path:
        return self.package("eic-doctor-agent_*.deb" if platform == "debian" else "eic-doctor-agent-*.rpm")

    def connect(self, machine: Machine) -> None:
        number = int(machine.spec.instance_id[-2:], 16)
        ours, theirs = self.coordinator.init_pid, machine.init_pid
        for pid, command in (
            (ours, f"link add to-{number} type veth peer name coordinator netns {theirs}"),
            (ours, f"addr add {ADDRESS}/32 peer 192.0.2.{number}/32 dev to-{number}"),
            (ours, f"link set to-{number} up"),
            (theirs, f"addr add 192.0.2.{number}/32 peer {ADDRESS}/32 dev coordinator"),
            (theirs, "link set coordinator up"),
        ):
            subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", *command.split()], check=True)

    def started_from(self, image: Path, number: int, platform: str = "debian") -> Machine:
        machine = Machine(spec(number, platform=platform), self.base, self.workdir, image)
        self.addCleanup(machine.stop)
        machine.start()
        self.connect(machine)
        return machine

    def image_of(self, machine: Machine) -> Path:
        """And the machine is gone."""
        image = self.workdir / f"image-{machine.spec.instance_id}"
        machine.make_image(image)
        machine.stop()
        return image

    def assert_enrolled(self, *machines: Machine) -> None:
        """Each as itself: under its own instance id, with a key of its own."""
        for machine in machines:
            self.report(machine)
        known = {agent["instance_id"] for agent in self.agents(self.coordinator)}
        self.assertLessEqual({machine.spec.instance_id for machine in machines}, known)
        keys = {self.sh(machine, f"sha256sum {STATE}/key.pk8") for machine in machines}
        self.assertEqual(len(keys), len(machines))

    def enabled(self, machine: Machine) -> list[str]:
        return self.sh(machine, f"systemctl is-enabled {AGENT} {TIMER} || true").split()

    def owned(self, machine: Machine) -> bool:
        return machine.exec(["test", "-e", "/root/owned"]).returncode == 0

    def given(self, platform: str, **changes: str) -> dict[str, str]:
        package = self.package_for(platform)
        return {
            "Package": f"s3://packages/{package.name}", "PackageSha256": hashlib.sha256(package.read_bytes()).hexdigest(),
            "Coordinator": ADDRESS, "Authorities": base64.b64encode(self.authorities).decode(), "Start": "timer", **changes,
        }  # fmt: skip

    def run_phase(self, machine: Machine, phase: str, **changes: str) -> str:
        given = self.given(machine.spec.platform, **changes)
        return self.component.run(machine, phase, given, {given["Package"]: self.package_for(machine.spec.platform)})

    def assert_phase_fails(self, machine: Machine, phase: str, step: str, why: str, **changes: str) -> None:
        with self.assertRaises(StepFailed) as failed:
            self.run_phase(machine, phase, **changes)
        self.assertEqual(failed.exception.step, step)
        self.assertIn(why, failed.exception.output)

    def story(self, platform: str, number: int) -> None:
        builder = self.machine(number, platform=platform)
        self.run_phase(builder, "build")
        configured = "sha256sum /etc/eic-doctor/agent.conf /etc/eic-doctor/authorities.pem"
        first = self.sh(builder, configured)
        self.run_phase(builder, "build")
        self.assertEqual(self.sh(builder, configured), first)
        self.run_phase(builder, "validate")
        self.assertEqual(self.sh(builder, f"ls /root; systemctl is-active {TIMER} || true"), "inactive\n")
        image = self.image_of(builder)
        one, other = self.started_from(image, number + 1, platform), self.started_from(image, number + 2, platform)
        self.assertEqual(self.enabled(one), ["disabled", "enabled"])
        self.assertIn("connectable: yes", self.run_phase(one, "test"))
        self.assert_enrolled(one, other)
        # An instance that has enrolled as itself is still fit: the order of the two does not matter.
        self.run_phase(one, "test")

    def test_an_image_of_debian_makes_instances_that_enrol_as_themselves(self) -> None:
        self.story("debian", 71)

    def test_an_image_of_amazon_linux_makes_instances_that_enrol_as_themselves(self) -> None:
        self.story("al2023", 74)

    def test_an_identity_that_is_baked_in_fails_validation_and_test(self) -> None:
        builder = self.machine(77)
        self.connect(builder)
        self.run_phase(builder, "build")
        self.report(builder)
        self.assert_phase_fails(builder, "validate", "NoIdentityIsBakedIn", f"{STATE}/key.pk8")
        # As old as an image is when an instance begins with it, and not of the very second.
        self.sh(builder, f"find {STATE} -mindepth 1 -exec touch -d '1 hour ago' {{}} +")
        instance = self.started_from(self.image_of(builder), 78)
        self.assert_phase_fails(instance, "test", "EC2InstanceConnectWorks", f"{STATE}/key.pk8")
        # The agent there makes itself another identity, and still the image is told apart from a good one.
        self.report(instance)
        self.assert_phase_fails(instance, "test", "EC2InstanceConnectWorks", "the agent has discarded it")

    def test_an_image_whose_agent_runs_already_is_refused(self) -> None:
        builder = self.machine(79)
        self.run_phase(builder, "build")
        # An identity is found wherever the agent is told to keep it, however that is written; and what is not understood is said.
        self.sh(builder, "cp /etc/eic-doctor/agent.conf /root/agent.conf && install -D /dev/null /var/lib/other/key.pk8")
        for line, why in (
            ("  state_directory='/var/lib/other' # ours", "/var/lib/other/key.pk8"), ('state_directory = "/var/lib/other"\r', "/var/lib/other/key.pk8"),
            ("state_directory = 1", "names a state_directory that cannot be read"),
        ):  # fmt: skip
            self.sh(builder, "cat /root/agent.conf - >/etc/eic-doctor/agent.conf", f"{line}\n".encode())
            self.assert_phase_fails(builder, "validate", "NoIdentityIsBakedIn", why)
        # What an administrator wrote by hand is replaced, and a last line without an end stays one.
        self.sh(builder, "cat >/etc/eic-doctor/agent.conf", b" coordinator = 'old.example' # before\nos_user = \"ubuntu\"")
        self.sh(builder, f"/usr/libexec/eic-doctor-agent/set-up --coordinator {ADDRESS} --authorities /etc/eic-doctor/authorities.pem --start none")
        wanted = f'os_user = "ubuntu"\ncoordinator = "{ADDRESS}"\nauthorities = "/etc/eic-doctor/authorities.pem"\n'
        self.assertEqual(self.sh(builder, "cat /etc/eic-doctor/agent.conf"), wanted)
        self.sh(builder, f"systemctl start {TIMER}")
        self.assert_phase_fails(builder, "validate", "NoIdentityIsBakedIn", "the timer is running")

    def test_an_image_on_which_no_login_works_fails_the_test_phase(self) -> None:
        builder = self.machine(80)
        self.run_phase(builder, "build")
        self.sh(builder, "rm /usr/lib/systemd/system/ssh.service.d/ec2-instance-connect.conf")
        instance = self.started_from(self.image_of(builder), 81)
        self.assert_phase_fails(instance, "test", "EC2InstanceConnectWorks", "connectable: no")

    def test_what_is_not_what_was_meant_is_not_installed_and_no_value_is_run(self) -> None:
        builder = self.machine(82)
        self.assert_phase_fails(builder, "build", "Install", "package: FAILED", PackageSha256="0" * 64)
        for hostile in HOSTILE:
            self.assert_phase_fails(builder, "build", "Install", "not a SHA-256", PackageSha256=hostile)
        self.assertEqual(self.sh(builder, "ls /usr/bin | grep eic-doctor || true"), "")
        for hostile in HOSTILE:
            # All are read by the one command, which refuses the first: none of the others is run either.
            self.assert_phase_fails(builder, "build", "SetUp", "--coordinator is", Coordinator=hostile, Start=hostile, Authorities=hostile)
        self.assert_phase_fails(builder, "build", "SetUp", "--start is", Start=HOSTILE[0])
        self.assert_phase_fails(builder, "build", "SetUp", "is not base64", Authorities="$(touch /root/owned)")
        key = base64.b64encode(self.authorities + b"-----BEGIN PRIVATE KEY-----\n").decode()
        self.assert_phase_fails(builder, "build", "SetUp", "hold a private key", Authorities=key)
        self.assertFalse(self.owned(builder))
        self.assertEqual(self.sh(builder, "ls /etc/eic-doctor"), "agent.conf\n")

    def document_values(self, **changes: str) -> dict[str, str]:
        return {"Coordinator": ADDRESS, "Authorities": base64.b64encode(self.authorities).decode(), **changes}

    def launched(self, number: int, platform: str, variables: bool) -> None:
        """An instance that runs already, and is told by Systems Manager; `variables`: of a newer SSM Agent."""
        machine = self.machine(number, platform=platform)
        self.connect(machine)
        values = self.set_up.accept(self.document_values(Start="timer"))
        self.set_up.run(machine, values, self.distributor, variables)
        self.assertEqual(self.enabled(machine), ["disabled", "enabled"])
        self.assert_enrolled(machine)
        identity = self.sh(machine, f"sha256sum {STATE}/key.pk8 {STATE}/identity.json")
        # Run again, and another way of starting: nobody enrols anew.
        values = self.set_up.accept(self.document_values())
        for _ in range(2):
            self.set_up.run(machine, values, self.distributor, variables)
            self.assertEqual(self.enabled(machine), ["enabled", "disabled"])
            self.assertEqual(self.sh(machine, f"systemctl is-active {AGENT} {TIMER} || true").split(), ["active", "inactive"])
        self.assertEqual(self.sh(machine, f"sha256sum {STATE}/key.pk8 {STATE}/identity.json"), identity)
        self.assertIn("connectable: yes", self.check.run(machine, self.check.accept({}), variables=variables))
        self.sh(machine, f"systemctl stop {machine._platform.unit}")
        with self.assertRaisesRegex(StepFailed, "connectable: no"):
            self.check.run(machine, self.check.accept({}), variables=variables)
        self.sh(machine, "sh /var/lib/amazon/ssm/packages/eic-doctor-agent/*/uninstall.sh && ! command -v eic-doctor-agent")

    def test_a_launched_debian_is_set_up_checked_and_left_by_systems_manager(self) -> None:
        self.launched(83, "debian", variables=True)

    def test_a_launched_amazon_linux_with_an_old_ssm_agent_is_too(self) -> None:
        self.launched(84, "al2023", variables=False)

    def test_systems_manager_refuses_what_a_shell_could_read(self) -> None:
        for document, given in ((self.set_up, self.document_values()), (self.check, {})):
            document.accept(given)
            for name in document.parameters:
                for hostile in HOSTILE:
                    # An empty version is the package's default one.
                    if (name, hostile) != ("Version", ""):
                        with self.assertRaises(Refused, msg=(name, hostile)):
                            document.accept({**given, name: hostile})

    def test_a_newer_ssm_agent_runs_no_value_even_if_it_had_been_let_through(self) -> None:
        machine = self.machine(85)
        values = self.set_up.accept(self.document_values())
        self.set_up.run(machine, values, self.distributor)
        for hostile in HOSTILE:
            with self.assertRaises(StepFailed):
                self.set_up.run(machine, {**values, "Coordinator": hostile, "Authorities": hostile, "Start": hostile}, self.distributor)
            with self.assertRaises(StepFailed):
                self.check.run(machine, dict.fromkeys(self.check.parameters, hostile))
        self.assertFalse(self.owned(machine))

    def provision(self, machine: Machine, **changes: str) -> str:
        """As Packer runs it: the files are there, and values are in the environment."""
        package = self.package_for(machine.spec.platform)
        told = {
            "PACKAGE_NAME": package.name, "PACKAGE_SHA256": hashlib.sha256(package.read_bytes()).hexdigest(),
            "COORDINATOR": ADDRESS, "START": "timer", "OS_USER": "ec2-user", **changes,
        }  # fmt: skip
        machine.install_file(package, "/tmp/eic-doctor-agent-package", 0o644)
        write(machine, "/tmp/eic-doctor-authorities.pem", self.authorities)
        return shell(machine, "provision", (ROLLOUT / "packer/provision").read_text(), [f"{name}={value}" for name, value in told.items()])

    def test_an_image_that_packer_provisions_makes_an_instance_that_enrols(self) -> None:
        builder = self.machine(86)
        for name, value, why in (
            ("PACKAGE_SHA256", "0" * 64, "package: FAILED"), ("PACKAGE_NAME", "agent.exe", "neither .deb nor .rpm"),
            ("COORDINATOR", HOSTILE[2], "--coordinator is"), ("START", HOSTILE[0], "--start is"),
        ):  # fmt: skip
            with self.assertRaisesRegex(StepFailed, why):
                self.provision(builder, **{name: value})
        self.assertIn("connectable: yes", self.provision(builder))
        self.assertEqual(self.sh(builder, "ls /root /tmp | grep eic-doctor || true"), "")
        self.assertFalse(self.owned(builder))
        instance = self.started_from(self.image_of(builder), 87)
        self.assert_enrolled(instance)

    def test_an_instance_does_what_its_user_data_say(self) -> None:
        machine = self.machine(88)
        self.connect(machine)
        package = self.package_for("debian")
        machine.install_file(package, f"/root/served/{package.name}", 0o644)
        self.sh(machine, SERVED)
        replaced = {
            "https://packages.example.com/eic-doctor-agent-0.1.0-1.x86_64.rpm": f"https://localhost:8443/{package.name}",
            "coordinator.example.com": ADDRESS,
            "-----BEGIN CERTIFICATE-----\n      REPLACE\n      -----END CERTIFICATE-----\n": self.authorities.decode().replace("\n", "\n      "),
        }
        text = (ROLLOUT / "user-data.yaml").read_text(encoding="utf-8")
        for old, new in replaced.items():
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        # The sum of zeros that stands there is no package's.
        with self.assertRaisesRegex(StepFailed, "package: FAILED"):
            cloud_init(machine, text)
        self.assertNotEqual(machine.exec(["test", "-e", "/usr/bin/eic-doctor-agent"]).returncode, 0)
        text = text.replace("0" * 64, hashlib.sha256(package.read_bytes()).hexdigest())
        cloud_init(machine, text)
        # Again, as on an image that has the agent: nothing is downloaded.
        self.sh(machine, "systemctl stop served && rm -r /root/served")
        cloud_init(machine, text)
        self.assertEqual(self.enabled(machine), ["enabled", "disabled"])
        self.sh(machine, f"systemctl stop {AGENT}")
        self.assert_enrolled(machine)


def cloud_init(machine: Machine, user_data: str) -> None:
    """Writes the files and runs the commands, each as a list of words that no shell reads; the first that fails is raised."""
    told = yaml.safe_load(user_data)
    for file in told["write_files"]:
        machine.exec(["install", "-D", "-m", file["permissions"], "/dev/stdin", file["path"]], file["content"].encode())
    for command in told["runcmd"]:
        shell(machine, command[0], shlex.join(command), ["CURL_CA_BUNDLE=/root/localhost.pem"])


if __name__ == "__main__":
    unittest.main()
