"""A lab instance behaves as one with EC2 Instance Connect does, and leaves nothing behind. Needs root."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from base import Base
from machine import Machine, MachineSpec

HERE = Path(__file__).parent
KEYS_COMMAND = "/usr/share/ec2-instance-connect/eic_run_authorized_keys"
AS_KEYS_USER = ["setpriv", "--reuid=ec2-instance-connect", "--regid=ec2-instance-connect", "--clear-groups"]
BLOCK_IMDS = """
add table inet lab
add chain inet lab output { type filter hook output priority 0; }
add rule inet lab output meta skuid "ec2-instance-connect" ip daddr 169.254.169.254 VERDICT
"""
# Starts a machine, says so, and waits to be killed.
DAEMON = """
import sys
import netns
from pathlib import Path
from base import Base
from machine import Machine
from test_machine import spec
netns.enter_private_mounts()
machine = Machine(spec(9), Base.ready(), Path(sys.argv[1]))
machine.start()
print("started", flush=True)
sys.stdin.read()
"""


def spec(number: int, **changes: object) -> MachineSpec:
    return MachineSpec(
        instance_id=f"i-{number:017x}", private_ipv4="10.0.1.5", region="eu-west-1", availability_zone="eu-west-1a",
        account_id="123456789012", **changes,
    )  # fmt: skip


class Belongings:
    """All that a machine has on the host, taken while it runs; to be seen gone later.

    Only this machine's: other labs may run beside this one.
    """

    def __init__(self, supervisor: int) -> None:
        pids = [supervisor]
        for pid in pids:
            pids += children(pid)
        self.processes = {pid: os.pidfd_open(pid) for pid in pids}
        self.networks = {os.readlink(f"/proc/{pid}/ns/net") for pid in pids} - {os.readlink("/proc/self/ns/net")}
        groups = "".join(Path(f"/proc/{pid}/cgroup").read_text() for pid in pids)
        self.groups = set(re.findall("eic-doctor-lab-[0-9a-f]+", groups))

    def await_end(self) -> None:
        """Returns when nothing lives in the machine's control group any more: only then may another machine sweep it up."""
        for events in [path / "cgroup.events" for path in self._groups() if (path / "cgroup.events").exists()]:
            with events.open() as file:
                poll = select.poll()
                poll.register(file, select.POLLPRI)
                # The kernel tells each change of the file; the first poll is answered at once, the others by a change.
                while "populated 0" not in file.read():
                    if not poll.poll(30_000):
                        raise TimeoutError(f"{events} is still populated")
                    file.seek(0)

    def _groups(self) -> list[Path]:
        return [path for name in self.groups for path in Path("/sys/fs/cgroup").rglob(name)]

    def left(self) -> list[str]:
        found = []
        for pid, descriptor in self.processes.items():
            # Readable once the process has ended; with a limit, as the parent may have died a moment ago.
            if not select.select([descriptor], [], [], 10)[0]:
                found.append(f"process {pid}")
            os.close(descriptor)
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(process / "ns/net") in self.networks:
                    found.append(f"process {process.name} in its network")
        return found + [str(path) for path in self._groups()]


def surroundings() -> dict[str, object]:
    """What a machine must not change on the host even while it runs."""
    return {
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "networks": sorted(os.listdir("/run/netns")) if Path("/run/netns").is_dir() else [],
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "nspawn": [name for directory in ("/tmp", "/run") for name in os.listdir(directory) if "nspawn" in name],
    }


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


class LabTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.base = Base.ready()
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.workdir = Path(directory.name)
        cls.key, cls.public_key = cls.new_key("key")
        listed = subprocess.run(["ssh-keygen", "-l", "-f", str(cls.key)], check=True, capture_output=True, text=True)
        cls.fingerprint = listed.stdout.split()[1]

    @classmethod
    def new_key(cls, name: str) -> tuple[Path, str]:
        path = cls.workdir / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path, path.with_suffix(".pub").read_text(encoding="ascii")

    def machine(self, number: int, **changes: object) -> Machine:
        machine = Machine(spec(number, **changes), self.base, self.workdir)
        self.addCleanup(machine.stop)
        machine.start()
        return machine

    def assert_login(self, machine: Machine, works: bool, key: Path | None = None, **options: object) -> None:
        done = machine.login("ec2-user", key or self.key, command="whoami", **options)
        if works:
            self.assertEqual((done.returncode, done.stdout), (0, b"ec2-user\n"), done.stderr)
        else:
            self.assertEqual(done.returncode, 255, done.stdout)
            self.assertIn(b"Permission denied", done.stderr)


class OneMachine(LabTest):
    """Tests that mend what they break share one machine."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.shared = Machine(spec(1, ipv6="2001:db8:a::5"), cls.base, cls.workdir)
        cls.addClassCleanup(cls.shared.stop)
        cls.shared.start()

    def sh(self, script: str) -> str:
        done = self.shared.exec(["sh", "-c", script])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def test_a_pushed_key_logs_in_and_another_users_does_not(self) -> None:
        key, public_key = self.new_key("another")
        self.assert_login(self.shared, works=False, key=key)
        self.shared.push_key("root", public_key)
        self.assert_login(self.shared, works=False, key=key)
        self.shared.push_key("ec2-user", public_key)
        self.assert_login(self.shared, works=True, key=key)

    def test_the_keys_command_ends_with_the_status_of_what_stopped_it(self) -> None:
        self.shared.push_key("ec2-user", self.public_key)
        self.shared.push_key("sshd", "ecdsa-sha2-nistp256 AAAA")
        self.assertEqual(self.run_keys_command(), (0, self.public_key.split()[:2]))
        self.assertEqual(self.run_keys_command("backup"), (0, []), "nothing was pushed for this user")
        self.assertEqual(self.run_keys_command("nobody-here"), (1, []))
        self.assertEqual(self.run_keys_command("sshd"), (255, []), "a key of a type that is not served")
        for name, bad, good, status in (
            ("http_endpoint", "disabled", "enabled", 22),
            ("availability_zone", "us-west-2-lax-1a", "eu-west-1a", 255),
            ("availability_zone", "eu-west-2a", "eu-west-1a", 1),
            ("domain", "amazonaws.eu", "amazonaws.com", 255),
            ("instance_id", "i-00000000000000002", self.shared.spec.instance_id, 0),
        ):
            self.shared.update_imds(**{name: bad})
            self.assertEqual(self.run_keys_command(), (status, []), name)
            self.shared.update_imds(**{name: good})
        anchor = "/usr/local/share/ca-certificates/eic-doctor-lab.crt"
        self.sh(f"mv {anchor} /root")
        self.assertEqual(self.run_keys_command(), (2, []))
        self.sh(f"mv /root/{anchor.rpartition('/')[2]} {anchor}")
        self.assertEqual(self.run_keys_command()[0], 0)

    def test_an_expired_key_is_served_but_not_accepted(self) -> None:
        self.shared.update_imds(clock_offset=-600)
        self.shared.push_key("daemon", self.public_key)
        self.shared.update_imds(clock_offset=0)
        self.assertEqual(self.run_keys_command("daemon"), (255, []))

    def test_a_disabled_metadata_endpoint_denies_the_login(self) -> None:
        self.shared.push_key("ec2-user", self.public_key)
        self.shared.update_imds(http_endpoint="disabled")
        self.assert_login(self.shared, works=False)
        self.shared.update_imds(http_endpoint="enabled")
        self.assert_login(self.shared, works=True)

    def test_a_firewall_against_the_keys_user_denies_the_login_though_root_reaches_imds(self) -> None:
        self.shared.push_key("ec2-user", self.public_key)
        for verdict, status in (("reject", 7), ("drop", 28)):
            self.shared.exec(["nft", "-f", "-"], stdin=BLOCK_IMDS.replace("VERDICT", verdict).encode())
            self.assertEqual(self.run_keys_command(), (status, []))
            self.assert_login(self.shared, works=False)
            code = self.sh("curl -s -o /dev/null -w '%{http_code}' http://169.254.169.254/latest/meta-data/")
            self.assertEqual(code, "401")
            self.sh("nft delete table inet lab")
        self.assert_login(self.shared, works=True)

    def test_a_hop_limit_of_one_keeps_the_token_from_a_container_behind_the_instance(self) -> None:
        container = """
            ip netns add inner
            ip link add inner type veth peer name eth0 netns inner
            ip addr add 172.17.0.1/24 dev inner; ip link set inner up
            ip -n inner addr add 172.17.0.2/24 dev eth0; ip -n inner link set eth0 up
            ip -n inner route add default via 172.17.0.1
            echo 1 >/proc/sys/net/ipv4/ip_forward
            nft add table ip nat
            nft add chain ip nat out '{ type nat hook postrouting priority 100; }'
            nft add rule ip nat out ip saddr 172.17.0.0/24 masquerade
        """
        ask = "ip netns exec inner curl -s -m 1 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 5' " \
              "http://169.254.169.254/latest/api/token >/dev/null; echo $?"  # fmt: skip
        # The instance's /proc/sys is read-only, as nspawn makes it.
        self.sh("mount -o remount,rw,bind /proc/sys")
        self.sh(f"set -e; {container}")
        self.assertEqual(self.sh(ask), "0\n")
        self.shared.update_imds(hop_limit=1)
        self.assertEqual(self.sh(ask), "28\n")
        self.shared.update_imds(hop_limit=2)
        self.sh("ip netns del inner; nft delete table ip nat")

    def test_dmi_says_which_instance_this_is(self) -> None:
        shown = self.sh("cd /sys/devices/virtual/dmi/id; cat board_asset_tag sys_vendor /sys/class/dmi/id/product_name")
        self.assertEqual(shown, f"{self.shared.spec.instance_id}\nAmazon EC2\nt3.micro\n")

    def test_a_command_over_its_time_is_killed(self) -> None:
        with self.assertRaises(subprocess.TimeoutExpired):
            self.shared.exec(["sh", "-c", "sleep 4321; :"], timeout=0.3)
        self.assertEqual(self.shared.exec(["pgrep", "-f", "sleep 4321"]).returncode, 1)

    def test_a_file_is_installed_with_its_mode(self) -> None:
        self.shared.install_file(Path("/bin/true"), "/opt/lab/true")
        self.sh("test \"$(stat -c %a:%U /opt/lab/true)\" = 755:root; /opt/lab/true")

    def run_keys_command(self, user: str = "ec2-user") -> tuple[int, list[str]]:
        done = self.shared.exec([*AS_KEYS_USER, KEYS_COMMAND, user, self.fingerprint])
        return done.returncode, done.stdout.decode().split()[:2]


class Packages(LabTest):
    def test_without_the_package_no_key_is_looked_up_until_it_is_installed(self) -> None:
        machine = self.machine(2, package_version=None)
        machine.push_key("ec2-user", self.public_key)
        self.assert_login(machine, works=False)
        machine.install_package("1.1.19")
        self.assert_login(machine, works=True)
        machine.remove_package()
        self.assert_login(machine, works=False)
        self.assertEqual(machine.exec(["getent", "passwd", "ec2-instance-connect"]).returncode, 2)

    def test_a_version_before_1_1_12_needs_optional_tokens(self) -> None:
        machine = self.machine(3, package_version="1.1.11", ssh_port=2222)
        machine.push_key("ec2-user", self.public_key)
        self.assert_login(machine, works=False, port=2222)
        machine.update_imds(http_tokens="optional")
        self.assert_login(machine, works=True, port=2222)

    def test_a_keys_command_in_sshd_config_is_left_alone_in_silence(self) -> None:
        machine = self.machine(4, package_version=None)
        machine.exec(["sh", "-c", "echo '  authorizedkeyscommand none' >>/etc/ssh/sshd_config"])
        machine.install_package("1.1.19")
        machine.push_key("ec2-user", self.public_key)
        self.assert_login(machine, works=False)


class Isolation(LabTest):
    def test_two_machines_with_one_address_do_not_meet_and_leave_nothing(self) -> None:
        before = surroundings()
        machines = [Machine(spec(number), self.base, self.workdir) for number in (5, 6)]
        starting = [threading.Thread(target=machine.start) for machine in machines]
        for machine, thread in zip(machines, starting):
            self.addCleanup(machine.stop)
            thread.start()
        for thread in starting:
            thread.join()
        first, second = machines
        first.push_key("ec2-user", self.public_key)
        self.assert_login(first, works=True)
        self.assert_login(second, works=False)
        # Their systemds must not share a control group: stopping a unit kills what is in its group.
        first.exec(["systemctl", "stop", "ssh.service"])
        second.push_key("ec2-user", self.public_key)
        self.assert_login(second, works=True)
        self.assertEqual(surroundings(), before)
        for machine in machines:
            belongings = Belongings(machine._supervisor.pid)
            self.assertGreater(len(belongings.processes), 5)
            self.assertGreaterEqual(len(belongings.networks), 2)
            self.assertEqual(len(belongings.groups), 1)
            machine.stop()
            self.assertEqual(belongings.left(), [])
        self.assertEqual({path.name for path in self.workdir.iterdir()}, {"authority", "identity", "key", "key.pub"})

    def test_a_machine_ends_with_the_process_that_made_it_even_when_that_is_killed(self) -> None:
        before = surroundings()
        with subprocess.Popen(
            [sys.executable, "-B", "-c", DAEMON, str(self.workdir)], cwd=HERE, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as daemon:  # fmt: skip
            self.assertEqual(daemon.stdout.readline(), "started\n")
            belongings = Belongings(children(daemon.pid)[0])
            daemon.kill()
        self.assertEqual(belongings.left(), [])
        self.assertEqual(surroundings(), before)

    def test_a_machine_ends_when_its_supervisor_is_killed_and_the_next_one_sweeps_up(self) -> None:
        machine = self.machine(7)
        belongings = Belongings(machine._supervisor.pid)
        machine._supervisor.kill()
        machine.stop()
        # The kernel kills the instance's processes one after the other; a group that still has one looks like a machine at work.
        belongings.await_end()
        self.machine(8)
        self.assertEqual(belongings.left(), [])

    def test_private_mounts_are_entered_once(self) -> None:
        before = surroundings()
        script = "import netns; netns.enter_private_mounts(); netns.enter_private_mounts(); " \
                 "print(open('/proc/self/mountinfo').read().count(' /run/netns '))"  # fmt: skip
        done = subprocess.run([sys.executable, "-B", "-c", script], cwd=HERE, check=True, stdout=subprocess.PIPE)
        self.assertEqual(done.stdout, b"1\n")
        self.assertEqual(surroundings(), before)


if __name__ == "__main__":
    unittest.main()
