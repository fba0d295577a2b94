//! The parsers and the gatherer over what real programs printed (`tests/recorded/README.md`).

use std::fs;
use std::path::PathBuf;

use eic_doctor_agent::facts::{OsFacts, PackageManager};
use eic_doctor_agent::gather::{Recorded, gather};
use eic_doctor_agent::parse;
use eic_doctor_proto::{Attempt, Fact, Untrusted};

const KEYS_COMMAND: &str = "/usr/share/ec2-instance-connect/eic_run_authorized_keys %u %f";

pub fn recording(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/recorded/debian-12").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn world(name: &str) -> OsFacts {
    gather(&Recorded::from_bytes(&recording(&format!("{name}.probe"))).unwrap(), &Attempt::usual())
}

#[test]
fn every_line_of_a_real_recording_is_understood() {
    assert_eq!(parse::parse_os_release(&recording("os-release")).not_understood, []);
    assert_eq!(parse::parse_passwd(&recording("passwd")).not_understood, []);
    assert_eq!(parse::parse_nsswitch(&recording("nsswitch.conf"), "passwd").not_understood, []);
    assert_eq!(parse::parse_dpkg_status(&recording("dpkg-status")).not_understood, []);
    assert_eq!(parse::parse_net_tcp(&recording("proc-net-tcp")).not_understood, []);
    assert_eq!(parse::parse_net_tcp(&recording("proc-net-tcp6")).not_understood, []);
    assert_eq!(parse::parse_proc_status(&recording("proc-status")).not_understood, []);
    assert_eq!(parse::parse_systemctl_show(&recording("systemctl-show")).not_understood, []);
    assert_eq!(parse::parse_dbus_replies(&recording("systemd-replies")).not_understood, []);
    assert_eq!(parse::parse_unit(&recording("drop-in")).not_understood, []);
    assert_eq!(parse::parse_sshd_config(&recording("sshd_config")).not_understood, []);
    assert_eq!(parse::parse_sshd_t(&recording("sshd-T")).not_understood, []);
    for name in ["healthy", "overridden", "socket", "purged"] {
        assert_eq!(parse::parse_sections(&recording(&format!("{name}.probe"))).unwrap().not_understood, []);
    }
}

#[test]
fn single_recordings_say_what_their_programs_meant() {
    let packages = parse::parse_dpkg_status(&recording("dpkg-status")).value;
    let states: Vec<_> = packages.iter().map(|package| (package.name.raw(), package.state.raw())).collect();
    assert_eq!(states, [("ec2-instance-connect", "installed"), ("openssh-server", "installed")]);
    let status = parse::parse_proc_status(&recording("proc-status")).value;
    assert_eq!((status.name.as_str(), status.uid, status.is_nested), ("sshd", Some(0), false));
    let mapped = parse::parse_proc_maps(&recording("proc-maps"));
    assert!(mapped.len() == 28 && mapped.contains("/usr/sbin/sshd"), "{mapped:?}");
    let line = parse::parse_command_line(&recording("proc-cmdline")).value;
    assert!(line.is_title && line.is_listener());
    let sockets = parse::parse_net_tcp(&recording("proc-net-tcp")).value;
    assert_eq!(sockets.iter().map(|socket| socket.port).collect::<Vec<_>>(), [22]);
    // Eight properties were asked for, one of which nobody has; signals came in between.
    let replies = parse::parse_dbus_replies(&recording("systemd-replies")).value;
    assert_eq!(replies.iter().map(|reply| reply.to).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(replies.iter().filter(|reply| reply.value.is_none()).count(), 1);
    let exec_start = parse::parse_unit(&recording("drop-in")).value;
    assert_eq!((exec_start.len(), exec_start[0].raw()), (2, ""));
    // `sshd -T` without the daemon's own options: the lie of domain.md §0.1, 1.
    let config = parse::parse_sshd_t(&recording("sshd-T")).value;
    assert_eq!(config.first("authorizedkeyscommand").map(Untrusted::raw), Some("none"));
    assert_eq!(parse::parse_sshd_version(&recording("sshd-V")).value, Some("OpenSSH_9.2".into()));
    let includes = parse::parse_sshd_config(&recording("sshd_config")).value;
    assert!(
        includes.iter().any(|line| line.keyword == "include" && line.arguments == ["/etc/ssh/sshd_config.d/*.conf"])
    );
}

#[test]
fn a_healthy_instance_is_seen_whole_through_the_probe_script() {
    let facts = world("healthy");
    assert_eq!(facts.gathered_by, Fact::Known("probe script 1".to_owned()));
    assert_eq!(facts.uid, Fact::Known(0));
    assert_eq!(facts.system.os_release.known().unwrap().version_id.raw(), "12");
    assert_eq!(facts.package.manager, Fact::Known(PackageManager::Dpkg));
    assert_eq!(facts.package.ec2_instance_connect.known().unwrap().version.raw(), "1.1.19");
    let effective = facts.sshd.effective.known().unwrap();
    assert_eq!(effective.first("authorizedkeyscommand").map(Untrusted::raw), Some(KEYS_COMMAND));
    let process = facts.sshd.process.known().unwrap();
    assert_eq!((process.program.raw(), process.options.len()), ("/usr/sbin/sshd", 2));
    assert_eq!((&facts.sshd.refusal, &facts.sshd.changed), (&Fact::Absent, &Fact::Known(Vec::new())));
    let config = facts.sshd.config.known().unwrap();
    let place = |keyword: &str| config.settings.iter().find(|s| s.keyword.raw() == keyword).unwrap().at.clone();
    assert_eq!(place("authorizedkeyscommand"), None);
    assert_eq!(place("usepam").unwrap().file.raw(), "/etc/ssh/sshd_config");
    let own: Vec<_> = facts.sshd.addresses.known().unwrap().iter().map(|own| own.address.to_string()).collect();
    assert!(own.contains(&"10.0.1.5".to_owned()), "{own:?}");
    let owners: Vec<_> =
        facts.sshd.listeners.known().unwrap().iter().map(|one| (one.port, one.owner.clone())).collect();
    assert_eq!(owners, [(22, Fact::Known("sshd".into())), (22, Fact::Known("sshd".into()))]);
    let unit = facts.sshd.unit.known().unwrap();
    assert_eq!((unit.name.raw(), unit.active_state.raw(), unit.drop_ins.len()), ("ssh.service", "active", 1));
    assert_eq!(facts.sshd.socket, Fact::Absent);
    assert_eq!(facts.account.os_user.known().unwrap().shell.raw(), "/bin/bash");
    assert_eq!(facts.account.keys_user.known().unwrap().name.raw(), "ec2-instance-connect");
    for view in [&facts.imds.as_root, &facts.imds.as_keys_user] {
        assert_eq!(view.token.known().unwrap().status, 200);
        assert_eq!(view.token.known().unwrap().body.raw(), "");
        assert_eq!(view.instance_id.known().unwrap().body.raw(), "i-0a1b2c3d4e5f60718");
        assert_eq!(view.active_keys.known().unwrap().status, 404);
    }
    let files = facts.keys_command.files.known().unwrap();
    let run = files.iter().find(|file| file.path.raw().ends_with("connect/eic_run_authorized_keys")).unwrap();
    assert_eq!((run.mode.clone(), run.uid.clone()), (Fact::Known(0o755), Fact::Known(0)));
    assert!(files.iter().any(|file| file.path.raw() == "/opt/aws/bin" && file.state == Fact::Absent));
}

#[test]
fn an_override_that_drops_the_options_is_seen_in_the_running_process_and_in_its_effect() {
    let facts = world("overridden");
    assert_eq!(facts.sshd.process.known().unwrap().options, []);
    assert_eq!(facts.sshd.process.known().unwrap().ports, [2222]);
    let effective = facts.sshd.effective.known().unwrap();
    assert_eq!(effective.first("authorizedkeyscommand").map(Untrusted::raw), Some("none"));
    assert_eq!(effective.first("port").map(Untrusted::raw), Some("2222"));
    let paths: Vec<_> =
        facts.sshd.unit.known().unwrap().drop_ins.iter().map(|drop_in| drop_in.path.raw().to_owned()).collect();
    assert_eq!(paths.last().map(String::as_str), Some("/etc/systemd/system/ssh.service.d/override.conf"));
}

#[test]
fn behind_a_socket_unit_systemd_listens_and_no_sshd_runs() {
    let facts = world("socket");
    assert_eq!(facts.sshd.process, Fact::Absent);
    let socket = facts.sshd.socket.known().unwrap();
    assert_eq!((socket.name.raw(), socket.accept.clone()), ("ssh.socket", Fact::Known(false)));
    let listeners = facts.sshd.listeners.known().unwrap();
    assert_eq!(listeners.iter().map(|one| one.owner.clone()).collect::<Vec<_>>(), [Fact::Known("systemd".into())]);
    // sshd 9.2 needs /run/sshd for -T; its files and the unit's options say the same.
    let effective = facts.sshd.effective.known().unwrap();
    assert!(effective.is_worked_out);
    assert_eq!(facts.sshd.refusal, Fact::Absent);
    assert_eq!(effective.first("usepam").map(Untrusted::raw), Some("yes"));
}

#[test]
fn a_purged_package_leaves_neither_itself_nor_its_user() {
    let facts = world("purged");
    assert_eq!(facts.package.ec2_instance_connect, Fact::Absent);
    assert_eq!(facts.account.keys_user, Fact::Absent);
    assert_eq!(facts.imds.as_keys_user.token, Fact::unreadable("the keys user does not exist"));
}

#[test]
fn an_answer_that_was_full_before_its_end_says_so_for_everything_that_is_missing() {
    let whole = recording("healthy.probe");
    let text = String::from_utf8(whole).unwrap();
    let end = text.find("@stat\t/opt/aws/bin/eic_run").unwrap();
    let cut = format!("{}@cut\n", text.get(..end).unwrap());
    let facts = gather(&Recorded::from_bytes(cut.as_bytes()).unwrap(), &Attempt::usual());
    assert!(facts.sshd.process.known().is_some());
    assert_eq!(facts.sshd.version, Fact::unreadable("the probe script's answer had no room for it"));
}

#[test]
fn a_recording_with_hostile_sections_costs_facts_and_nothing_else() {
    let text = String::from_utf8(recording("healthy.probe")).unwrap();
    for (place, line) in text.lines().enumerate().skip(1) {
        // Each heading in turn becomes nonsense.
        if line.starts_with('@') {
            let changed: Vec<_> =
                text.lines()
                    .enumerate()
                    .map(|(at, line)| {
                        if at == place {
                            line.replace('\t', "\u{1b}").replace("known", "exit")
                        } else {
                            line.to_owned()
                        }
                    })
                    .collect();
            let _ = gather(&Recorded::from_bytes(changed.join("\n").as_bytes()).unwrap(), &Attempt::usual());
        }
    }
}
