"""The agent in machines that nobody has in mind: it ends, stays small, and says `unknown` where it could not look.

Needs root, and the static agent (`packaging/build-agent`), which is built when it is not there.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import unittest
from collections.abc import Iterator
from dataclasses import dataclass

from benchmark import in_machine, peak
from machine import Machine
from test_footprint import AGENT, AS_NOBODY, built_agent
from test_machine import LabTest, spec

# For the whole run; the agent's own budget is 10 s.
LIMIT = 12
RESIDENT_KB = 6_000

# In place of the metadata service: takes connections and does what its argument says, whatever is asked.
HOSTILE_SERVER = r"""
import itertools, socket, sys, threading, time
def answer(connection):
    with connection:
        asked = connection.recv(4096)
        try:
            for part in PARTS[sys.argv[1]]():
                connection.sendall(part)
        except OSError:
            pass
def drip():
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 56\r\n\r\n" + b"t" * 56:
        yield bytes([byte])
        time.sleep(1)
def gigabyte():
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    for _ in range(1000):
        yield b"t" * 1000000
def headers():
    yield b"HTTP/1.1 200 OK\r\n"
    for number in itertools.count():
        yield b"x-%d: y\r\n" % number
PARTS = {
    "drips": drip, "sends a gigabyte": gigabyte, "sends headers without end": headers,
    "redirects": lambda: [b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"],
    "speaks something else": lambda: [b"SSH-2.0-OpenSSH_9.2p1\r\n"],
    "hangs up": lambda: [],
    "sends an endless line": lambda: itertools.repeat(b"A" * 65536),
    "sends bytes that are no text": lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\xff\xfe\x00\x1b[31m"],
}
with socket.create_server(("169.254.169.254", 80)) as server:
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()
"""
HOSTILE = [
    "drips", "sends a gigabyte", "sends headers without end", "redirects", "speaks something else", "hangs up",
    "sends an endless line", "sends bytes that are no text",
]  # fmt: skip


@dataclass
class Told:
    exit: int
    connectable: str
    statuses: dict[str, str]
    reasons: dict[str, str]
    seconds: float

    def having(self, *statuses: str) -> set[str]:
        return {check for check, status in self.statuses.items() if status in statuses}


class Robustness(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.shared = Machine(spec(22), cls.base, cls.workdir)
        cls.addClassCleanup(cls.shared.stop)
        cls.shared.start()
        cls.shared.install_file(built_agent(), AGENT)

    def sh(self, script: str) -> str:
        done = self.shared.exec(["sh", "-c", script])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    @contextlib.contextmanager
    def changed(self, change: str, back: str) -> Iterator[None]:
        self.sh(change)
        try:
            yield
        finally:
            self.sh(back)

    def ask(self, *before: str) -> Told:
        started = time.monotonic()
        done = self.shared.exec([*before, AGENT, "check", "--output", "json"], timeout=LIMIT)
        seconds = time.monotonic() - started
        self.assertEqual(done.stderr, b"")
        report = json.loads(done.stdout)
        results = report["results"]
        return Told(
            done.returncode,
            report["connectable"],
            {result["id"]: result["status"] for result in results},
            {result["id"]: result["why"] for result in results},
            seconds,
        )

    def assert_small(self) -> None:
        memory = in_machine(self.shared, lambda: peak([AGENT, "check", "--output", "json"]).resident_kb)
        self.assertLess(memory, RESIDENT_KB)

    def assert_as_when_healthy(self) -> None:
        told = self.ask()
        self.assertEqual((told.exit, told.connectable, told.having("fail", "unknown", "blocked")), (0, "yes", set()), told.reasons)

    def test_a_user_without_rights_never_gets_a_wrong_answer(self) -> None:
        hide = "chmod 700 /etc/ssh /var/lib/dpkg /usr/share/ec2-instance-connect; chmod 600 /etc/nsswitch.conf /etc/os-release"
        show = "chmod 755 /etc/ssh /var/lib/dpkg /usr/share/ec2-instance-connect; chmod 644 /etc/nsswitch.conf /etc/os-release"
        told = [self.ask(*AS_NOBODY)]
        with self.changed(hide, show):
            told.append(self.ask(*AS_NOBODY))
        hidden = ["unshare", "-m", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh"]
        told.append(self.ask(*hidden, *AS_NOBODY))
        self.assertEqual(told[2].statuses["os.sshd.running"], "unknown")
        self.assertIn("hidepid", told[2].reasons["os.sshd.running"])
        for one in told:
            self.assertEqual((one.exit, one.connectable, one.having("fail", "blocked")), (3, "unknown", set()), one.reasons)
            for check in one.having("unknown"):
                self.assertTrue(one.reasons[check], check)
        # The same of an instance where the login fails: nothing is ok that is not.
        with self.changed("dpkg --purge ec2-instance-connect", ":"):
            self.assertNotEqual(self.ask(*AS_NOBODY).connectable, "yes")
        self.shared.install_package("1.1.19")
        self.assert_as_when_healthy()

    def test_what_is_no_file_where_files_are_expected_holds_nobody(self) -> None:
        folder = "/etc/ssh/sshd_config.d"
        for name, make in {
            "a FIFO": f"mkfifo {folder}/x.conf",
            "a directory": f"mkdir {folder}/x.conf",
            "a link to itself": f"ln -s x.conf {folder}/x.conf",
            "a link to nowhere": f"ln -s /nonexistent {folder}/x.conf",
            "a device": f"ln -s /dev/zero {folder}/x.conf",
            "a device that is endless in /proc": f"ln -s /proc/kmsg {folder}/x.conf",
            "a socket": f"ln -s /run/systemd/private {folder}/x.conf",
            "a file that includes itself": f"echo Include {folder}/x.conf >{folder}/x.conf",
            "a hundred megabytes": f"head -c 100000000 /dev/zero | tr '\\0' '\\n' >{folder}/x.conf",
            "bytes that are no text": f"head -c 5000 /dev/urandom >{folder}/x.conf",
        }.items():
            with self.subTest(name), self.changed(make, f"rm -r {folder}/x.conf"):
                told = self.ask()
                # The running sshd does not read them again, so the login works: nothing may fail.
                self.assertEqual(told.having("fail", "blocked"), set(), told.reasons)
                self.assertLess(told.seconds, LIMIT)
                self.assert_small()
        for name, path in {"nsswitch.conf": "/etc/nsswitch.conf", "os-release": "/usr/lib/os-release"}.items():
            with self.subTest(name), self.changed(f"mv {path} /root/kept; mkfifo {path}", f"rm {path}; mv /root/kept {path}"):
                self.assertEqual(self.ask().having("fail", "blocked"), set())
        # Until then sshd has not read what its folder holds now.
        self.sh("systemctl restart ssh")
        self.assert_as_when_healthy()

    def test_a_keys_command_that_is_a_loop_of_links_is_a_finding(self) -> None:
        script = "/usr/share/ec2-instance-connect/eic_run_authorized_keys"
        loop = f"mv {script} /root/kept; ln -s {script} {script}"
        with self.changed(loop, f"rm {script}; mv /root/kept {script}"):
            self.assertEqual(self.ask().connectable, "no")
        self.assert_as_when_healthy()

    def test_logs_of_a_hundred_megabytes_cost_nothing(self) -> None:
        line = "Nov 24 00:00:00 host sshd[1]: error: AuthorizedKeysCommand /x failed, status 22"
        logs = "for log in auth.log secure messages; do yes 'LINE' | head -c 100000000 >/var/log/$log; done".replace("LINE", line)
        with self.changed(logs, "rm /var/log/auth.log /var/log/secure /var/log/messages"):
            told = self.ask()
            self.assertEqual(told.having("fail", "blocked"), set(), told.reasons)
            self.assertLess(told.seconds, 5)
            self.assert_small()

    def test_processes_that_come_and_go_change_no_answer(self) -> None:
        storm = "(end=$(($(date +%s) + 6)); while [ $(date +%s) -lt $end ]; do /bin/true; sleep 0 & done) >/dev/null 2>&1 &"
        self.sh(storm)
        for _ in range(5):
            self.assert_as_when_healthy()

    def test_a_metadata_service_that_means_harm_ends_in_time_and_is_never_taken_for_one(self) -> None:
        with self.changed("ip addr add 169.254.169.254/32 dev lo", "ip addr del 169.254.169.254/32 dev lo"):
            for way in HOSTILE:
                server = ["nsenter", f"--net=/proc/{self.shared.init_pid}/ns/net", sys.executable, "-c", HOSTILE_SERVER, way]
                with self.subTest(way), subprocess.Popen(server, stdout=subprocess.PIPE) as process:
                    try:
                        self.assertEqual(process.stdout.readline(), b"ready\n")
                        told = self.ask()
                        self.assertNotEqual(told.connectable, "yes")
                        self.assertNotEqual(told.statuses["os.imds.instance-id"], "ok")
                        self.assertLess(told.seconds, LIMIT)
                        self.assert_small()
                    finally:
                        process.kill()
        self.assert_as_when_healthy()


if __name__ == "__main__":
    unittest.main()
