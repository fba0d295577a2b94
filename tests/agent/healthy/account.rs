//! The OS user's account and PAM's rules for it, as each family is delivered.

use super::{
    Fact, FileState, FileType, Group, NumberedLine, OsFacts, PamFacts, PamFile, PamRule, PasswordField, Shadow,
};

/// 2026-11-24.
const TODAY: u32 = 20_781;

/// The same on every healthy instance.
pub fn fill(facts: &mut OsFacts) {
    let Fact::Known(account) = &facts.account.os_user else { panic!("no account") };
    let group = |name: &str, gid: u32| Group { name: name.into(), gid };
    facts.account.groups = Fact::Known(vec![group(account.name.raw(), account.gid), group("adm", 4)]);
    facts.account.root_group_members = Fact::Known(Vec::new());
    facts.account.is_local = Fact::Known(true);
    facts.account.shadow = Fact::Known(Shadow {
        password: PasswordField::Locked,
        last_change: Some(20_700),
        maximum: Some(99_999),
        inactive: None,
        expires: None,
    });
    facts.account.today = Fact::Known(TODAY);
    facts.account.shell = Fact::Known(FileState {
        path: "/bin/bash".into(),
        state: Fact::Known(FileType::Regular),
        mode: Fact::Known(0o755),
        uid: Fact::Known(0),
        gid: Fact::Known(0),
        target: Fact::Absent,
        size: Fact::Known(1_234_376),
    });
    facts.account.run_nologin = Fact::Absent;
    facts.account.etc_nologin = Fact::Absent;
    facts.account.pam = pam(DEBIAN_ACCOUNT, DEBIAN_SESSION);
}

/// As on Amazon Linux and RHEL.
pub fn on_rpm(facts: &mut OsFacts) {
    facts.account.pam = pam(RPM_ACCOUNT, RPM_SESSION);
}

/// A rule that stands before all others of `/etc/pam.d/sshd`.
pub fn first_rule(facts: &mut OsFacts, phase: &str, control: &str, module: &str, arguments: &[&str]) {
    let Fact::Known(pam) = &mut facts.account.pam else { panic!("no PAM") };
    let rules = if phase == "account" { &mut pam.account } else { &mut pam.session };
    let Fact::Known(rules) = rules else { panic!("no rules") };
    let rule = PamRule {
        file: "/etc/pam.d/sshd".into(),
        line: 1,
        control: control.into(),
        module: module.into(),
        arguments: arguments.iter().map(|argument| (*argument).into()).collect(),
        level: 0,
    };
    rules.insert(0, rule);
}

/// A file that PAM's modules read, its lines numbered from 1.
pub fn pam_file(facts: &mut OsFacts, path: &str, lines: &[&str]) {
    let Fact::Known(pam) = &mut facts.account.pam else { panic!("no PAM") };
    pam.files.retain(|file| file.path.raw() != path);
    pam.files.push(file(path, lines));
}

fn file(path: &str, lines: &[&str]) -> PamFile {
    let lines = (1..).zip(lines).map(|(line, text)| NumberedLine { line, text: (*text).into() });
    PamFile { path: path.into(), mode: Fact::Known(0o644), lines: Fact::Known(lines.collect()) }
}

const DEBIAN_ACCOUNT: &[&str] = &[
    "sshd:7 required pam_nologin.so",
    "common-account:17 [success=1 new_authtok_reqd=done default=ignore] pam_unix.so",
    "common-account:19 requisite pam_deny.so",
    "common-account:23 required pam_permit.so",
];
const DEBIAN_SESSION: &[&str] = &[
    "sshd:18 [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so close",
    "sshd:21 required pam_loginuid.so",
    "sshd:24 optional pam_keyinit.so force revoke",
    "common-session:15 [default=1] pam_permit.so",
    "common-session:17 requisite pam_deny.so",
    "common-session:21 required pam_permit.so",
    "common-session:27 required pam_unix.so",
    "common-session:28 optional pam_systemd.so",
    "sshd:33 optional pam_motd.so motd=/run/motd.dynamic",
    "sshd:42 required pam_limits.so",
    "sshd:49 required pam_env.so user_readenv=1 envfile=/etc/default/locale",
    "sshd:55 [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so open",
];
const RPM_ACCOUNT: &[&str] = &[
    "sshd:6 required pam_nologin.so",
    "password-auth:10 required pam_unix.so",
    "password-auth:11 sufficient pam_localuser.so",
    "password-auth:12 sufficient pam_usertype.so issystem",
    "password-auth:13 required pam_permit.so",
];
const RPM_SESSION: &[&str] = &[
    "sshd:10 required pam_selinux.so close",
    "sshd:11 required pam_loginuid.so",
    "sshd:13 required pam_selinux.so open env_params",
    "sshd:14 required pam_namespace.so",
    "sshd:15 optional pam_keyinit.so force revoke",
    "password-auth:20 optional pam_keyinit.so revoke",
    "password-auth:21 required pam_limits.so",
    "password-auth:22 optional pam_systemd.so",
    "password-auth:23 [success=1 default=ignore] pam_succeed_if.so service in crond quiet use_uid",
    "password-auth:24 required pam_unix.so",
    "postlogin:9 optional pam_umask.so silent",
];

fn pam(account: &[&str], session: &[&str]) -> Fact<PamFacts> {
    Fact::Known(PamFacts {
        service: "sshd".into(),
        account: Fact::Known(account.iter().map(|line| rule(line)).collect()),
        session: Fact::Known(session.iter().map(|line| rule(line)).collect()),
        missing_modules: Fact::Known(Vec::new()),
        files: vec![
            file("/etc/security/limits.conf", &[]),
            file("/etc/login.defs", &["UID_MIN 1000", "SYS_UID_MAX 999"]),
        ],
    })
}

/// `common-account:17 [success=1 default=ignore] pam_unix.so ARGUMENTS`.
fn rule(line: &str) -> PamRule {
    let (place, rest) = line.split_once(' ').expect("a place");
    let (file, number) = place.split_once(':').expect("a line");
    let (control, rest) = match rest.strip_prefix('[') {
        Some(list) => list.split_once("] ").expect("a list"),
        None => rest.split_once(' ').expect("a control"),
    };
    let mut words = rest.split(' ');
    PamRule {
        file: format!("/etc/pam.d/{file}").into(),
        line: number.parse().expect("a number"),
        control: control.into(),
        module: words.next().expect("a module").into(),
        arguments: words.map(Into::into).collect(),
        level: 0,
    }
}
