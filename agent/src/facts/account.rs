//! The accounts that a login through EC2 Instance Connect needs, and what may keep the OS user out.

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

use super::package::FileState;
use super::pam::PamFacts;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountFacts {
    /// The attempt's OS user, looked up as sshd would (name service switch); absent when nobody has that name.
    pub os_user: Fact<Account>,
    /// The user of `AuthorizedKeysCommandUser` (`ec2-instance-connect` where none is configured).
    pub keys_user: Fact<Account>,
    /// Who besides root (uid 0) has root's group (gid 0) as primary or supplementary group, by `/etc/passwd` and `/etc/group`. Debian's sshd
    /// takes a group-writable keys command only where nobody does.
    pub root_group_members: Fact<Vec<Untrusted>>,
    /// Whether `/etc/passwd` itself has the OS user, and not a directory service.
    pub is_local: Fact<bool>,
    /// The OS user's groups, the primary one first; one without a name is left out, as sshd leaves it out. Not gathered where a directory
    /// service would have to be asked and nothing hangs on them.
    pub groups: Fact<Vec<Group>>,
    /// The OS user's line in `/etc/shadow`.
    pub shadow: Fact<Shadow>,
    /// Days since 1970-01-01 (UTC) by the instance's clock.
    pub today: Fact<u32>,
    /// The same in seconds, where the local time is UTC and a rule of PAM asks for the time of day.
    pub utc_seconds: Fact<u64>,
    /// Who is logged in. Gathered where a limit on logins is set.
    pub logins: Fact<Logins>,
    /// `/proc/sys/fs/nr_open`. Gathered where a limit on open files is set.
    pub open_files_limit: Fact<u64>,
    /// The OS user's shell, `/bin/sh` where none is named.
    pub shell: Fact<FileState>,
    /// What the kernel starts the shell with, a program's own word: `/lib64/ld-linux-x86-64.so.2`; absent when it names none. Of a script
    /// the interpreter, where that is not there, else what the interpreter is started with.
    pub shell_loader: Fact<FileState>,
    /// First line of `/run/nologin`.
    pub run_nologin: Fact<Untrusted>,
    /// First line of `/etc/nologin`.
    pub etc_nologin: Fact<Untrusted>,
    /// What PAM does for sshd. Not gathered where sshd does not ask PAM.
    pub pam: Fact<PamFacts>,
}

/// A line of `passwd(5)`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    pub name: Untrusted,
    pub uid: u32,
    pub gid: u32,
    pub home: Untrusted,
    pub shell: Untrusted,
    pub password: PasswordField,
}

/// Of which kind a password field is. The field itself is never kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordField {
    /// `x` in `passwd(5)`: the password stands in `shadow(5)`.
    #[default]
    Shadowed,
    Empty,
    /// Begins with `!`.
    Locked,
    /// Begins with `*`: no password matches it.
    Unmatchable,
    Set,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    pub name: Untrusted,
    pub gid: u32,
}

/// Logins with a terminal, as `utmp(5)` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Logins {
    pub of_user: u32,
    pub all: u32,
}

/// A line of `shadow(5)` without the password. Days since 1970-01-01; `None`: the field is empty and sets no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shadow {
    pub password: PasswordField,
    /// 0: the password must be changed at the next login.
    pub last_change: Option<i64>,
    /// Days after which the password must be changed.
    pub maximum: Option<i64>,
    /// Days after those in which it still can be.
    pub inactive: Option<i64>,
    pub expires: Option<i64>,
}
