"""Instances of the rpm family behave as those of the Debian one do, with rpm's database, paths and unit. Needs root."""

from __future__ import annotations

import unittest

from test_machine import AS_KEYS_USER, LabTest

KEYS_COMMAND = "/opt/aws/bin/eic_run_authorized_keys"
# The platform, the package that its images have, and how many files the keys command is.
IMAGES = (
    ("al2", "1.1-19.amzn2.noarch", 3),
    ("al2023", "1.1-19.amzn2023.noarch", 3),
    ("rhel8", "2.0.0-5.rhel8.x86_64", 1),
    ("rhel9", "2.0.0-5.rhel9.x86_64", 1),
)


class RpmFamily(LabTest):
    def test_an_image_logs_in_until_its_package_is_removed(self) -> None:
        for number, (platform, version, files) in enumerate(IMAGES):
            with self.subTest(platform):
                machine = self.machine(20 + number, platform=platform)
                asked = machine.exec(["rpm", "-q", "ec2-instance-connect", "ec2-instance-connect-selinux"])
                self.assertEqual(asked.stdout.decode().split()[0], f"ec2-instance-connect-{version}")
                self.assertEqual(asked.returncode, 0)
                self.assertEqual(len(machine.exec(["ls", "/opt/aws/bin"]).stdout.split()), files)
                self.assertEqual(machine.exec(["systemctl", "is-system-running"]).stdout, b"running\n")
                self.assertNotEqual(machine.exec(["test", "-e", "/var/lib/dpkg"]).returncode, 0)
                machine.push_key("ec2-user", self.public_key)
                self.assert_login(machine, works=True)
                machine.remove_package()
                self.assert_login(machine, works=False)
                self.assertEqual(machine.exec(["getent", "passwd", "ec2-instance-connect"]).returncode, 2)
                machine.stop()

    def test_an_image_without_the_package_gets_it_and_a_port_of_its_own(self) -> None:
        machine = self.machine(30, platform="rhel8", package_version=None, ssh_port=2222)
        machine.push_key("ec2-user", self.public_key)
        self.assert_login(machine, works=False, port=2222)
        machine.install_package("2.0.0-5.rhel8")
        self.assert_login(machine, works=True, port=2222)

    def test_a_version_before_1_1_12_needs_optional_tokens(self) -> None:
        machine = self.machine(31, platform="al2", package_version="1.1-11.amzn2")
        machine.push_key("ec2-user", self.public_key)
        self.assert_login(machine, works=False)
        machine.update_imds(http_tokens="optional")
        self.assert_login(machine, works=True)

    def test_a_keys_command_in_sshd_config_is_left_alone_in_silence(self) -> None:
        machine = self.machine(32, platform="al2023", package_version=None)
        machine.exec(["sh", "-c", "echo '  authorizedkeyscommand none' >>/etc/ssh/sshd_config"])
        machine.install_package("1.1-19.amzn2023")
        machine.push_key("ec2-user", self.public_key)
        self.assert_login(machine, works=False)

    def test_the_keys_command_searches_no_path_and_ends_with_the_status_of_what_stopped_it(self) -> None:
        for number, platform in enumerate(("al2023", "rhel9")):
            with self.subTest(platform):
                machine = self.machine(33 + number, platform=platform)
                machine.push_key("ec2-user", self.public_key)
                bare = [*AS_KEYS_USER, "/usr/bin/env", "-i", "PATH=/nowhere", KEYS_COMMAND, "ec2-user", self.fingerprint]
                done = machine.exec(bare)
                self.assertEqual((done.returncode, done.stdout.split()[:2]), (0, self.public_key.encode().split()[:2]))
                # The last certificate of the bundle is the lab's.
                bundle = "/etc/ssl/certs/ca-bundle.crt"
                machine.exec(["sh", "-c", f"tac {bundle} | sed '1,/BEGIN/d' | tac >/root/less; cat /root/less >{bundle}"])
                self.assertEqual(machine.exec(bare).returncode, 2)
                machine.exec(["rm", bundle])
                self.assertEqual(machine.exec(bare).returncode, 1)
                machine.update_imds(http_endpoint="disabled")
                self.assertEqual(machine.exec(bare).returncode, 22)
                machine.stop()


if __name__ == "__main__":
    unittest.main()
