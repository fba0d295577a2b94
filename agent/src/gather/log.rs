//! The last login attempts as the host's log tells them.

use eic_doctor_proto::{Attempt, Fact};

use crate::facts::{Account, LogFacts, LogLine, RecentLog};
use crate::parse::{self, JournalEntry, JournalQuery, Said, Trouble};

use super::host::Host;

/// Debian and Ubuntu; RHEL and Amazon Linux.
const FILES: [&str; 2] = ["/var/log/auth.log", "/var/log/secure"];
/// Seconds: what was mended since is soon forgotten, and a person has time to come and look.
const WINDOW: u64 = 900;
/// Strangers' attempts are among them, a few a second on a public address.
const ENTRIES: usize = 600;
const FILE_TAIL: usize = 128 * 1024;
/// What is kept: of sshd, of connections that were dropped before any name was told, and of the keys command.
const LINES_KEPT: usize = 32;
const DROPPED_KEPT: usize = 4;
const KEYS_COMMAND_KEPT: usize = 10;
const MESSAGE_KEPT: usize = 300;
const ROOT: u32 = 0;

pub(super) fn gather_log(host: &dyn Host, attempt: &Attempt, keys_user: &Fact<Account>) -> LogFacts {
    let now = match host.now() {
        Fact::Known(now) => now,
        Fact::Absent | Fact::NotGathered => return LogFacts::default(),
        Fact::Unreadable(why) => return LogFacts { recent: Fact::Unreadable(why) },
    };
    let keys_user = keys_user.known();
    let keys_command = keys_user.map_or("ec2-instance-connect", |account| account.name.raw());
    let wanted = Wanted { os_user: attempt.os_user.as_str(), since: now.saturating_sub(WINDOW) };
    let query =
        JournalQuery { identifiers: &["sshd", "sshd-session", keys_command], since: wanted.since, entries: ENTRIES };
    let mut has_entries = false;
    let journal = host.journal(&query).map(|entries| {
        has_entries = !entries.is_empty();
        let oldest = entries.iter().map(|entry| entry.realtime / 1_000_000).min();
        let from = oldest.filter(|_| entries.len() >= ENTRIES).unwrap_or(wanted.since);
        let is_honest = |entry: &JournalEntry| match entry.uid {
            // Anybody may write to the journal under any name; the kernel says who it was.
            Some(uid) if entry.identifier == keys_command => {
                uid == ROOT || keys_user.is_none_or(|account| account.uid == uid)
            }
            Some(uid) => uid == ROOT,
            None => true,
        };
        let lines = entries.into_iter().filter(is_honest).map(|entry| LogLine {
            at: entry.realtime / 1_000_000,
            program: entry.identifier.into(),
            pid: entry.pid,
            message: entry.message.into(),
        });
        RecentLog { source: "the journal".into(), lines: wanted.of(lines.collect()), from, until: now }
    });
    if has_entries {
        return LogFacts { recent: journal };
    }
    // A journal that keeps nothing, or none: what syslog was given.
    let mut otherwise = journal;
    for file in FILES {
        let read = host.tail(file, FILE_TAIL).map(|tail| {
            let is_wanted = |program: &str| program.starts_with("sshd") || program == keys_command;
            let lines = parse::parse_auth_log(&tail.bytes, tail.modified, is_wanted).value;
            let oldest = lines.iter().map(|line| line.at).min().unwrap_or(now);
            let from = if tail.bytes.len() >= FILE_TAIL { oldest.max(wanted.since) } else { wanted.since };
            RecentLog { source: file.into(), lines: wanted.of(lines), from, until: now }
        });
        match (&read, &otherwise) {
            (Fact::Known(recent), _) if !recent.lines.is_empty() => return LogFacts { recent: read },
            (Fact::Known(_), Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered) => otherwise = read,
            (Fact::Unreadable(_), Fact::Absent | Fact::NotGathered) => otherwise = read,
            _ => {}
        }
    }
    LogFacts { recent: otherwise }
}

/// Which lines are worth keeping.
struct Wanted<'a> {
    os_user: &'a str,
    since: u64,
}

impl Wanted<'_> {
    /// Of lines in their order the newest that say something about this OS user's logins or about the keys command.
    fn of(&self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let (mut sshd, mut dropped, mut keys_command) = (LINES_KEPT, DROPPED_KEPT, KEYS_COMMAND_KEPT);
        let mut kept: Vec<LogLine> = Vec::new();
        for mut line in lines.into_iter().rev().take_while(|line| line.at >= self.since) {
            let left = match parse::read_login_line(line.program.raw(), line.message.raw()) {
                Some(Said::Querying { .. } | Said::Providing { .. } | Said::KeysCommandSays(_)) => &mut keys_command,
                Some(Said::Dropped { .. }) => &mut dropped,
                Some(said) if self.is_about(&said) => &mut sshd,
                _ => continue,
            };
            if *left == 0 {
                continue;
            }
            *left -= 1;
            if line.message.raw().chars().nth(MESSAGE_KEPT).is_some() {
                line.message = line.message.raw().chars().take(MESSAGE_KEPT).collect::<String>().into();
            }
            kept.push(line);
        }
        kept.reverse();
        kept
    }

    fn is_about(&self, said: &Said<'_>) -> bool {
        match said {
            Said::Accepted { user, .. } | Said::Ended { user, .. } | Said::AccountDenied { user } => {
                *user == self.os_user
            }
            Said::Refused { user, .. } => user.is_none_or(|user| user == self.os_user),
            // What is not about a key concerns every user alike.
            Said::KeysCommand { user, trouble: Trouble::Status(1 | 22 | 255) } => {
                user.is_none_or(|user| user == self.os_user)
            }
            _ => true,
        }
    }
}
