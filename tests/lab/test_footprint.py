"""The agent only reads: held to it under strace, in a machine of the lab, by what it asks of the kernel and by what it leaves.

Needs root, and the static agent (`packaging/build-agent`), which is built when it is not there.
"""

from __future__ import annotations

import re
import subprocess
import time
import unittest
from dataclasses import dataclass, field
from pathlib import Path

from machine import ENVIRONMENT, Machine
from test_machine import LabTest, spec

REPOSITORY = Path(__file__).resolve().parents[2]
AGENT = "/usr/bin/eic-doctor-agent"
AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
# What the agent may start; everything else is read from files. Its own program becomes the keys user.
PROGRAMS = {"/proc/self/exe", "/usr/bin/getent", "/usr/bin/systemctl", "/usr/sbin/nft", "/usr/sbin/sshd"}
# Whom it and its children may talk to by unix sockets: systemd, and what the C library asks for names.
PEERS = {"/run/systemd/private", "/run/dbus/system_bus_socket", "/var/run/nscd/socket", "/run/systemd/userdb/io.systemd.DynamicUser"}

# System calls that change something, whatever their arguments are.
CHANGING = re.compile(
    r"(unlink|rename|mkdir|rmdir|link|symlink|mknod|chmod|fchmod|chown|fchown|lchown|utime|futimesat|truncate|ftruncate|fallocate"
    r"|copy_file_range|setxattr|lsetxattr|fsetxattr|removexattr|lremovexattr|fremovexattr|mount|umount2|move_mount|fsmount|pivot_root|chroot"
    r"|swapon|swapoff|sethostname|setdomainname|settimeofday|clock_settime|adjtimex|clock_adjtime|reboot|init_module|finit_module"
    r"|delete_module|kexec_load|kexec_file_load|quotactl|acct|syslog|ptrace|process_vm_writev|bpf|perf_event_open|io_uring_setup|unshare|setns"
    r"|keyctl|add_key|request_key|listen|creat|mq_open|shmget|semget|msgget)(at|at2|s|nsat|at_file)?\("
)  # fmt: skip
OPENED_FOR_WRITING = re.compile(r'^open(?:at2?)?\((?:[^"]*, )?"([^"]*)".*\b(?:O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE)\b')
SOCKET = re.compile(r"^socket(?:pair)?\((\w+), (\w+).*<(socket:\[\d+\])>")
CONNECTED = re.compile(r"^connect\(\d+<(socket:\[\d+\])>, \{sa_family=(\w+), (.*)\}, ")
SENT = re.compile(r"^(?:write|writev|pwrite64|pwritev|send|sendto|sendmsg|sendmmsg|sendfile|splice)\(\d+<([^>]*)>")
SIGNAL = re.compile(r"^(?:kill|tkill|tgkill|rt_sigqueueinfo|pidfd_send_signal)\(-?(\d+)")
CHILD = re.compile(r"^(?:clone|clone3|fork|vfork)\(.* = (\d+)$")
STARTED = re.compile(r'^execve\("([^"]*)".* = 0$')

# What others write in a machine at any time: journald.
OTHERS = re.compile(r"/(run|var)/log/journal(/|$)|/run/systemd/journal(/|$)")
SNAPSHOT = (
    "find / /run /tmp /dev /dev/shm -xdev \\( -path /proc -o -path /sys \\) -prune -o"
    " -printf '%p\\t%y %m %U %G %s %i %T@ %C@\\n' | sort -u"
)


def built_agent() -> Path:
    built = subprocess.run(["sh", str(REPOSITORY / "packaging/build-agent")], check=True, stdout=subprocess.PIPE, text=True)
    return REPOSITORY / built.stdout.strip()


@dataclass
class Trace:
    """What one run of the agent and of all that it started asked of the kernel."""

    exit: int
    stdout: bytes
    seconds: float
    programs: set[str] = field(default_factory=set)
    connected: set[str] = field(default_factory=set)
    offences: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Allowed:
    """What the subcommands that speak to a coordinator may do besides."""

    coordinator: str | None = None
    folder: str | None = None


NOTHING = Allowed()


def trace(machine: Machine, argv: list[str], folder: Path, program: str = AGENT, allowed: Allowed = NOTHING) -> Trace:
    for old in folder.glob("trace.*"):
        old.unlink()
    enter = ["nsenter", "-t", str(machine.init_pid), "-m", "-u", "-i", "-n", "-p", "-C", "--"]
    strace = ["strace", "-ff", "-y", "-qq", "-s", "300", "-o", str(folder / "trace")]
    started = time.monotonic()
    done = subprocess.run([*strace, *enter, *argv], env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    traced = Trace(done.returncode, done.stdout, time.monotonic() - started)
    whole = [path.read_text(errors="replace").splitlines() for path in folder.glob("trace.*")]
    threads = [lines for thread in whole if (lines := _since(program, thread))]
    # A thread may use what another one has opened.
    families = {match[3]: (match[1], match[2]) for lines in threads for line in lines if (match := SOCKET.match(line))}
    peers: dict[str, str] = {}
    for line in (line for lines in threads for line in lines):
        if match := CONNECTED.match(line):
            peers[match[1]] = f"{match[2]} {match[3]}"
        elif line.startswith("socketpair("):
            # Both ends are the program's own: so it wakes itself at a signal.
            for end in re.findall(r"<(socket:\[\d+\])>", line):
                peers[end], families[end] = "itself", ("AF_UNIX", "SOCK_STREAM")
    children = {match[1] for lines in threads for line in lines if (match := CHILD.match(line))}
    for line in (line for lines in threads for line in lines):
        _judge(traced, line, families, peers, children, allowed)
    return traced


def _since(program: str, lines: list[str]) -> list[str]:
    """Without what led to the program: nsenter, and what gave up being root."""
    starts = [number for number, line in enumerate(lines) if (match := STARTED.match(line)) and match[1] == program]
    if starts:
        return lines[starts[0] :]
    return [] if any(line.startswith("execve(") and "nsenter" in line for line in lines) else lines


def _judge(
    traced: Trace,
    line: str,
    families: dict[str, tuple[str, str]],
    peers: dict[str, str],
    children: set[str],
    allowed: Allowed,
) -> None:
    offences = traced.offences
    if allowed.folder and _is_in(line, allowed.folder):
        return
    if match := STARTED.match(line):
        traced.programs.add(match[1])
    elif CHANGING.match(line):
        offences.append(line)
    elif match := OPENED_FOR_WRITING.match(line):
        if match[1] not in ("/dev/null", "/dev/tty"):
            offences.append(line)
    elif match := CONNECTED.match(line):
        traced.connected.add(f"{match[2]} {match[3]}")
        family, kind = families.get(match[1], ("?", "?"))
        # A datagram socket that is connected has sent nothing; the C library orders addresses that way.
        is_imds = 'sin_port=htons(80), sin_addr=inet_addr("169.254.169.254")' in match[3]
        is_peer = family == "AF_UNIX" and any(f'sun_path="{peer}"' in match[3] for peer in PEERS)
        is_coordinator = allowed.coordinator is not None and allowed.coordinator in match[3]
        if not (is_imds or is_peer or is_coordinator or "SOCK_DGRAM" in kind):
            offences.append(line)
    elif match := SENT.match(line):
        to = match[1]
        # Reading by netlink: a whole table, a route, or how often nf_tables has changed (NFT_MSG_GETGEN).
        family, kind = families.get(to, ("?", "?"))
        is_request = family == "AF_NETLINK" and re.search(r"NLM_F_DUMP|\|0x300|nlmsg_type=(?:RTM_GET|0xa10 )", line)
        is_stream = family in ("AF_INET", "AF_UNIX") and "SOCK_STREAM" in kind and to in peers
        if not (to.startswith(("pipe:", "anon_inode:", "/dev/null")) or is_request or is_stream):
            offences.append(line)
    elif (match := SIGNAL.match(line)) and match[1] not in children:
        offences.append(line)


# Made, written, renamed and removed by the descriptor of the folder, or of a file in it.
BELOW = re.compile(
    r'^(?:openat\(\d+<([^>]*)>, "[^"/]*"|renameat2?\(\d+<([^>]*)>, "[^"/]*", \d+<([^>]*)>, "[^"/]*"|unlinkat\(\d+<([^>]*)>, "[^"/]*", 0\)'
    r'|f(?:data)?sync\(\d+<([^>]*)>|write\(\d+<([^>]*)>)'
)


def _is_in(line: str, folder: str) -> bool:
    if line.startswith(f'mkdir("{folder}", 0700)'):
        return True
    match = BELOW.match(line)
    return match is not None and all(path == folder or path.startswith(f"{folder}/") for path in match.groups() if path)


class Footprint(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.agent = built_agent()
        cls.shared = Machine(spec(20), cls.base, cls.workdir)
        cls.addClassCleanup(cls.shared.stop)
        cls.shared.start()
        cls.shared.install_file(cls.agent, AGENT)

    def sh(self, script: str) -> str:
        done = self.shared.exec(["sh", "-c", script])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def surroundings(self) -> dict[str, object]:
        return {
            "files": {line for line in self.sh(SNAPSHOT).splitlines() if not OTHERS.match(line)},
            # What runs, but for what asks.
            "processes": re.sub(r"(?m)^.* (sh|ps)\n", "", self.sh("ps -e -o pid=,lstart=,comm=")),
            "packet filter": self.sh("nft list ruleset"),
            "mounts": self.sh("cat /proc/1/mountinfo"),
            "units": self.sh("systemctl show -p ActiveEnterTimestampMonotonic,InvocationID,NRestarts,MainPID ssh.service"),
        }

    def assert_untouched(self, before: dict[str, object]) -> None:
        after = self.surroundings()
        self.assertEqual(sorted(after["files"] ^ before["files"]), [])
        self.assertEqual(after, before)

    def assert_reads_only(self, argv: list[str], programs: set[str], expected: set[int]) -> Trace:
        before = self.surroundings()
        traced = trace(self.shared, argv, self.workdir)
        self.assertIn(traced.exit, expected, traced.stdout)
        self.assertEqual(traced.offences, [])
        self.assertEqual(traced.programs - {AGENT}, programs)
        self.assertLessEqual(programs, PROGRAMS)
        self.assert_untouched(before)
        return traced

    def test_a_healthy_instance_is_only_read_and_no_other_program_is_started(self) -> None:
        traced = self.assert_reads_only([AGENT, "check"], {"/proc/self/exe"}, {0})
        self.assertIn(b"connectable: yes", traced.stdout)
        self.assertTrue(any("169.254.169.254" in peer for peer in traced.connected), "the trace saw nothing")
        self.assert_reads_only([AGENT, "ssm"], {"/proc/self/exe"}, {0})

    def test_sshd_is_asked_where_the_running_one_does_not_show_that_it_takes_its_files(self) -> None:
        library = self.sh("find /usr/lib -name 'libcrypto.so.3'").strip()
        block, folder = "/etc/ssh/sshd_config.d/a.conf", "/etc/ssh/sshd_config.d"
        for change, back in (
            ("touch /etc/ssh/ssh_host_ed25519_key", ""),
            # Times that are set back do not hide it.
            ("touch -d '-1 day' /etc/ssl/openssl.cnf", ""),
            (f"echo UsePAM yes >/root/a.conf; touch -d '-1 day' /root/a.conf; cp -p /root/a.conf {block}; touch -d '-1 day' {folder}", f"rm {block}"),
            # sshd has read it, and it is for some alone.
            (f"echo Match User root >{block}; systemctl reset-failed ssh; systemctl restart ssh", f"rm {block}"),
            (f"cp -p {library} /root/; mv /root/libcrypto.so.3 {library}", ""),
        ):
            with self.subTest(change):
                self.sh(change)
                try:
                    self.assertIn("/usr/sbin/sshd", trace(self.shared, [AGENT, "check"], self.workdir).programs)
                finally:
                    # systemd holds back what is started often.
                    self.sh(f"{back}\nsystemctl reset-failed ssh; systemctl restart ssh")
                self.assertNotIn("/usr/sbin/sshd", trace(self.shared, [AGENT, "check"], self.workdir).programs)

    def test_what_hangs_is_ended_and_leaves_nothing(self) -> None:
        self.sh("mkfifo /etc/ssh/sshd_config.d/00-fifo.conf")
        self.sh("nft add table inet lab; nft add chain inet lab output '{ type filter hook output priority 0; }';"
                " nft add rule inet lab output ip daddr 169.254.169.254 drop")  # fmt: skip
        try:
            # `nft` only where nf_tables holds something.
            programs = {"/usr/sbin/sshd", "/usr/sbin/nft", "/proc/self/exe"}
            traced = self.assert_reads_only([AGENT, "check"], programs, {1, 3})
        finally:
            self.sh("nft delete table inet lab; rm /etc/ssh/sshd_config.d/00-fifo.conf")
        self.assertIn(b"timed out", traced.stdout)
        self.assertLess(traced.seconds, 10)

    def test_the_trace_sees_what_writes_starts_and_speaks(self) -> None:
        script = "echo >/tmp/a; mkdir /tmp/b; chmod 700 /tmp/b; touch -d 2001-01-01 /tmp/a; rm -r /tmp/a /tmp/b; kill -0 1; logger x"
        curl = "curl -s -m 1 http://192.0.2.1/"
        traced = trace(self.shared, ["/usr/bin/sh", "-c", f"{script}; {curl}"], self.workdir, program="/usr/bin/sh")
        seen = {line.split("(")[0] for line in traced.offences}
        self.assertLessEqual({"openat", "mkdir", "fchmodat", "utimensat", "unlinkat", "kill", "connect"}, seen)
        self.assertIn("/usr/bin/logger", traced.programs)

    def test_an_agent_of_a_fleet_writes_to_its_folder_and_speaks_to_the_coordinator_alone(self) -> None:
        folder, coordinator = "/var/lib/eic-doctor-agent", "10.0.0.77"
        authority = self.sh(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=lab 2>/dev/null"
        )
        self.shared.exec(["tee", "/etc/eic-doctor-authorities.pem"], stdin=authority.encode())
        # Nobody answers there; what the agent does on the way is what counts.
        self.sh("nft add table inet lab; nft add chain inet lab output '{ type filter hook output priority 0; }';"
                f" nft add rule inet lab output ip daddr {coordinator} reject with tcp reset")  # fmt: skip
        flags = ["--coordinator", coordinator, "--authorities", "/etc/eic-doctor-authorities.pem"]
        allowed = Allowed(f'sin_port=htons(7443), sin_addr=inet_addr("{coordinator}")', folder)
        try:
            # The resident one is told to end while it waits for the next try.
            for command, expected in {"report": 3, "enrol": 3, "run": 0}.items():
                ended = ["timeout", "--foreground", "--preserve-status", "-s", "TERM", "4"] if command == "run" else []
                before = self.surroundings()
                traced = trace(self.shared, [*ended, AGENT, command, *flags], self.workdir, allowed=allowed)
                after = self.surroundings()
                self.assertEqual(traced.exit, expected, traced.stdout)
                self.assertEqual(traced.offences, [])
                self.assertLessEqual(traced.programs - {AGENT, "/usr/bin/timeout"}, PROGRAMS)
                self.assertTrue(any(coordinator in peer for peer in traced.connected), "the trace saw nothing")
                changed = {line.split("\t")[0] for line in after.pop("files") ^ before.pop("files")}
                self.assertLessEqual({path for path in changed if not path.startswith(folder)}, {"/var/lib"})
                self.assertEqual(after, before)
            modes = self.sh(f"stat -c '%a %n' {folder} {folder}/*").split()
            self.assertEqual(modes[:2], ["700", folder])
            self.assertEqual(set(modes[2::2]), {"600"})
        finally:
            self.sh(f"nft delete table inet lab; rm -rf {folder} /etc/eic-doctor-authorities.pem")

    def test_another_user_than_root_only_reads_too(self) -> None:
        traced = self.assert_reads_only([*AS_NOBODY, AGENT, "check"], {"/usr/sbin/sshd", "/usr/bin/systemctl"}, {3})
        self.assertIn(b"connectable: unknown", traced.stdout)


if __name__ == "__main__":
    unittest.main()
