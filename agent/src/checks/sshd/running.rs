use eic_doctor_proto::{Attempt, Command, Fact, Finding, Remedy, Verdict, check};

use super::lines::edit;
use crate::checks::platform;
use crate::facts::{Halt, OsFacts, PortHolder, SocketUnit, Unit};

check! {
    /// sshd runs, or systemd listens for it and starts it at the first connection.
    ///
    /// ## Why it matters
    /// Without a listener the client sees `Connection refused`, after all of AWS's side has gone well. sshd is called `ssh.service` on
    /// Debian and Ubuntu and `sshd.service` elsewhere; since Ubuntu 22.10 `ssh.socket` listens and sshd may not run at all until
    /// somebody connects, which is as it should be. sshd does not start with a broken configuration: a keys command without
    /// `AuthorizedKeysCommandUser`, an unknown keyword after an upgrade, a host key that is missing or readable by others, a
    /// full disk, a port that is taken. One that a signal has stopped (`kill -STOP`, a debugger that was left) or that was frozen
    /// (`systemctl freeze`) is active in systemd's eyes and answers nobody: the client waits for a banner that never comes.
    ///
    /// ## How to look by hand
    /// Without a login: `aws ec2 get-console-output --instance-id i-… --latest` shows failed units during boot. On the instance, by
    /// Session Manager or the EC2 serial console:
    ///
    /// ```text
    /// systemctl status ssh.service sshd.service ssh.socket sshd.socket
    /// journalctl -b -u ssh.service -u sshd.service -n 50
    /// sshd -t
    /// ss -ltnp
    /// ```
    ///
    /// ## How to mend
    /// `sshd -t` names the file and line of a broken configuration; mend that, then `systemctl start` the unit. A masked unit needs
    /// `systemctl unmask` first. Where no login is left, stop the instance and mend the file on its volume from another instance,
    /// or run the commands by Run Command (`AWS-RunShellScript`).
    ///
    /// ## References
    /// - sshd(8), sshd_config(5)
    /// - systemctl(1)
    /// - EC2 User Guide: "EC2 Serial Console for instances"
    pub static CHECK: OsFacts = {
        id: "os.sshd.running",
        title: "sshd is running",
        needs: ["os.sshd.configuration"],
        runbook: ["CheckSSHConfigFromOs"],
        judge: judge,
    }
}

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let sshd = &facts.sshd;
    if let Fact::Known(process) = &sshd.process {
        if let Fact::Known(halt) = process.halt {
            return Ok(Verdict::fail(halted(facts, process.pid, halt)));
        }
        let at = format!("/proc/{}/cmdline", process.pid);
        return Ok(Verdict::ok(process.command_line.to_string(), at));
    }
    if let Fact::Known(socket) = &sshd.socket
        && socket.active_state.raw() == "active"
    {
        let seen = format!("{} is active and starts sshd at the first connection", socket.name);
        return Ok(Verdict::ok(seen, "systemctl show"));
    }
    sshd.process.present("sshd's process")?;
    let socket = sshd.socket.present("sshd's socket unit")?;
    let finding = match (&sshd.unit, &sshd.port_holder) {
        (Fact::Known(unit), Fact::Known(holder)) if unit.load_state.raw() == "loaded" && !is_program_gone(facts) => {
            taken(facts, unit, socket, holder, attempt.port)
        }
        (Fact::Known(unit), _) => stopped(facts, unit, socket),
        (Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered, _) => nowhere(facts),
    };
    Ok(Verdict::fail(finding))
}

/// systemd calls it active, and the kernel takes connections for it that it never looks at.
fn halted(facts: &OsFacts, pid: u32, halt: Halt) -> Finding {
    let unit = platform::unit(facts);
    let (words, seen, at, command) = match halt {
        Halt::Stopped => (
            "a signal has stopped it",
            "state T (stopped)",
            format!("/proc/{pid}/status"),
            Command::new("kill").args(["-CONT", &pid.to_string()]),
        ),
        Halt::Frozen => (
            "its control group is frozen",
            "frozen 1",
            format!("/proc/{pid}/cgroup, cgroup.events"),
            Command::new("systemctl").args(["thaw", unit]),
        ),
    };
    let verify = Command::new("ps").args(["-o", "stat=,cmd=", "-p", &pid.to_string()]).to_string();
    let remedy = Remedy::by_command("Let sshd go on, as root on the instance", &command, verify);
    Finding::new(format!("sshd is there and answers nobody: {words}"), remedy).seen(seen, at)
}

/// The unit that listens when all is well.
fn listening_unit(facts: &OsFacts, socket: Option<&SocketUnit>) -> &'static str {
    match socket.map(|socket| socket.name.raw()) {
        Some("ssh.socket") => "ssh.socket",
        Some("sshd.socket") => "sshd.socket",
        _ => platform::unit(facts),
    }
}

/// Nobody found a version where nobody found a program.
fn is_program_gone(facts: &OsFacts) -> bool {
    facts.sshd.version == Fact::Absent
}

/// sshd cannot start as long as another program has its port.
fn taken(facts: &OsFacts, unit: &Unit, socket: Option<&SocketUnit>, holder: &PortHolder, port: u16) -> Finding {
    let name = listening_unit(facts, socket);
    let verify = Command::new("systemctl").args(["is-active", name]).to_string();
    let its_unit = holder.unit.known().map(|unit| unit.raw()).filter(|unit| edit::is_name(unit));
    let stop = match (its_unit, holder.pid) {
        (Some(unit), _) => Some(Command::new("systemctl").args(["stop", unit])),
        // systemd listens there for another unit than sshd's.
        (None, 0 | 1) => None,
        (None, pid) => Some(Command::new("kill").arg(pid.to_string())),
    };
    let systemctl = |verb: &str| Command::new("systemctl").args([verb, name]);
    let text = format!("Stop what has port {port}, or give it another one, and start sshd");
    let remedy = match stop {
        Some(stop) => {
            let command = stop.and(systemctl("reset-failed")).and(systemctl("restart"));
            Remedy::by_command(format!("{text}, as root on the instance"), &command, verify)
        }
        None => Remedy::by_hand(format!("{text}: `systemctl list-sockets` shows which unit has it"), verify),
    };
    let of_unit = holder.unit.known().map(|unit| format!(" of {unit}")).unwrap_or_default();
    let why = format!("sshd does not run, and `{}`{of_unit} has port {port}", holder.name);
    let states = format!("{}: {}, {} ({})", unit.name, unit.load_state, unit.active_state, unit.sub_state);
    let seen = format!("{} listens on port {port} (pid {})", holder.name, holder.pid);
    Finding::new(why, remedy).seen(seen, format!("/proc/{}/fd", holder.pid)).seen(states, "systemctl show")
}

fn stopped(facts: &OsFacts, unit: &Unit, socket: Option<&SocketUnit>) -> Finding {
    let name = listening_unit(facts, socket);
    let start = Command::new("systemctl").args(["start", name]);
    let verify = Command::new("systemctl").args(["is-active", name]).to_string();
    let reinstall = if is_program_gone(facts) { platform::reinstall_sshd(facts) } else { None };
    let (why, remedy) = match (unit.load_state.raw(), unit.active_state.raw(), reinstall) {
        ("masked", ..) => (
            format!("sshd does not run: {name} is masked"),
            Remedy::by_command(
                "Unmask the unit and start it, as root on the instance",
                &Command::new("systemctl").args(["unmask", name]).and(start),
                verify,
            ),
        ),
        (_, _, Some(reinstall)) => (
            "sshd does not run: its program is gone".to_owned(),
            Remedy::by_command(
                "Install it again and start it, as root on the instance",
                &reinstall.and(platform::restart_failed(facts)),
                verify,
            ),
        ),
        (_, "failed", None) => (
            format!("sshd does not run: {name} failed"),
            Remedy::by_command(
                format!(
                    "Mend what `sshd -t` and `journalctl -u {name} -n 50` name, then start sshd again, as root on the instance"
                ),
                &Command::new("systemctl")
                    .args(["reset-failed", name])
                    .and(Command::new("systemctl").args(["restart", name])),
                verify,
            ),
        ),
        (_, state, None) => (
            format!("sshd does not run: {name} is {state}"),
            Remedy::by_command("Start sshd, as root on the instance", &start, verify),
        ),
    };
    let states = format!("{}: {}, {} ({})", unit.name, unit.load_state, unit.active_state, unit.sub_state);
    Finding::new(why, remedy).seen("no process of sshd listens", "/proc").seen(states, "systemctl show")
}

fn nowhere(facts: &OsFacts) -> Finding {
    let unit_is_absent = facts.sshd.unit == Fact::Absent;
    let name = platform::unit(facts);
    let verify = Command::new("systemctl").args(["is-active", name]).to_string();
    let (why, remedy) = match platform::install_sshd(facts) {
        Some(command) if unit_is_absent => (
            "sshd does not run, and systemd knows no unit of it",
            Remedy::by_command("Install an OpenSSH server, as root on the instance", &command, verify),
        ),
        _ => (
            "sshd does not run",
            Remedy::by_command(
                "Start sshd, as root on the instance",
                &Command::new("systemctl").args(["start", name]),
                verify,
            ),
        ),
    };
    Finding::new(why, remedy).seen("no process of sshd listens", "/proc")
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Untrusted, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{Halt, OsFacts, PortHolder, SocketUnit};

    const BLOCKED: [&str; 5] = [
        "os.sshd.port blocked",
        "os.sshd.user-allowed blocked",
        "os.sshd.root-login blocked",
        "os.sshd.authorized-keys-command blocked",
        "os.sshd.authorized-keys-command-user blocked",
    ];

    fn stop(facts: &mut OsFacts, load_state: &str, active_state: &str) {
        facts.sshd.process = Fact::Absent;
        let Fact::Known(unit) = &mut facts.sshd.unit else { panic!("no unit") };
        unit.load_state = load_state.into();
        unit.active_state = active_state.into();
    }

    fn command(mut world: World, change: impl Fn(&mut OsFacts)) -> Option<String> {
        change(&mut world.facts);
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        finding.remedy.command
    }

    #[test]
    fn a_stopped_sshd_is_one_failure_and_what_asks_it_is_blocked() {
        let changed = changes(healthy::al2(), |facts, _| stop(facts, "loaded", "inactive"));
        let mut expected = vec!["os.sshd.running fail"];
        expected.extend(BLOCKED);
        assert_eq!(changed, expected);
    }

    #[test]
    fn an_sshd_that_was_stopped_or_frozen_is_there_and_answers_nobody() {
        for (halt, expected) in [(Halt::Stopped, "kill -CONT 812"), (Halt::Frozen, "systemctl thaw ssh.service")] {
            let halted = |facts: &mut OsFacts| {
                let Fact::Known(process) = &mut facts.sshd.process else { panic!("no process") };
                process.halt = Fact::Known(halt);
            };
            let mut expected_changes = vec!["os.sshd.running fail"];
            expected_changes.extend(BLOCKED);
            assert_eq!(changes(healthy::ubuntu_2204(), |facts, _| halted(facts)), expected_changes);
            assert_eq!(command(healthy::ubuntu_2204(), halted).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_program_that_has_the_port_is_named_and_stopped_first() {
        let with = |pid: u32, unit: Fact<Untrusted>| {
            let mut world = healthy::al2();
            stop(&mut world.facts, "loaded", "failed");
            world.facts.sshd.port_holder = Fact::Known(PortHolder { pid, name: "nc".into(), unit });
            let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
            (finding.why, finding.remedy.command)
        };
        let start = "systemctl reset-failed sshd.service && systemctl restart sshd.service";
        let (why, command) = with(77, Fact::Known("netcat.service".into()));
        assert_eq!(why, "sshd does not run, and `nc` of netcat.service has port 22");
        assert_eq!(command, Some(format!("systemctl stop netcat.service && {start}")));
        assert_eq!(with(77, Fact::Absent).1, Some(format!("kill 77 && {start}")));
        assert_eq!(with(77, Fact::Known("$(reboot).service".into())).1, Some(format!("kill 77 && {start}")));
        // systemd itself, for a socket of somebody else's.
        assert_eq!(with(1, Fact::Absent).1, None);
    }

    #[test]
    fn the_remedy_speaks_of_this_systems_unit_and_state() {
        let inactive = |facts: &mut OsFacts| stop(facts, "loaded", "inactive");
        assert_eq!(command(healthy::ubuntu_2204(), inactive).as_deref(), Some("systemctl start ssh.service"));
        assert_eq!(command(healthy::al2(), inactive).as_deref(), Some("systemctl start sshd.service"));
        let failed = |facts: &mut OsFacts| stop(facts, "loaded", "failed");
        assert_eq!(
            command(healthy::al2(), failed).as_deref(),
            Some("systemctl reset-failed sshd.service && systemctl restart sshd.service")
        );
        let masked = |facts: &mut OsFacts| stop(facts, "masked", "inactive");
        assert_eq!(
            command(healthy::al2(), masked).as_deref(),
            Some("systemctl unmask sshd.service && systemctl start sshd.service")
        );
        let gone = |facts: &mut OsFacts| {
            stop(facts, "loaded", "failed");
            facts.sshd.version = Fact::Absent;
        };
        assert_eq!(
            command(healthy::ubuntu_2204(), gone).as_deref(),
            Some(
                "apt-get install --reinstall -y openssh-server && systemctl reset-failed ssh.service && systemctl restart ssh.service"
            )
        );
        let absent = |facts: &mut OsFacts| {
            facts.sshd.process = Fact::Absent;
            facts.sshd.unit = Fact::Absent;
        };
        assert_eq!(command(healthy::al2(), absent).as_deref(), Some("yum install -y openssh-server"));
    }

    #[test]
    fn a_socket_that_starts_sshd_at_the_first_connection_is_enough() {
        let changed = changes(healthy::ubuntu_2404(), |facts, _| stop(facts, "loaded", "inactive"));
        assert_eq!(changed, [""; 0]);
    }

    #[test]
    fn a_socket_that_is_down_is_what_must_be_started() {
        let down = |facts: &mut OsFacts| {
            stop(facts, "loaded", "inactive");
            let Fact::Known(SocketUnit { active_state, .. }) = &mut facts.sshd.socket else { panic!("no socket") };
            *active_state = "inactive".into();
        };
        assert_eq!(command(healthy::ubuntu_2404(), down).as_deref(), Some("systemctl start ssh.socket"));
    }

    #[test]
    fn no_process_and_no_sight_of_the_socket_is_unknown() {
        let changed = changes(healthy::al2(), |facts, _| {
            facts.sshd.process = Fact::Absent;
            facts.sshd.socket = Fact::NotGathered;
        });
        assert_eq!(changed, ["os.sshd.running unknown"]);
    }
}
