use eic_doctor_proto::{Attempt, Command, Evidence, Fact, Finding, Remedy, Untrusted, Verdict, check};

use super::lines;
use crate::checks::{keys_command, platform};
use crate::facts::{ConfigPlace, OsFacts, Refusal};

check! {
    /// sshd takes its files as they are now, and the running one has read them.
    ///
    /// ## Why it matters
    /// sshd reads its files when it starts and when it is told to reload. One bad line, and it does not start again: a misspelt keyword,
    /// a cipher that an update removed, a keyword below `Match` that is not allowed there, `AuthorizedKeysCommand` without
    /// `AuthorizedKeysCommandUser`. The running sshd goes on with what it read before, so nobody notices until the next boot. Files that
    /// are good and were changed since tell nothing about the running sshd: it still does what they said then.
    ///
    /// Host keys and the folder of privilege separation (`/run/sshd` on Debian and Ubuntu) are another matter: sshd looks for them at
    /// each connection, and hangs up at once without them (`kex_exchange_identification: Connection reset by peer`).
    ///
    /// ## How to look by hand
    /// On the instance, as root:
    ///
    /// ```text
    /// sshd -t
    /// ls -l --time-sec=full /run/sshd.pid /etc/ssh/sshd_config /etc/ssh/sshd_config.d
    /// journalctl -u ssh.service -u sshd.service -n 20
    /// ```
    ///
    /// The pid file is as old as what sshd knows of its files.
    ///
    /// ## How to mend
    /// Mend or take out the line that `sshd -t` names, then reload sshd. Missing host keys: `ssh-keygen -A`. A missing folder:
    /// `install -d -m 0755 /run/sshd`.
    ///
    /// ## References
    /// - sshd(8): -t, SIGHUP; sshd_config(5)
    /// - ssh-keygen(1): -A
    pub static CHECK: OsFacts = {
        id: "os.sshd.configuration",
        title: "sshd takes its files, and has read them",
        needs: [],
        runbook: ["CheckSSHConfigFromOs"],
        judge: judge,
    }
}

const VERIFY: &str = "sshd -t";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let Some(refusal) = facts.sshd.refusal.present("whether sshd takes its files")? else {
        return Ok(match facts.sshd.changed.known().map(Vec::as_slice) {
            Some(changed @ [_, ..]) => Verdict::warn(not_read(facts, changed)),
            Some([]) | None => Verdict::ok("sshd takes its files", taken_by(facts)),
        });
    };
    let said = |what: &str| refusal.said.iter().any(|line| line.raw().to_ascii_lowercase().contains(what));
    if said("privilege separation directory") || said("must be owned by root and not group") {
        return Ok(Verdict::fail(folder(refusal)));
    }
    if said("no hostkeys available") {
        return Ok(Verdict::fail(host_keys(facts, refusal)));
    }
    let finding = files(facts, refusal);
    // What runs keeps what it read; what starts anew for each connection does not.
    let starts_anew = facts
        .sshd
        .socket
        .known()
        .is_some_and(|socket| socket.active_state.raw() == "active" && socket.accept == Fact::Known(true));
    match facts.sshd.process.present("sshd's process")? {
        Some(_) if !starts_anew => Ok(Verdict::warn(finding)),
        _ => Ok(Verdict::fail(finding)),
    }
}

fn taken_by(facts: &OsFacts) -> &'static str {
    match (&facts.sshd.process, &facts.sshd.effective) {
        (Fact::Known(_), Fact::Known(config)) if config.is_worked_out => {
            "the running sshd, which has read them as they are"
        }
        _ => "`sshd -T`",
    }
}

fn not_read(facts: &OsFacts, changed: &[Untrusted]) -> Finding {
    let unit = platform::unit(facts);
    let reload = Command::new("sshd").arg("-t").and(Command::new("systemctl").args(["reload", unit]));
    let remedy = Remedy::by_command(
        "Let sshd read its files again, as root on the instance; open sessions stay. Then check again: until then what it does with a key \
         is not to be seen in its files",
        &reload,
        "eic-doctor-agent check --only os.sshd",
    );
    let finding = Finding::new("sshd has not read its files since they were changed", remedy);
    finding.with(changed.iter().map(|path| Evidence::new("changed after sshd read it", path.raw())))
}

fn folder(refusal: &Refusal) -> Finding {
    let line = refusal.said.iter().find(|line| line.raw().contains('/')).map(Untrusted::raw).unwrap_or_default();
    let path = line.split_whitespace().find(|word| word.starts_with('/')).unwrap_or_default();
    let text = "Make the folder that sshd needs for each connection, root's own";
    let remedy = if keys_command::is_plain(path) {
        let install = Command::new("install").args(["-d", "-m", "0755", "-o", "root", "-g", "root", path]);
        Remedy::by_command(format!("{text}, as root on the instance"), &install, VERIFY)
    } else {
        Remedy::by_hand(text, VERIFY)
    };
    let why =
        format!("sshd hangs up at once: its folder of privilege separation `{path}` is missing or not root's own");
    Finding::new(why, remedy).with(words(refusal))
}

fn host_keys(facts: &OsFacts, refusal: &Refusal) -> Finding {
    // Those that are there and that others may read are passed over by sshd.
    let too_open: Vec<&str> = refusal
        .said
        .iter()
        .filter_map(|line| line.raw().strip_prefix("Permissions ")?.split('\'').nth(1))
        .filter(|path| keys_command::is_plain(path))
        .collect();
    let configured: Vec<&str> = lines::of(facts, "hostkey")
        .filter_map(|setting| setting.values.first())
        .map(Untrusted::raw)
        .filter(|path| keys_command::is_plain(path) && !path.starts_with("/etc/ssh/ssh_host_"))
        .collect();
    let mend = match (too_open.as_slice(), configured.as_slice()) {
        ([], []) => Command::new("ssh-keygen").arg("-A"),
        ([], [first, ..]) => Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", first]),
        (open, _) => Command::new("chmod").arg("go-rwx").args(open.iter().copied()),
    };
    let text = match too_open.is_empty() {
        true => "Make new host keys, as root on the instance; clients that know the old ones will ask",
        false => "Take the host keys from everybody but root, as root on the instance",
    };
    let mend = mend.and(match facts.sshd.process {
        Fact::Known(_) => Command::new("systemctl").args(["try-reload-or-restart", platform::unit(facts)]),
        Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => platform::restart_failed(facts),
    });
    let why = "sshd hangs up at once: it has no host key that it can use";
    Finding::new(why, Remedy::by_command(text, &mend, VERIFY)).with(words(refusal))
}

fn files(facts: &OsFacts, refusal: &Refusal) -> Finding {
    let mut places: Vec<ConfigPlace> = refusal.said.iter().filter_map(|line| place(line.raw())).collect();
    let problems = facts.sshd.config.known().map_or(&[][..], |config| config.problems.as_slice());
    if places.is_empty() {
        places.extend(problems.iter().filter_map(|problem| problem.at.clone()));
    }
    let runs = matches!(facts.sshd.process, Fact::Known(_));
    let first = refusal
        .said
        .iter()
        .find(|line| place(line.raw()).is_some())
        .or_else(|| refusal.said.last())
        .map(ToString::to_string)
        .unwrap_or_default();
    let why = if runs {
        format!("sshd would not start again with its files as they are: {first}")
    } else {
        format!("sshd cannot start with its files as they are: {first}")
    };
    Finding::new(why, remedy(facts, refusal, &places)).with(words(refusal))
}

fn remedy(facts: &OsFacts, refusal: &Refusal, places: &[ConfigPlace]) -> Remedy {
    let systemctl = match facts.sshd.process {
        Fact::Known(_) => Command::new("systemctl").args(["try-reload-or-restart", platform::unit(facts)]),
        Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => platform::restart_failed(facts),
    };
    let then = |command: Command| match facts.sshd.process {
        Fact::Known(_) => command.and(Command::new("sshd").arg("-t")).and(systemctl.clone()),
        // Without a running sshd Debian has no `/run/sshd`, and `sshd -t` refuses for that alone.
        Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => command.and(systemctl.clone()),
    };
    if refusal.said.iter().any(|line| line.raw().contains("set without AuthorizedKeysCommandUser")) {
        let sed = Command::new("sed").args([
            "-i.bak",
            "1i AuthorizedKeysCommandUser ec2-instance-connect",
            "/etc/ssh/sshd_config",
        ]);
        let text = "Name the user of the keys command before everything else in `sshd_config`, as root on the instance";
        return Remedy::by_command(text, &then(sed), VERIFY);
    }
    let text = "Mend the lines that `sshd -t` names, or make comments of them";
    // Without its `Match` line a block would hold for everybody.
    let is_match = refusal.said.iter().any(|line| line.raw().contains("Match"));
    let places: Vec<&ConfigPlace> = places.iter().collect();
    match lines::comment(&places).filter(|_| !is_match) {
        Some(sed) => Remedy::by_command(format!("{text}, as root on the instance"), &then(sed), VERIFY),
        None => Remedy::by_hand(format!("{text}; then `{systemctl}`"), VERIFY),
    }
}

/// `FILE line N: …` or `FILE: line N: …`, as sshd writes it.
fn place(line: &str) -> Option<ConfigPlace> {
    if line.contains("Deprecated option") || line.contains("Unsupported option") {
        return None;
    }
    let (file, rest) = line.split_once(" line ")?;
    let file = file.strip_suffix(':').unwrap_or(file);
    let line = rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    file.starts_with('/').then(|| ConfigPlace { file: file.into(), line })
}

fn words(refusal: &Refusal) -> Vec<Evidence> {
    refusal.said.iter().map(|line| Evidence::new(line.raw(), "`sshd -T`")).collect()
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Finding, Verdict};

    use super::{judge, place};
    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{OsFacts, Refusal, SocketUnit};

    fn refuse(facts: &mut OsFacts, said: &[&str]) {
        let said = said.iter().map(|line| (*line).into()).collect();
        facts.sshd.refusal = Fact::Known(Refusal { said });
        facts.sshd.effective = Fact::unreadable("`sshd -T` ended with status 255");
    }

    fn finding(mut world: World, said: &[&str]) -> Finding {
        refuse(&mut world.facts, said);
        match judge(&world.facts, &world.attempt) {
            Ok(Verdict::Warn(finding) | Verdict::Fail(finding)) => finding,
            other => panic!("{other:?}"),
        }
    }

    const BAD: [&str; 2] = [
        "/etc/ssh/sshd_config.d/90-x.conf: line 3: Bad configuration option: AllowUser",
        "/etc/ssh/sshd_config.d/90-x.conf: terminating, 1 bad configuration options",
    ];

    #[test]
    fn a_bad_line_is_a_warning_while_the_running_sshd_lives_on() {
        let changed = changes(healthy::al2023(), |facts, _| refuse(facts, &BAD));
        let findings: Vec<_> = changed.iter().filter(|change| !change.ends_with(" unknown")).collect();
        assert_eq!(findings, ["os.sshd.configuration warn"]);
        let finding = finding(healthy::al2023(), &BAD);
        assert!(finding.why.ends_with("line 3: Bad configuration option: AllowUser"), "{}", finding.why);
        let command = "sed -i.bak '3s/^/#/' /etc/ssh/sshd_config.d/90-x.conf && sshd -t && \
                       systemctl try-reload-or-restart sshd.service";
        assert_eq!(finding.remedy.command.as_deref(), Some(command));
    }

    #[test]
    fn without_a_running_sshd_it_is_the_cause_and_the_rest_is_blocked() {
        let changed = changes(healthy::al2(), |facts, _| {
            refuse(facts, &BAD);
            facts.sshd.process = Fact::Absent;
        });
        assert_eq!(changed.iter().filter(|change| change.ends_with(" fail")).count(), 1, "{changed:?}");
        assert!(changed.contains(&"os.sshd.running blocked".to_owned()), "{changed:?}");
        let socket = |accept| SocketUnit {
            name: "ssh.socket".into(),
            active_state: "active".into(),
            accept: Fact::Known(accept),
            listen: vec!["[::]:22".into()],
            is_ipv6_only: Fact::NotGathered,
            follows_config: Fact::NotGathered,
        };
        for (accept, expected) in [(true, "fail"), (false, "warn")] {
            let changed = changes(healthy::ubuntu_2404(), |facts, _| {
                refuse(facts, &BAD);
                facts.sshd.socket = Fact::Known(socket(accept));
            });
            assert!(changed.contains(&format!("os.sshd.configuration {expected}")), "{changed:?}");
        }
    }

    #[test]
    fn host_keys_and_the_folder_are_wanted_for_each_connection() {
        let none = finding(healthy::al2023(), &["sshd: no hostkeys available -- exiting."]);
        assert_eq!(
            none.remedy.command.as_deref(),
            Some("ssh-keygen -A && systemctl try-reload-or-restart sshd.service")
        );
        let open = finding(
            healthy::ubuntu_2204(),
            &[
                "Permissions 0644 for '/etc/ssh/ssh_host_ed25519_key' are too open.",
                "sshd: no hostkeys available -- exiting.",
            ],
        );
        let command = "chmod go-rwx /etc/ssh/ssh_host_ed25519_key && systemctl try-reload-or-restart ssh.service";
        assert_eq!(open.remedy.command.as_deref(), Some(command));
        let folder = finding(healthy::ubuntu_2204(), &["Missing privilege separation directory: /run/sshd"]);
        let command = "install -d -m 0755 -o root -g root /run/sshd";
        assert_eq!(folder.remedy.command.as_deref(), Some(command));
        let open =
            finding(healthy::ubuntu_2204(), &["/run/sshd must be owned by root and not group or world-writable."]);
        assert_eq!(open.remedy.command.as_deref(), Some(command));
    }

    #[test]
    fn a_match_line_is_mended_by_hand_and_a_missing_user_is_named() {
        let bad = finding(healthy::al2023(), &["/etc/ssh/sshd_config line 12: Bad Match condition"]);
        assert_eq!(bad.remedy.command, None);
        let user = finding(healthy::al2023(), &["AuthorizedKeysCommand set without AuthorizedKeysCommandUser"]);
        assert!(user.remedy.command.unwrap().contains("1i AuthorizedKeysCommandUser ec2-instance-connect"));
    }

    #[test]
    fn files_that_changed_since_are_a_warning() {
        let mut world = healthy::al2023();
        world.facts.sshd.changed = Fact::Known(vec!["/etc/ssh/sshd_config".into()]);
        let Ok(Verdict::Warn(finding)) = judge(&world.facts, &world.attempt) else { panic!("no warning") };
        assert_eq!(finding.remedy.command.as_deref(), Some("sshd -t && systemctl reload sshd.service"));
    }

    #[test]
    fn both_ways_in_which_sshd_names_a_line_are_read() {
        for line in ["/etc/ssh/sshd_config line 12: Bad", "/etc/ssh/sshd_config: line 12: Bad"] {
            let place = place(line).unwrap();
            assert_eq!((place.file.raw(), place.line), ("/etc/ssh/sshd_config", 12));
        }
        for line in [
            "/etc/ssh/sshd_config line 28: Deprecated option UsePrivilegeSeparation",
            "command-line line 0: x",
            "x line y",
        ] {
            assert_eq!(place(line), None, "{line}");
        }
    }
}
