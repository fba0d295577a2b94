//! The gatherer's decisions, each over a few sections as the probe script would ship them.

use eic_doctor_agent::facts::{OsFacts, PackageManager};
use eic_doctor_agent::gather::{Recorded, gather};
use eic_doctor_proto::{Attempt, Fact, Untrusted};

fn facts(sections: &str) -> OsFacts {
    let answer = format!("@probe\t1\n{sections}");
    gather(&Recorded::from_bytes(answer.as_bytes()).unwrap(), &Attempt::usual())
}

fn process(pid: u32, parent: u32, uid: u32, cmdline: &str) -> String {
    format!(
        "@file\t/proc/{pid}/comm\tknown\t\n|sshd\n@file\t/proc/{pid}/status\tknown\t\n|Name:\tsshd\n|PPid:\t{parent}\n\
         |Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n@file\t/proc/{pid}/cmdline\tknown\t\n|{cmdline}\n\
         @links\t/proc/{pid}/exe\tknown\t\n|/usr/sbin/sshd\n@links\t/proc/{pid}/fd\tknown\t\n|socket:[{pid}00]\n"
    )
}

fn listening(pid: u32, port: u16) -> String {
    format!("|0: 00000000:{port:04X} 0 0A 0 0 0 0 0 {pid}00\n")
}

#[test]
fn of_several_listeners_the_one_that_holds_the_port_is_taken() {
    let tcp = format!("@file\t/proc/net/tcp\tknown\t\n{}{}", listening(50, 2222), listening(700, 22));
    let both = process(50, 1, 0, "sshd: /usr/sbin/sshd -D -p 2222 [listener] 0 of 10-100 startups")
        + &process(700, 33, 0, "/usr/sbin/sshd\u{1d}-D\u{1d}-o\u{1d}Banner /a -b c\u{1d}");
    let facts = facts(&format!("@list\t/proc\tknown\t\n|1\n|50\n|700\n{both}{tcp}@file\t/proc/net/tcp6\tabsent\t\n"));
    let process = facts.sshd.process.known().unwrap();
    assert_eq!((process.pid, process.options.len()), (700, 1));
    assert_eq!(process.options[0].value.raw(), "/a -b c");
    let ports: Vec<_> = facts.sshd.listeners.known().unwrap().iter().map(|listener| listener.port).collect();
    assert_eq!(ports, [2222, 22]);
}

#[test]
fn a_process_that_an_ordinary_user_calls_sshd_is_never_taken() {
    let trap = process(60, 1, 1000, "sshd: /usr/sbin/sshd -D -f /tmp/trap [listener] 0 of 10-100 startups");
    let facts = facts(&format!("@list\t/proc\tknown\t\n|1\n|60\n{trap}"));
    assert_eq!(facts.sshd.process, Fact::Absent);
}

#[test]
fn sessions_are_no_listeners() {
    let session = process(70, 50, 0, "sshd: ec2-user [priv]");
    assert_eq!(facts(&format!("@list\t/proc\tknown\t\n|1\n|70\n{session}")).sshd.process, Fact::Absent);
}

#[test]
fn with_hidden_processes_no_sshd_means_nothing() {
    let Fact::Unreadable(why) = facts("@list\t/proc\tknown\t\n|4242\n").sshd.process else { panic!() };
    assert!(why.reason.contains("hidepid"), "{}", why.reason);
}

#[test]
fn a_directory_service_is_asked_where_the_file_does_not_answer() {
    let files = "@file\t/etc/nsswitch.conf\tknown\t\n|passwd: files sss\n@file\t/etc/passwd\tknown\t\n|root:x:0:0::/root:/bin/sh\n";
    let with = |run: &str| facts(&format!("{files}{run}")).account.os_user;
    let found = with("@run\tgetent-os-user\texit\t0\n|ec2-user:*:7001:7001::/home/ec2-user:/bin/bash\n");
    assert_eq!(found.known().unwrap().uid, 7001);
    assert_eq!(with("@run\tgetent-os-user\texit\t2\n"), Fact::Absent);
    let late = with("@run\tgetent-os-user\tunreadable\ttimed out after 2 s\n");
    assert_eq!(late, Fact::unreadable("`getent passwd`: timed out after 2 s"));
    let without = with("@run\tgetent-os-user\tabsent\t\n");
    assert_eq!(without, Fact::unreadable("not in /etc/passwd, and there is no `getent` to ask the others"));
}

#[test]
fn the_files_alone_answer_where_nobody_else_would_be_asked() {
    let files =
        "@file\t/etc/nsswitch.conf\tknown\t\n|passwd: files\n@file\t/etc/passwd\tknown\t\n|root:x:0:0::/root:/bin/sh\n";
    assert_eq!(facts(files).account.os_user, Fact::Absent);
}

/// What rpm 4.18 prints of a database that it cannot open: two lines of it, each on its own stream.
const NOT_INSTALLED: &str =
    "|package ec2-instance-connect is not installed\n|package ec2-instance-connect-selinux is not installed\n";
const CANNOT_OPEN: &str = "error: cannot open Packages database in /var/lib/rpm";

#[test]
fn an_rpm_system_answers_for_both_packages() {
    let release = "@file\t/etc/os-release\tknown\t\n|ID=\"amzn\"\n|VERSION_ID=\"2023\"\n";
    let database = "@stat\t/var/lib/dpkg/status\tabsent\t\n@stat\t/var/lib/rpm/rpmdb.sqlite\tknown\t81a4 0 0\n";
    let query = "@run\trpm\texit\t1\n|ec2-instance-connect\t1.1-19.amzn2023\n|package ec2-instance-connect-selinux is not installed\n";
    let package = facts(&format!("{release}{database}{query}")).package;
    assert_eq!(package.manager, Fact::Known(PackageManager::Rpm));
    assert_eq!(package.ec2_instance_connect.known().unwrap().version.raw(), "1.1-19.amzn2023");
    assert_eq!(package.selinux, Fact::Absent);
    let broken = facts(&format!("{release}{database}@run\trpm\texit\t2\n{NOT_INSTALLED}!{CANNOT_OPEN}\n")).package;
    let reason = format!("`rpm -q` ended with status 2: {CANNOT_OPEN}");
    assert_eq!(broken.ec2_instance_connect, Fact::unreadable(reason));
}

#[test]
fn a_debian_system_with_rpms_tools_is_a_debian_system() {
    let release = "@file\t/etc/os-release\tknown\t\n|ID=ubuntu\n|ID_LIKE=debian\n";
    let both = "@stat\t/var/lib/dpkg/status\tknown\t81a4 0 0\n@stat\t/var/lib/rpm/rpmdb.sqlite\tknown\t81a4 0 0\n";
    let status = "@file\t/var/lib/dpkg/status\tknown\t\n|Package: ec2-instance-connect\n|Status: deinstall ok config-files\n|Version: 1\n";
    let package = facts(&format!("{release}{both}{status}")).package;
    assert_eq!(package.manager, Fact::Known(PackageManager::Dpkg));
    assert_eq!(package.ec2_instance_connect, Fact::Absent);
}

#[test]
fn each_failed_request_to_the_metadata_service_has_its_reason_and_ends_the_view() {
    let view = |sections: &str| facts(sections).imds.as_root;
    let refused = view("@imds\troot/token\tcurl\t7\n");
    assert_eq!(refused.token, Fact::unreadable("connection refused or no route to host"));
    assert_eq!(refused.instance_id, Fact::NotGathered);
    assert_eq!(view("@imds\troot/token\tcurl\t28\n").token, Fact::unreadable("timed out after 1 s"));
    assert_eq!(view("@imds\troot/token\thttp\t403 0.001\n").token.known().unwrap().status, 403);
    assert_eq!(view("@imds\troot/token\thttp\tnonsense\n").token, Fact::unreadable("`curl` told no HTTP status"));
    let slow = view("@imds\troot/token\thttp\t200 0,75\n");
    assert_eq!(slow.token.known().unwrap().latency_ms, 750);
}

#[test]
fn the_keys_user_is_the_one_that_the_running_sshd_names() {
    let effective = "@run\tsshd-T\texit\t0\n|authorizedkeyscommand /opt/x/keys %u\n|authorizedkeyscommanduser nobody\n";
    let passwd = "@file\t/etc/passwd\tknown\t\n|nobody:x:65534:65534::/:/bin/false\n";
    let stat = "@stat\t/opt/x/keys\tknown\t81ff 1000 0\n|/opt/y/keys\n@stat\t/opt/x\tunreadable\tpermission denied\n";
    let facts = facts(&format!("{effective}{passwd}{stat}"));
    assert_eq!(facts.account.keys_user.known().unwrap().uid, 65534);
    let files = facts.keys_command.files.known().unwrap();
    let state = |path: &str| files.iter().find(|file| file.path.raw() == path).unwrap();
    assert_eq!(
        (state("/opt/x/keys").mode.clone(), state("/opt/x/keys").uid.clone()),
        (Fact::Known(0o777), Fact::Known(1000))
    );
    assert_eq!(state("/opt/x/keys").target, Fact::Known("/opt/y/keys".into()));
    assert_eq!(state("/opt/x").state, Fact::unreadable("permission denied"));
}

#[test]
fn a_newer_sshd_that_lacks_its_folder_still_tells_its_configuration() {
    let failed = "@run\tsshd-T\texit\t255\n!Missing privilege separation directory: /run/sshd\n";
    let facts = facts(&format!("{failed}@run\tsshd-G\texit\t0\n|port 22\n"));
    assert_eq!(facts.sshd.effective.known().unwrap().first("port").map(Untrusted::raw), Some("22"));
}

#[test]
fn an_sshd_that_ends_without_a_word_has_not_refused_its_files() {
    // There is no such program, or its libraries; ended by SIGKILL, as the shell of the probe script tells it.
    for status in [127, 137] {
        let ended = format!("exit\t{status}\n");
        let failed = facts(&format!("@value\tuid\tknown\t0\n@run\tsshd-T\t{ended}@run\tsshd-G\t{ended}"));
        let Fact::Unreadable(told) = &failed.sshd.refusal else { panic!("{:?}", failed.sshd.refusal) };
        assert!(told.reason.contains(&format!("with status {status}")), "{}", told.reason);
    }
}

#[test]
fn an_answer_to_another_user_is_not_taken_for_one_to_root() {
    let answers = "@imds\troot/token\thttp\t200 0.001\n@imds\troot/region\thttp\t200 0.001\n|eu-west-1\n";
    let view = facts(&format!("@value\tuid\tknown\t1000\n{answers}")).imds.as_root;
    assert_eq!(view.token, Fact::unreadable("needs root; uid 1000 was answered with HTTP 200"));
    assert_eq!(view.region.known().unwrap().body.raw(), "eu-west-1");
    assert!(facts(&format!("@value\tuid\tknown\t0\n{answers}")).imds.as_root.token.known().is_some());
}

/// A running sshd that has read its files at second 100, and nothing has changed since.
fn as_read() -> String {
    let older = |path: &str| format!("@touched\t{path}\tknown\t50.000000000\n");
    let absent = |kind: &str, path: &str| format!("@{kind}\t{path}\tabsent\t\n");
    [
        "@list\t/proc\tknown\t\n|1\n|50\n".to_owned(),
        process(50, 1, 0, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"),
        "@run\tsshd-V\texit\t255\n!OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.11\n".to_owned(),
        "@file\t/run/sshd.pid\tknown\t\n|50\n@modified\t/run/sshd.pid\tknown\t100.000000000\n".to_owned(),
        "@file\t/etc/ssh/sshd_config\tknown\t\n|UsePAM yes\n".to_owned(),
        older("/etc/ssh/sshd_config"),
        "@modified\t/etc/ssh/sshd_config\tknown\t40.000000000\n".to_owned(),
        "@stat\t/etc/ssh/ssh_host_ed25519_key\tknown\t8180 0 0\n".to_owned(),
        older("/etc/ssh/ssh_host_ed25519_key"),
        "@stat\t/run/sshd\tknown\t41ed 0 0\n".to_owned(),
        absent("stat", "/var/empty/sshd"),
        absent("stat", "/usr/share/empty.sshd"),
        "@file\t/etc/passwd\tknown\t\n|root:x:0:0::/root:/bin/sh\n|sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n"
            .to_owned(),
        older("/etc/ld.so.cache"),
        absent("touched", "/etc/ld.so.preload"),
        older("/etc/ssl/openssl.cnf"),
        absent("touched", "/etc/pki/tls/openssl.cnf"),
        "@file\t/proc/50/maps\tknown\t\n|1-2 r--p 0 00:2f 1 /usr/sbin/sshd\n|2-3 r--p 0 00:2f 2 /usr/lib/libcrypto.so.3\n".to_owned(),
        older("/usr/sbin/sshd"),
        older("/usr/lib/libcrypto.so.3"),
    ]
    .concat()
}

#[test]
fn an_sshd_that_has_read_its_files_as_they_are_is_not_asked_about_them() {
    let sshd = facts(&as_read()).sshd;
    let effective = sshd.effective.known().unwrap();
    assert!(effective.is_worked_out);
    assert_eq!(effective.first("usepam").map(Untrusted::raw), Some("yes"));
    assert_eq!((sshd.changed, sshd.refusal), (Fact::Known(Vec::new()), Fact::Absent));
}

#[test]
fn an_sshd_that_might_not_start_as_it_did_is_asked() {
    let changes = [
        // As `cp -p` and `rsync -a` do it: the time of its content is an old one.
        (
            "another file was put in its place",
            "@touched\t/etc/ssh/sshd_config\tknown\t50",
            "@touched\t/etc/ssh/sshd_config\tknown\t101",
        ),
        ("when it was put there is not known", "@touched\t/etc/ssh/sshd_config\tknown\t50.000000000\n", ""),
        ("the pid file is another's", "@file\t/run/sshd.pid\tknown\t\n|50\n", "@file\t/run/sshd.pid\tknown\t\n|51\n"),
        ("a block is for some alone", "|UsePAM yes\n", "|UsePAM yes\n|Match User root\n|UsePAM no\n"),
        ("a keyword that it does not know", "|UsePAM yes\n", "|UsePAMs yes\n"),
        ("a host key by name", "|UsePAM yes\n", "|HostKey /etc/ssh/other\n"),
        ("defaults of a distribution's own", "OpenSSH_9.2p1", "OpenSSH_7.4p1"),
        ("its host key may be read by others", "known\t8180 0 0", "known\t81a0 0 0"),
        ("its host key was changed", "ed25519_key\tknown\t50", "ed25519_key\tknown\t101"),
        ("its folder is gone", "@stat\t/run/sshd\tknown\t41ed 0 0\n", "@stat\t/run/sshd\tabsent\t\n"),
        ("its folder is everybody's", "known\t41ed 0 0", "known\t41ff 0 0"),
        (
            "which folder is its own is not known",
            "@stat\t/var/empty/sshd\tabsent\t\n",
            "@stat\t/var/empty/sshd\tknown\t41ed 0 0\n",
        ),
        ("its user is gone", "|sshd:x:", "|ssh:x:"),
        ("other libraries may be found", "ld.so.cache\tknown\t50", "ld.so.cache\tknown\t101"),
        ("a library was replaced", "/usr/lib/libcrypto.so.3\n", "/usr/lib/libcrypto.so.3 (deleted)\n"),
        ("a library was written over", "libcrypto.so.3\tknown\t50", "libcrypto.so.3\tknown\t101"),
        (
            "its libraries cannot be seen",
            "@file\t/proc/50/maps\tknown\t\n",
            "@file\t/proc/50/maps\tunreadable\tneeds root\n",
        ),
    ];
    for (name, from, to) in changes {
        let sections = as_read();
        assert_eq!(sections.matches(from).count(), 1, "{name}");
        assert_eq!(facts(&sections.replace(from, to)).sshd.effective.known(), None, "{name}");
    }
    // FIPS mode has lists of its own.
    let fips = "@file\t/proc/sys/crypto/fips_enabled\tknown\t\n|1\n";
    assert_eq!(facts(&(as_read() + fips)).sshd.effective.known(), None);
}
