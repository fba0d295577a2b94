//! What a gatherer may ask of a machine: read, list, follow links, stat, run a fixed program, ask the metadata service.

use std::time::Duration;

use eic_doctor_proto::{Fact, OsUser};

use crate::facts::{Account, FileState, ImdsAnswer, ImdsView, KeysUserFacts, Signer, Space};
use crate::parse::{JournalEntry, JournalQuery, ShownUnit};

/// A machine to look at. Nothing here writes, and nothing runs a shell.
pub trait Host: Sync {
    /// Who looks: `eic-doctor-agent 0.1.0` or `probe script 1`.
    fn gathered_by(&self) -> String;

    /// The effective user id of whoever looks.
    fn uid(&self) -> Fact<u32>;

    /// Seconds since 1970-01-01 by this machine's own clock.
    fn now(&self) -> Fact<u64>;

    /// Waits, so that something may have changed meanwhile. Absent: nothing can, for a recording stays as it is.
    fn pause(&self, _time: Duration) -> Fact<()> {
        Fact::Absent
    }

    /// `uname -m`.
    fn machine(&self) -> Fact<String>;

    /// The content of a regular file, links followed. A larger file than 1 MiB is unreadable, never cut.
    fn read(&self, path: &str) -> Fact<Vec<u8>>;

    /// The paragraph of a deb822 file that begins with the line `first_line`, without holding the whole file; absent when it has none.
    fn paragraph(&self, path: &str, first_line: &str) -> Fact<Vec<u8>>;

    /// The lines of `/proc/net/tcp` or `tcp6` for sockets in state LISTEN. A busy machine has more of the others than anybody would read.
    fn listening(&self, path: &str) -> Fact<Vec<u8>>;

    /// The end of a regular file that others write to: whole lines, at most `limit` bytes of them.
    fn tail(&self, path: &str, limit: usize) -> Fact<Tail>;

    /// The newest entries of systemd's journal, oldest first; absent where none is kept.
    fn journal(&self, query: &JournalQuery<'_>) -> Fact<Vec<JournalEntry>>;

    /// The names in a folder, sorted.
    fn list(&self, folder: &str) -> Fact<Vec<String>>;

    /// Where the symbolic links in a folder lead.
    fn links(&self, folder: &str) -> Fact<Vec<String>>;

    /// Where one symbolic link leads.
    fn link(&self, path: &str) -> Fact<String>;

    fn file_state(&self, path: &str) -> FileState;

    /// When the content of a file or the names in a folder last changed, links followed: nanoseconds since 1970-01-01.
    fn modified(&self, path: &str) -> Fact<u64>;

    /// When a file, its owner, mode or name last changed, links followed: nanoseconds since 1970-01-01. Unlike [`Host::modified`] nobody can
    /// set it back: a file that is put there by `cp -p`, `rsync -a` or a package keeps the time of its content, and not this one.
    fn touched(&self, path: &str) -> Fact<u64>;

    /// The connection that a recording's `sshd -T -C` was asked about, where that may be another than the one that is meant.
    fn asked_connection(&self) -> Option<String> {
        None
    }

    /// Whether a regular file holds these bytes, without holding the whole file. For programs: the names of their libraries stand in them.
    fn contains(&self, path: &str, bytes: &str) -> Fact<bool>;

    /// One of the kernel's tables through netlink: its messages, one after the other, without the one that ends them. Absent when this
    /// kernel has no such table. Asks and changes nothing.
    fn netlink(&self, table: NetlinkTable) -> Fact<Vec<u8>>;

    /// The room on the file system that holds a path; absent on one that is read-only, which has none to speak of.
    fn space(&self, path: &str) -> Fact<Space>;
    /// The properties of each unit, as systemd's private socket tells them; not gathered where it is closed to us, and `systemctl` must
    /// be asked.
    fn units(&self, units: &[&str], properties: &[Property]) -> Fact<Vec<ShownUnit>>;

    /// The first part of a regular file, in which the line of its interpreter would stand. Not gathered from recordings.
    fn beginning(&self, _path: &str) -> Fact<Vec<u8>> {
        Fact::NotGathered
    }

    /// The NUL-terminated texts in a program that begin so, in their order, up to the first that is enough.
    fn texts(&self, program: &str, beginning: &str, is_enough: &dyn Fn(&str) -> bool) -> Fact<Vec<String>>;

    /// Runs a program to its end; absent when there is no such program.
    fn run(&self, run: &Run) -> Fact<Ran>;

    /// The requests of the keys command in their order, asked by whoever gathers.
    fn imds(&self, os_user: &OsUser) -> ImdsView;

    /// The first request of a keys command that knows no tokens (IMDSv1).
    fn imds_without_token(&self) -> Fact<ImdsAnswer>;

    /// The host and the metadata service as the keys user meets them.
    fn keys_user_view(&self, question: &KeysUserQuestion<'_>) -> KeysUserView;
}

/// A table that only netlink(7) tells, and no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetlinkTable {
    /// Numbers and names of the interfaces.
    Interfaces,
    /// The instance's own addresses, of both families.
    Addresses,
    /// Routing rules of both families.
    Rules,
    /// Routes of both families, of all routing tables.
    Routes,
    /// The chains of nf_tables.
    PacketFilterChains,
    /// The TCP sockets in state LISTEN, of both families.
    TcpInListen,
}

/// A property of a unit.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// The last word of D-Bus's interface: `Unit`, `Service`, `Socket`.
    pub interface: &'static str,
    /// As `systemctl show -p` takes it.
    pub name: &'static str,
}

impl Property {
    /// `ssh.socket` has the properties of every unit and those of a socket.
    pub fn is_of(&self, unit: &str) -> bool {
        let kind = unit.rsplit('.').next().unwrap_or_default();
        self.interface == "Unit" || self.interface.eq_ignore_ascii_case(kind)
    }
}

/// The end of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    pub bytes: Vec<u8>,
    /// When the file was last written to, in seconds since 1970.
    pub modified: u64,
}

/// A program to run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What a recording calls it.
    pub name: &'static str,
    /// An absolute path, or a name to be found in the usual folders of programs.
    pub program: String,
    pub arguments: Vec<String>,
    pub timeout: Duration,
}

impl Run {
    pub fn new(name: &'static str, program: impl Into<String>, timeout: Duration) -> Self {
        Self { name, program: program.into(), arguments: Vec::new(), timeout }
    }

    #[must_use]
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }
}

/// What a program left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// `None`: ended by a signal.
    pub status: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Ran {
    /// Why it failed: its exit status and the last line that it wrote to standard error, 200 characters of it.
    pub fn reason(&self, what: &str) -> String {
        let said = String::from_utf8_lossy(&self.stderr);
        let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
        let last: String = last.chars().take(200).collect();
        match self.status {
            Some(status) => format!("{what} ended with status {status}: {last}"),
            None => format!("{what} was ended by a signal: {last}"),
        }
    }
}

/// Whom to become and what to look at.
#[derive(Clone, Debug)]
pub struct KeysUserQuestion<'a> {
    /// The user that sshd runs the keys command as.
    pub account: &'a Fact<Account>,
    pub os_user: &'a OsUser,
    /// The program of AuthorizedKeysCommand, where one is configured.
    pub program: Option<String>,
    /// The running sshd, whose namespaces are the keys command's.
    pub process: Option<u32>,
}

/// What the keys user was told and saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysUserView {
    pub imds: ImdsView,
    pub facts: KeysUserFacts,
    pub signer: Fact<Signer>,
}

impl KeysUserView {
    /// Nobody could become the keys user, and so nothing was seen.
    pub fn unreadable(reason: &str) -> Self {
        Self {
            // The first request could not be made, and so none was.
            imds: ImdsView { token: Fact::unreadable(reason), ..ImdsView::default() },
            facts: KeysUserFacts {
                namespaces: Fact::unreadable(reason),
                files: Fact::unreadable(reason),
                tools: Fact::unreadable(reason),
                libraries: Fact::unreadable(reason),
                null_device: Fact::unreadable(reason),
                shared_memory: Fact::unreadable(reason),
                dev_log: Fact::unreadable(reason),
                hypervisor_uuid: Fact::unreadable(reason),
                board_asset_tag: Fact::unreadable(reason),
                certificates_folder: Fact::unreadable(reason),
                certificates_bundle: Fact::unreadable(reason),
            },
            signer: Fact::unreadable(reason),
        }
    }
}
