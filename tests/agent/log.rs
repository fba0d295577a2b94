//! Logs of real logins that failed in different ways, as journald and rsyslog wrote them (`tests/recorded/README.md`).

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use eic_doctor_agent::checks::log::login::logins;
use eic_doctor_agent::facts::{LogLine, RecentLog, SelinuxMode};
use eic_doctor_agent::gather::{Recorded, gather};
use eic_doctor_agent::parse::{
    self, JournalEntry, JournalError, JournalQuery, JournalTail, parse_auth_log, parse_journal,
};
use eic_doctor_proto::{Attempt, Fact};

const PROGRAMS: [&str; 2] = ["sshd", "ec2-instance-connect"];

fn recording(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/recorded/log").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn modified() -> u64 {
    String::from_utf8(recording("modified")).unwrap().trim().parse().unwrap()
}

fn journal(bytes: &[u8], since: u64, entries: usize) -> Result<JournalTail, JournalError> {
    parse_journal(&bytes, &JournalQuery { identifiers: &PROGRAMS, since, entries })
}

fn from_journal(name: &str) -> Vec<LogLine> {
    let entries = journal(&recording(name), 0, 1_000).unwrap().entries;
    assert!(entries.iter().all(|entry| entry.uid.is_some() && entry.pid > 0), "{name}");
    let line = |entry: JournalEntry| LogLine {
        at: entry.realtime / 1_000_000,
        program: entry.identifier.into(),
        pid: entry.pid,
        message: entry.message.into(),
    };
    entries.into_iter().map(line).collect()
}

fn from_text(name: &str) -> Vec<LogLine> {
    let parsed = parse_auth_log(&recording(name), modified(), |program| PROGRAMS.contains(&program));
    assert_eq!(parsed.not_understood, [], "{name}");
    parsed.value
}

/// What became of each login, a line each.
fn outcomes(lines: Vec<LogLine>) -> String {
    let recent = RecentLog { source: "log".into(), lines, ..RecentLog::default() };
    let mut text = String::new();
    for login in logins(&recent) {
        let outcome = format!("{:?}", login.outcome());
        // Keys and ports differ from one recording to the next.
        let outcome = outcome.split("SHA256:").next().unwrap();
        let _ = writeln!(text, "{} {outcome}", login.user.unwrap_or("-"));
    }
    text
}

const OUTCOMES: &str = r#"ec2-user Refused(KeysCommand(Status(7)))
ec2-user Refused(KeysCommand(Start("Unsafe AuthorizedKeysCommand \"/usr/share/ec2-instance-connect/eic_run_authorized_keys\": bad ownership or modes for file /usr/share/ec2-instance-connect/eic_run_authorized_keys")))
ec2-user Refused(KeysCommand(Status(127)))
ec2-user Refused(KeysCommand(Status(1)))
ec2-user Refused(Rule(NotAllowed("listed in DenyUsers")))
ec2-user Refused(Rule(Algorithm("signature algorithm ssh-ed25519 not in PubkeyAcceptedAlgorithms")))
ec2-user Refused(Account(Some("pam_unix(sshd:account): account ec2-user has expired (account expired)")))
ec2-user Refused(Session("bad ownership or modes for chroot directory \"/tmp\""))
ec2-user Refused(Session("PAM: pam_open_session(): Permission denied"))
ec2-user LetIn { fingerprint: Some("
stranger Refused(Rule(NoAccount))
"#;

#[test]
fn every_log_tells_of_the_same_logins_whatever_wrote_it() {
    for name in ["compact.journal", "plain.journal"] {
        assert_eq!(outcomes(from_journal(name)), OUTCOMES, "{name}");
    }
    for name in ["iso.log", "traditional.log", "rfc5424.log"] {
        assert_eq!(outcomes(from_text(name)), OUTCOMES, "{name}");
    }
}

#[test]
fn times_of_the_same_lines_are_the_same_in_each_form() {
    // The instance's clock was five and a half hours ahead of UTC, which its first form does not say.
    let times = |name: &str| from_text(name).into_iter().map(|line| line.at).collect::<Vec<_>>();
    assert_eq!(times("traditional.log"), times("iso.log"));
    assert_eq!(times("rfc5424.log"), times("iso.log"));
    assert_eq!(times("iso.log").last(), Some(&modified()));
}

#[test]
fn of_a_journal_only_the_newest_entries_are_read_and_none_from_before() {
    let bytes = recording("compact.journal");
    let all = journal(&bytes, 0, 1_000).unwrap().entries;
    let last = journal(&bytes, 0, 3).unwrap().entries;
    assert_eq!(last, all[all.len() - 3..]);
    let since = all[all.len() / 2].realtime / 1_000_000;
    let later = journal(&bytes, since, 1_000).unwrap().entries;
    assert!(later.len() < all.len() && later.iter().all(|entry| entry.realtime >= since * 1_000_000));
    assert!(all.is_sorted_by_key(|entry| entry.realtime));
}

#[test]
fn a_journal_that_is_damaged_anywhere_costs_itself_and_nothing_else() {
    for name in ["compact.journal", "plain.journal"] {
        let bytes = recording(name);
        for length in (0..bytes.len()).step_by(20_011) {
            let _ = journal(bytes.get(..length).unwrap(), 0, 100);
        }
        for at in (0..bytes.len()).step_by(1_009) {
            for value in [0, 0xff, 0x41] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                let _ = journal(&damaged, 0, 100);
            }
        }
    }
}

#[test]
fn what_the_probe_script_ships_is_read_like_the_machines_own() {
    let now = modified() + 5;
    let text = |name: &str| {
        let text = String::from_utf8(recording(name)).unwrap();
        text.lines().map(|line| format!("|{line}\n")).collect::<String>()
    };
    let facts = |log: String| {
        let answer = format!("@probe\t1\n@value\tnow\tknown\t{now}\n{log}");
        gather(&Recorded::from_bytes(answer.as_bytes()).unwrap(), &Attempt::usual()).log.recent
    };
    let tail = format!("@tail\t/var/log/secure\tknown\t{}\n{}", modified(), text("traditional.log"));
    for before in ["@journal\tlogins\tabsent\t\n", "@journal\tlogins\tknown\t\n"] {
        let Fact::Known(recent) = facts(format!("{before}@tail\t/var/log/auth.log\tabsent\t\n{tail}")) else {
            panic!("{before}")
        };
        assert_eq!(recent.source.raw(), "/var/log/secure");
        assert_eq!(outcomes(recent.lines).lines().count(), 10, "those of another name are left out");
    }
    let journal = "@journal\tlogins\tknown\t\n|1795543030.5 h sshd[7]: ROOT LOGIN REFUSED FROM 192.0.2.1 port 9\n";
    let Fact::Known(recent) = facts(format!("{journal}{tail}")) else { panic!() };
    assert_eq!((recent.source.raw(), recent.lines.len()), ("the journal", 0), "another user's");
    assert_eq!(facts("@journal\tlogins\tunreadable\tneeds root\n".to_owned()), Fact::unreadable("needs root"));
    assert_eq!(facts(String::new()), Fact::NotGathered);
}

fn documented(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/recorded/documented").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn of_the_audit_log_only_what_sshds_domain_was_denied_in_the_last_hour_is_kept() {
    let denials = parse::parse_audit(&documented("audit.log"));
    assert_eq!((denials.value.len(), denials.not_understood.len()), (4, 0));
    let shipped = |path: &str, kind: &str, name: &str| {
        let text = String::from_utf8(documented(name)).unwrap();
        let lines: String = text.lines().map(|line| format!("|{line}\n")).collect();
        format!("@{kind}\t{path}\tknown\t0\n{lines}")
    };
    let answer = format!(
        "@probe\t1\n@value\tnow\tknown\t1795540000\n@file\t/sys/fs/selinux/enforce\tknown\t\n|1\n{}{}{}\
         @list\t/var/lib/selinux/targeted/active/modules\tknown\t\n|100\n|400\n|disabled\n\
         @list\t/var/lib/selinux/targeted/active/modules/100\tknown\t\n|abrt\n|connectd\n\
         @list\t/var/lib/selinux/targeted/active/modules/400\tknown\t\n|ec2-instance-connect\n",
        shipped("/etc/selinux/config", "file", "selinux-config"),
        shipped("/var/log/audit/audit.log", "tail", "audit.log"),
        shipped("/etc/crypto-policies/back-ends/opensshserver.config", "file", "opensshserver-rhel9.config"),
    );
    let security = gather(&Recorded::from_bytes(answer.as_bytes()).unwrap(), &Attempt::usual()).security;
    assert_eq!(security.selinux, Fact::Known(SelinuxMode::Enforcing));
    assert_eq!(security.selinux_modules, Fact::Known(vec!["ec2-instance-connect".into()]));
    let denials = security.denials.known().unwrap();
    let seen: Vec<_> = denials.iter().map(|denial| (denial.command.raw(), denial.is_permissive)).collect();
    assert_eq!(seen, [("curl", false), ("timeout", false), ("ssh-keygen", true)]);
    assert!(security.policy_algorithms.known().unwrap().contains(&"ssh-ed25519".into()));
    let eight = parse::parse_crypto_policy(&documented("opensshserver-rhel8.config")).value.unwrap();
    assert_eq!(
        eight.iter().map(|name| name.raw()).collect::<Vec<_>>(),
        ["ecdsa-sha2-nistp256", "rsa-sha2-256", "rsa-sha2-512"]
    );
}
