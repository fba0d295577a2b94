//! The last login attempts as the host's log tells them.

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogFacts {
    /// Absent when this system keeps neither a journal nor a log of authentications.
    pub recent: Fact<RecentLog>,
}

/// What sshd and the keys command wrote in the last quarter of an hour, as far as it is about logins of this OS user or about the
/// keys command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecentLog {
    /// `the journal`, or a file: `/var/log/secure`.
    pub source: Untrusted,
    /// Oldest first; the newest few dozen.
    pub lines: Vec<LogLine>,
    /// Seconds since 1970: every line of `source` from this time to `until` was looked at, though not each is kept. Both 0 where an
    /// older agent did not tell.
    pub from: u64,
    pub until: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLine {
    /// Seconds since 1970.
    pub at: u64,
    /// `sshd`, `sshd-session`, `ec2-instance-connect`.
    pub program: Untrusted,
    /// 0 where the log has none.
    pub pid: u32,
    pub message: Untrusted,
}
