//! Lines of sshd and of the keys command put together to logins, and what became of each.

use std::net::IpAddr;

use eic_doctor_proto::Evidence;

use crate::facts::{LogLine, OsFacts, RecentLog};
use crate::parse::{Rule, Said, Trouble, read_login_line};
use crate::report::rfc3339;

/// Seconds: sshd gives a login two minutes. A process id that comes again later is another's.
const LOGIN: u64 = 180;
/// Seconds within which what a child of sshd writes belongs to its parent's login; the keys command runs for five at most.
const RUN: u64 = 10;

/// One connection to sshd.
#[derive(Debug)]
pub struct Login<'a> {
    /// As sshd names it; `None` where no line does.
    pub user: Option<&'a str>,
    pub address: Option<IpAddr>,
    /// Its last line.
    pub at: u64,
    pub lines: Vec<(&'a LogLine, Said<'a>)>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// With this key, where it was one.
    LetIn {
        fingerprint: Option<&'a str>,
    },
    Refused(Cause<'a>),
    /// Nobody was let in, and no line says why.
    Silent,
}

/// The line's text where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause<'a> {
    KeysCommand(Trouble<'a>),
    Rule(Rule<'a>),
    /// After the key: PAM's account rules, and what a module says of it.
    Account(Option<&'a str>),
    PasswordChange(&'a str),
    Session(&'a str),
    Dropped(&'a str),
}

/// The logins of a log, by their last lines, oldest first.
pub fn logins(recent: &RecentLog) -> Vec<Login<'_>> {
    let mut logins: Vec<(u32, Login<'_>)> = Vec::new();
    for line in &recent.lines {
        let Some(said) = read_login_line(line.program.raw(), line.message.raw()) else { continue };
        let is_alone = match said {
            Said::Querying { .. } | Said::Providing { .. } | Said::KeysCommandSays(_) => continue,
            Said::Dropped { .. } => true,
            _ => line.pid == 0,
        };
        let known = logins
            .iter_mut()
            .rfind(|(pid, login)| !is_alone && *pid == line.pid && line.at.saturating_sub(login.at) <= LOGIN);
        match known {
            Some((_, login)) => login.take(line, said),
            None => {
                let mut login = Login { user: None, address: None, at: line.at, lines: Vec::new() };
                login.take(line, said);
                logins.push((line.pid, login));
            }
        }
    }
    let (named, nameless): (Vec<_>, Vec<_>) =
        logins.into_iter().map(|(_, login)| login).partition(|login| login.user.is_some() || login.is_dropped());
    let mut logins = named;
    for login in nameless {
        // A process that sshd started for the keys command or for the session writes under a number of its own.
        let is_session = login.lines.iter().any(|(_, said)| matches!(said, Said::Session(_)));
        let parent = logins
            .iter_mut()
            .filter(|parent| parent.at.abs_diff(login.at) <= RUN && !parent.is_dropped())
            .filter(|parent| !is_session || parent.accepted().is_some())
            .min_by_key(|parent| parent.at.abs_diff(login.at));
        match parent {
            Some(parent) => parent.lines.extend(login.lines),
            None => logins.push(login),
        }
    }
    logins.sort_by_key(|login| login.at);
    logins
}

impl<'a> Login<'a> {
    fn take(&mut self, line: &'a LogLine, said: Said<'a>) {
        let (user, address) = match said {
            Said::Accepted { user, address, .. } | Said::Ended { user, address } => (Some(user), address),
            Said::Refused { user, address, .. } => (user, address),
            Said::KeysCommand { user, .. } => (user, None),
            Said::AccountDenied { user } => (Some(user), None),
            Said::Dropped { address, .. } => (None, address),
            _ => (None, None),
        };
        self.user = self.user.or(user);
        self.address = self.address.or(address);
        self.at = self.at.max(line.at);
        self.lines.push((line, said));
    }

    fn is_dropped(&self) -> bool {
        self.lines.iter().any(|(_, said)| matches!(said, Said::Dropped { .. }))
    }

    fn accepted(&self) -> Option<Option<&'a str>> {
        self.lines.iter().find_map(|(_, said)| match said {
            Said::Accepted { fingerprint, .. } => Some(*fingerprint),
            _ => None,
        })
    }

    /// What decided. A reason that sshd gives after another is the consequence of that one, but for the rules of PAM and the
    /// session, which come last.
    pub fn outcome(&self) -> Outcome<'a> {
        let said = || self.lines.iter().map(|(_, said)| said);
        let account = || {
            said().find_map(|said| match said {
                Said::Account(text) => Some(*text),
                _ => None,
            })
        };
        if let Some(fingerprint) = self.accepted() {
            let session = said().find_map(|said| match said {
                Said::Session(text) => Some(*text),
                _ => None,
            });
            return match (session, account().filter(|text| text.contains("expired password"))) {
                (Some(text), _) => Outcome::Refused(Cause::Session(text)),
                (None, Some(text)) => Outcome::Refused(Cause::PasswordChange(text)),
                (None, None) => Outcome::LetIn { fingerprint },
            };
        }
        if said().any(|said| matches!(said, Said::AccountDenied { .. })) {
            return Outcome::Refused(Cause::Account(account()));
        }
        let trouble = said().find_map(|said| match said {
            Said::KeysCommand { trouble, .. } => Some(*trouble),
            _ => None,
        });
        let rule = said().find_map(|said| match said {
            Said::Refused { rule, .. } => Some(*rule),
            _ => None,
        });
        let dropped = said().find_map(|said| match said {
            Said::Dropped { why, .. } => Some(*why),
            _ => None,
        });
        match (trouble, rule, dropped) {
            // Each key that is not the pushed one ends with 255: that many of them came is what matters.
            (Some(Trouble::Status(255)), Some(Rule::TooManyTries), _) => {
                Outcome::Refused(Cause::Rule(Rule::TooManyTries))
            }
            (Some(trouble), ..) => Outcome::Refused(Cause::KeysCommand(trouble)),
            (None, Some(rule), _) => Outcome::Refused(Cause::Rule(rule)),
            (None, None, Some(why)) => Outcome::Refused(Cause::Dropped(why)),
            (None, None, None) => Outcome::Silent,
        }
    }

    pub fn evidence(&self, source: &str) -> Vec<Evidence> {
        self.lines.iter().map(|(line, _)| evidence(line, source)).collect()
    }
}

pub fn evidence(line: &LogLine, source: &str) -> Evidence {
    let LogLine { at, program, pid, message } = line;
    Evidence::new(message.raw(), format!("{source}, {} {program}[{pid}]", rfc3339(*at)))
}

/// The keys command said that it has keys and looks through them, in the seconds up to `at`.
pub fn has_queried(recent: &RecentLog, at: u64) -> bool {
    keys_command(recent).any(|(when, said)| matches!(said, Said::Querying { .. }) && when <= at + 1 && when + RUN >= at)
}

/// The keys command has handed out this key.
pub fn has_provided(recent: &RecentLog, key: &str) -> bool {
    keys_command(recent).any(|(_, said)| matches!(said, Said::Providing { fingerprint } if fingerprint == key))
}

/// The keys command handed out a key in the seconds before this login ended, and no other login took it.
pub fn was_given_a_key(recent: &RecentLog, login: &Login<'_>) -> bool {
    let first = login.lines.iter().map(|(line, _)| line.at).min().unwrap_or(login.at);
    keys_command(recent).any(|(when, said)| match said {
        Said::Providing { fingerprint } => {
            (first.saturating_sub(RUN)..=login.at).contains(&when) && !was_accepted(recent, fingerprint)
        }
        _ => false,
    })
}

fn was_accepted(recent: &RecentLog, key: &str) -> bool {
    recent.lines.iter().any(|line| {
        let said = read_login_line(line.program.raw(), line.message.raw());
        matches!(said, Some(Said::Accepted { fingerprint: Some(accepted), .. }) if accepted == key)
    })
}

/// The keys command has handed out a key at that time or later.
pub fn has_worked_since(facts: &OsFacts, at: u64) -> bool {
    let recent = facts.log.recent.known();
    recent.is_some_and(|recent| {
        keys_command(recent).any(|(when, said)| matches!(said, Said::Providing { .. }) && when >= at)
    })
}

/// sshd wrote, within the keys command's time from `at` on, that it failed.
pub fn has_failed_at(facts: &OsFacts, at: u64) -> bool {
    let Some(recent) = facts.log.recent.known() else { return false };
    recent.lines.iter().any(|line| {
        (at..=at.saturating_add(RUN)).contains(&line.at)
            && matches!(read_login_line(line.program.raw(), line.message.raw()), Some(Said::KeysCommand { .. }))
    })
}

fn keys_command(recent: &RecentLog) -> impl Iterator<Item = (u64, Said<'_>)> {
    recent.lines.iter().filter_map(|line| {
        let said = read_login_line(line.program.raw(), line.message.raw())?;
        matches!(said, Said::Querying { .. } | Said::Providing { .. }).then_some((line.at, said))
    })
}
