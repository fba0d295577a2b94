"""The packages on booted instances: installed, started, reporting, upgraded and gone again; and units that hide no fact. Needs root."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import shells
from machine import Machine
from test_footprint import REPOSITORY, built_agent
from test_machine import LabTest

AGENT = "eic-doctor-agent.service"
REPORT = "eic-doctor-agent-report.service"
COORDINATOR = "eic-doctor.service"
UNITS = (AGENT, REPORT, "eic-doctor-agent-report.timer", COORDINATOR)
STATE = "/var/lib/eic-doctor-agent"
# A look instead of a report, by the unit that reports: with all that the unit forbids.
LOOK = """[Service]
ExecStart=
ExecStart=/usr/bin/eic-doctor-agent check --verbose --output json
SuccessExitStatus=1
StandardOutput=truncate:/root/inside
"""
# Each thing broken or narrowed shows in facts that a sandbox could hide: mounts, namespaces, packet filters, modes, processes.
BREAK = """
set -e
mkdir -p /etc/systemd/system/SSHD.d
printf '[Service]\\nPrivateTmp=yes\\nTemporaryFileSystem=/dev/shm:ro\\n' >/etc/systemd/system/SSHD.d/shut.conf
mount --bind /var /var
mount -o remount,bind,ro /var
nft add table inet lab
nft add chain inet lab output '{ type filter hook output priority 0; }'
nft add rule inet lab output meta skuid ec2-instance-connect ip daddr 169.254.169.254 drop
chmod 0777 /home/ec2-user
systemctl daemon-reload
systemctl restart SSHD
"""
# `systemd-analyze security`, at most. What stays open is explained in the unit's files.
EXPOSURES = {AGENT: 3.6, REPORT: 3.6, COORDINATOR: 1.5}
# Of two looks one after the other: times, loads, rooms.
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?( [KMGk]i?B)?")
# The journal tells the lines that were, then those that come.
SERVING = """
run=$(systemctl show --value -p InvocationID eic-doctor.service)
timeout 50 journalctl --follow --lines=all _SYSTEMD_INVOCATION_ID="$run" | grep -q -m 1 'serving agents on'
"""
CONFIGURE = """
set -e
install -D -m 0644 /dev/stdin /etc/eic-doctor/identity-certificates/eu-west-1.pem
sed -i -e 's/"coordinator.example.com"/"127.0.0.1"/' -e 's/"111122223333"/"123456789012"/' \\
    -e 's/^describe_instances = true/describe_instances = false/' \\
    -e 's/^#also_pinned = .*/also_pinned = [{ region = "eu-west-1", sha256 = "@SHA256@" }]/' /etc/eic-doctor/coordinator.toml
printf 'coordinator = "127.0.0.1"\\nauthorities = "/etc/eic-doctor/authorities.pem"\\n' >>/etc/eic-doctor/agent.conf
systemctl enable --quiet --now eic-doctor.service
@SERVING@
cp /var/lib/eic-doctor/authority/for-agents.pem /etc/eic-doctor/authorities.pem
""".replace("@SERVING@", SERVING)
AGENTS = "EIC_DOCTOR_COORDINATOR=unix:/run/eic-doctor/operator.sock eic-doctor agents list --output json"
# All paths but those of package managers, logs and what runs: and the copies that the tools for users keep.
LISTING = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/lib/dpkg -o -path '*/rpm' -o -path /var/log"
    " -o -path /var/cache -o -path /root \\) -prune -o -print | grep -v -e '^/etc/[a-z]*-$' -e '^/etc/.pwd.lock$' | sort"
)


class PackagedTest(LabTest):
    """What is installed from packages. Its tests are elsewhere."""

    @classmethod
    def build(cls, to: Path, release: int) -> Path:
        subprocess.run(
            [REPOSITORY / "packaging/build-packages", "--fast", "--to", to, "--release", str(release), "--agent", built_agent(),
             "--coordinator", REPOSITORY / "target/debug/eic-doctor"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return to

    def sh(self, machine: Machine, script: str, stdin: bytes = b"") -> str:
        done = machine.exec(["sh", "-c", script], stdin)
        self.assertEqual(done.returncode, 0, (script, done.stderr.decode(errors="replace")))
        return done.stdout.decode()

    def report(self, machine: Machine) -> None:
        """One report by the timer's unit, which the coordinator then has."""
        self.sh(machine, f"systemctl start {REPORT} && [ $(systemctl show --value -p ExecMainStatus {REPORT}) = 0 ]")

    def agents(self, machine: Machine) -> list[dict[str, object]]:
        """What the coordinator on this machine knows."""
        return [json.loads(line) for line in self.sh(machine, AGENTS).splitlines()]


class Packages(PackagedTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.built = {release: cls.build(cls.workdir / f"release-{release}", release) for release in (1, 2)}

    def install(self, machine: Machine, release: int) -> None:
        # Nothing is in the lab's rpm database of the userland, which is Debian's: glibc is there all the same.
        kind, command = ("rpm", "rpm -U --nodeps") if machine.spec.platform != "debian" else ("deb", "dpkg --install")
        for package in sorted(self.built[release].glob(f"*.{kind}")):
            machine.install_file(package, f"/root/{package.name}", 0o644)
        # Nothing answers: an installation that asked the network would fail or hang.
        self.sh(machine, f"unshare --net {command} /root/*.{kind} && rm /root/*.{kind}")

    def state_of_sshd(self, machine: Machine) -> str:
        unit = machine._platform.unit
        return self.sh(machine, f"systemctl show -p InvocationID,MainPID,NRestarts,DropInPaths,FragmentPath {unit}; find /etc/ssh -type f -exec sha256sum {{}} +")

    def look(self, machine: Machine, script: str) -> dict[str, object]:
        self.sh(machine, script)
        report = json.loads(machine.exec(["cat", "/root/inside"]).stdout)
        seen = {
            result["id"]: (result["status"], result.get("blocked_by"), NUMBER.sub("N", json.dumps(result.get("evidence"))))
            for result in report["results"]
        }
        return {"connectable": report["connectable"], "root causes": report["root_causes"], **seen}

    def assert_same_inside_and_outside(self, machine: Machine) -> dict[str, object]:
        inside = self.look(machine, f"systemctl start {REPORT}")
        outside = self.look(machine, "eic-doctor-agent check --verbose --output json >/root/inside || [ $? -le 3 ]")
        self.assertEqual(inside, outside)
        return inside

    def assert_tight(self, machine: Machine) -> None:
        verified = machine.exec(["systemd-analyze", "verify", "--man=no", *UNITS])
        self.assertEqual((verified.returncode, verified.stdout + verified.stderr), (0, b""))
        explained = "\n".join(
            line for path in (REPOSITORY / "packaging/systemd").iterdir() for line in path.read_text().splitlines() if line.startswith("#")
        )
        for unit, most in EXPOSURES.items():
            command = f"systemd-analyze security --offline=true --no-pager --threshold={most * 10:.0f} {unit}"
            self.sh(machine, command)
            for one in json.loads(self.sh(machine, f"{command} --json=short")):
                if one["exposure"] is not None:
                    kind, _, what = one["name"].partition("=")
                    words = re.findall(r"[A-Za-z]{3,}", what.replace("CAP_", "").replace("AF_", "")) if what.startswith("~") else [kind]
                    self.assertTrue(any(word in explained for word in words), f"{unit}: {one['name']} is open, and nothing says why")

    def story(self, machine: Machine, remove: str) -> None:
        before, sshd = self.sh(machine, LISTING), self.state_of_sshd(machine)
        self.install(machine, 1)
        self.assertEqual(self.sh(machine, f"systemctl is-active {' '.join(UNITS)} || true").split(), ["inactive"] * len(UNITS))
        signer = machine.identity
        self.sh(machine, CONFIGURE.replace("@SHA256@", signer.fingerprint()), signer.certificate.read_bytes())
        self.report(machine)
        (agent,) = self.agents(machine)
        self.assertEqual(agent["instance_id"], machine.spec.instance_id)
        self.sh(machine, f"systemctl enable --quiet --now {AGENT}")
        identity = f"sha256sum {STATE}/key.pk8 {STATE}/identity.json {STATE}/certificate.pem; cat /etc/eic-doctor/*.*"
        process = f"systemctl show --value -p MainPID {AGENT}"
        kept, old = self.sh(machine, identity), self.sh(machine, process)
        self.install(machine, 2)
        self.assertEqual(self.sh(machine, identity), kept)
        self.assertNotEqual(self.sh(machine, process), old)
        self.sh(machine, f"systemctl is-active {AGENT} {COORDINATOR} && {SERVING}")
        (again,) = self.agents(machine)
        self.assertEqual(again["instance_id"], machine.spec.instance_id)
        self.sh(machine, remove)
        left = set(self.sh(machine, LISTING).splitlines()) ^ set(before.splitlines())
        self.assertEqual(sorted(left), [])
        self.assertEqual(self.sh(machine, "systemctl list-unit-files 'eic-doctor*' --no-legend; systemctl --failed --no-legend"), "")
        self.assertEqual(self.state_of_sshd(machine), sshd)

    def test_on_debian_the_packages_live_and_go_and_the_sandbox_hides_no_fact(self) -> None:
        machine = self.machine(60)
        self.story(machine, "dpkg --purge eic-doctor-agent eic-doctor")
        self.install(machine, 1)
        self.assert_tight(machine)
        self.sh(machine, f"install -D /dev/stdin /run/systemd/system/{REPORT}.d/look.conf && systemctl daemon-reload", LOOK.encode())
        self.assertEqual(self.assert_same_inside_and_outside(machine)["connectable"], "yes")
        self.sh(machine, BREAK.replace("SSHD", "ssh.service"))
        broken = self.assert_same_inside_and_outside(machine)
        self.assertEqual(broken["connectable"], "no")
        self.assertIn("os.host.shared-memory", broken["root causes"])

    def test_on_amazon_linux_the_packages_live_and_go(self) -> None:
        # rpm knows no purge: a coordinator's store stays until somebody removes it, as its administrator's changed files do.
        remove = "rpm -e eic-doctor-agent eic-doctor && rm -r /var/lib/eic-doctor /etc/eic-doctor && userdel eic-doctor"
        self.story(self.machine(61, platform="al2023"), remove)

    def test_without_systemd_the_packages_are_configured_too(self) -> None:
        # A container in which a pipeline calls the program: neither the manager nor its tools are there.
        bare = "mount -t tmpfs none /run && mount -t tmpfs none /usr/lib/sysusers.d && touch /usr/lib/sysusers.d/eic-doctor.conf && PATH=/nonexistent && exec /bin/sh \"$@\""
        for name in ("eic-doctor", "eic-doctor-agent"):
            (package,) = self.built[1].glob(f"{name}_*.deb")
            subprocess.run(["dpkg-deb", "--control", package, self.workdir / f"{name}.control"], check=True)
            for script, order in (("postinst", "configure"), ("prerm", "remove")):
                path = self.workdir / f"{name}.control" / script
                done = subprocess.run(["unshare", "--mount", "sh", "-c", bare, "sh", path, order], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, (name, script, done.stderr))

    def test_an_old_systemd_forbids_less_and_not_everything(self) -> None:
        text = (REPOSITORY / "packaging/systemd/agent-sandbox.conf").read_text(encoding="utf-8")
        # The first line decides which of the two lists it is.
        first = next(line for line in text.splitlines() if line.startswith("SystemCallFilter="))
        self.assertTrue(first.startswith("SystemCallFilter=~"), first)

    def test_man_pages_and_completions_offer_what_the_programs_do_and_shells_take_them(self) -> None:
        coordinator = REPOSITORY / "target/debug/eic-doctor"
        for name, program, prefix in (("eic-doctor-agent", REPOSITORY / built_agent(), "agent-"), ("eic-doctor", coordinator, "")):
            tree = self.workdir / name
            (package,) = self.built[1].glob(f"{name}_*.deb")
            subprocess.run(["dpkg-deb", "--extract", package, tree], check=True)
            for what in ("man", "completions"):
                subprocess.run([coordinator, "generate", prefix + what, "--to", tree / what], check=True, stderr=subprocess.DEVNULL)
            pages = {page.name: gzip.decompress(page.read_bytes()) for page in (tree / "usr/share/man/man1").iterdir()}
            self.assertEqual(pages, {f"{page.name}.gz": page.read_bytes() for page in (tree / "man").iterdir()})
            shipped = {
                f"{name}.bash": f"bash-completion/completions/{name}", f"{name}.fish": f"fish/vendor_completions.d/{name}.fish",
                f"_{name}": f"zsh/vendor-completions/_{name}",
            }  # fmt: skip
            scripts = {script: tree / "usr/share" / path for script, path in shipped.items()}
            generated = {script.name: script.read_bytes() for script in (tree / "completions").iterdir()}
            self.assertEqual({script: path.read_bytes() for script, path in scripts.items()}, generated)
            for words, said in shells.commands(program):
                with self.subTest(name, words=words):
                    page = tree / "man" / f"{'-'.join([name, *words])}.1"
                    self.assertEqual(shells.troubles_of_page(page), "")
                    options = shells.options_of_help(said)
                    self.assertEqual(shells.options_of_page(page.read_text(encoding="utf-8")), options)
                    # They may offer names that the help keeps quiet.
                    asked = [name, *words, "--"]
                    self.assertLessEqual(options, shells.bash_offers(scripts[f"{name}.bash"], asked))
                    self.assertLessEqual(options, shells.fish_offers(scripts[f"{name}.fish"], asked))
            if name == "eic-doctor":
                self.assertLessEqual({"browser", "endpoint"}, shells.bash_offers(scripts[f"{name}.bash"], [name, "check", "--via", ""]))
                self.assertLessEqual({"sarif", "junit"}, shells.bash_offers(scripts[f"{name}.bash"], [name, "check", "--output", ""]))
            self.assertTrue(shells.zsh_takes(scripts[f"_{name}"], name))

    def test_what_is_linked_in_is_named_with_its_licence(self) -> None:
        for name, besides in (("eic-doctor", {"rust-std", "aws-sdk-ec2", "sqlx-sqlite"}), ("eic-doctor-agent", {"rust-std", "glibc", "tonic"})):
            (package,) = self.built[1].glob(f"{name}_*.deb")
            tree = self.workdir / f"{name}.documents"
            subprocess.run(["dpkg-deb", "--extract", package, tree], check=True)
            documents = tree / "usr/share/doc" / name
            bill = json.loads((documents / "sbom.cdx.json").read_text())
            self.assertEqual((bill["bomFormat"], bill["specVersion"], bill["metadata"]["component"]["name"]), ("CycloneDX", "1.5", name))
            linked = {f"{one['name']} {one.get('version', '')}": one for one in bill["components"]}
            self.assertEqual(len({one["bom-ref"] for one in linked.values()}), len(bill["components"]))
            self.assertLessEqual(besides, {one["name"] for one in linked.values()})
            text = gzip.decompress((documents / "third-party-licences.gz").read_bytes()).decode()
            told = dict(line.rsplit(": ", 1) for line in text.split("\n\n")[1].splitlines())
            ours = {key for key, one in linked.items() if one["name"].startswith("eic-doctor")}
            self.assertEqual(set(told), set(linked) - ours)
            # Each has a text, or is said to have none of its own.
            headed = set(re.findall(r"^(\S+ \S*) \(.*\)$", text, re.MULTILINE))
            bare = set(text.split("stand below with others: ")[1].split("\n")[0].split(", "))
            self.assertEqual({key for key in told if key not in headed and key.split(" ")[0] not in bare}, set())
            self.assertEqual("GNU LESSER GENERAL PUBLIC LICENSE" in text, "glibc" in besides)

    def test_the_same_programs_make_the_same_packages(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.workdir) as folder:
            again = self.build(Path(folder) / "elsewhere", 1)
            self.assertEqual((again / "SHA256SUMS").read_text(), (self.built[1] / "SHA256SUMS").read_text())
            subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=again, check=True)


if __name__ == "__main__":
    unittest.main()
