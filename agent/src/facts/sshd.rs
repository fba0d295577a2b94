//! sshd as it runs: its process, its units, its effective configuration, its sockets.

use std::collections::BTreeMap;
use std::net::IpAddr;

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

use super::FileState;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SshdFacts {
    /// The listener process (not one that serves a session); absent when none runs.
    pub process: Fact<SshdProcess>,
    /// `sshd.service` on one family, `ssh.service` on the other; absent when systemd knows neither.
    pub unit: Fact<Unit>,
    /// `ssh.socket` or `sshd.socket`; absent when systemd knows neither or none is enabled or active.
    pub socket: Fact<SocketUnit>,
    /// What `sshd -T -C user=…` prints when given the running daemon's own `-o`, `-f` and `-p` options: the truth for this attempt.
    pub effective: Fact<EffectiveConfig>,
    /// TCP sockets in state LISTEN that belong to sshd (or to systemd for the socket unit).
    pub listeners: Fact<Vec<Listener>>,
    /// Whose the attempt's port is where no sshd runs; absent when nobody listens there.
    pub port_holder: Fact<PortHolder>,
    /// `sshd -V`/the banner: `OpenSSH_9.2p1 Debian-2+deb12u3`.
    pub version: Fact<Untrusted>,
    /// The machine's own addresses.
    pub addresses: Fact<Vec<LocalAddress>>,
    /// Which lines are behind what `sshd -T` says, and what they say for other addresses than the one it was asked about.
    pub config: Fact<SshdConfig>,
    /// What sshd said instead of printing its configuration; absent when it printed it. Not gathered where it could not be asked.
    pub refusal: Fact<Refusal>,
    /// Files of the configuration that changed after the running sshd read them; empty when none did.
    pub changed: Fact<Vec<Untrusted>>,
    /// The program of AuthorizedKeysCommand where it is not one of EC2 Instance Connect's own; absent when there is none such.
    pub keys_program: Fact<KeysProgram>,
    /// The files of RevokedKeys; absent when none is set.
    pub revoked_keys: Fact<RevokedKeys>,
    /// The program of ForceCommand, the folders that lead to ChrootDirectory and the shell in it, as far as they are set.
    pub session: Fact<Vec<FileState>>,
    /// What stands in `sshd_config` and below `sshd_config.d` about `AuthorizedKeysCommand`: file, line and text.
    pub configured: Fact<Vec<ConfiguredLine>>,
    /// Below `sshd_config.d`, in files that nothing includes: lines about `AuthorizedKeysCommand` and `UsePAM`.
    pub passed_over: Fact<Vec<ConfiguredLine>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SshdProcess {
    pub pid: u32,
    /// The title or command line as read from `/proc/PID/cmdline`, NULs as spaces.
    pub command_line: Untrusted,
    /// The program, `/usr/sbin/sshd`.
    pub program: Untrusted,
    /// `-o` values in their order. sshd rewrites its title, so a value with spaces is taken up to the next option.
    pub options: Vec<SshdOption>,
    /// `-f`.
    pub config_file: Option<Untrusted>,
    /// `-p`, in their order.
    pub ports: Vec<u16>,
    /// Of its title, `0 of 10-100 startups`; absent from the titles of older versions.
    pub startups: Fact<Startups>,
    /// What keeps it from running though it is there; absent when nothing does.
    pub halt: Fact<Halt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Halt {
    /// By a signal: SIGSTOP.
    Stopped,
    /// By the freezer of its control group, or of one above it (systemctl(1), `freeze`).
    Frozen,
}

/// Connections that have not logged in yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Startups {
    pub now: u32,
    /// From so many on sshd drops some.
    pub begin: u32,
    /// From so many on sshd drops all.
    pub full: u32,
}

/// `-o Keyword=value` or `-o "Keyword value"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshdOption {
    /// Lower case.
    pub keyword: Untrusted,
    pub value: Untrusted,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unit {
    /// `ssh.service`.
    pub name: Untrusted,
    /// `loaded`, `masked`, …
    pub load_state: Untrusted,
    /// `active`, `inactive`, `failed`, …
    pub active_state: Untrusted,
    /// `running`, `dead`, …
    pub sub_state: Untrusted,
    /// The program and arguments of the last ExecStart that systemd has loaded.
    pub exec_start: Vec<Untrusted>,
    pub fragment_path: Untrusted,
    /// In systemd's merge order: by file name, `/etc` before `/run` before `/usr/lib` for one name.
    pub drop_ins: Vec<DropIn>,
    /// Changed on disk, not reloaded.
    pub need_daemon_reload: Fact<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropIn {
    pub path: Untrusted,
    /// The `ExecStart=` lines in their order; an empty one clears those before it.
    pub exec_start: Fact<Vec<Untrusted>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SocketUnit {
    pub name: Untrusted,
    pub active_state: Untrusted,
    /// `Accept=yes`: each connection starts `NAME@.service`, to which drop-ins of the service do not apply.
    pub accept: Fact<bool>,
    /// As systemd prints them: `[::]:22`, `0.0.0.0:22`, `22`.
    pub listen: Vec<Untrusted>,
    /// `BindIPv6Only`, or what the kernel does where the unit does not say.
    pub is_ipv6_only: Fact<bool>,
    /// systemd reads `Port` and `ListenAddress` out of `sshd_config` for it: Ubuntu's generator is there.
    pub follows_config: Fact<bool>,
}

/// Lower-case keyword → values in the order in which sshd prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EffectiveConfig {
    /// sshd was not asked, for it could not be or there was no need: worked out from its files and options.
    pub is_worked_out: bool,
    pub keywords: BTreeMap<String, Vec<Untrusted>>,
}

impl EffectiveConfig {
    /// The first value of a keyword, given in lower case.
    pub fn first(&self, keyword: &str) -> Option<&Untrusted> {
        self.keywords.get(keyword).and_then(|values| values.first())
    }
}

/// The files and the command line, line by line, for this attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SshdConfig {
    /// Those that apply to this attempt, or may. The first of a keyword counts; of those that gather, all do.
    pub settings: Vec<ConfigSetting>,
    /// What keeps sshd from starting, as far as the files show it.
    pub problems: Vec<ConfigProblem>,
    /// What could not be read.
    pub gaps: Vec<Untrusted>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigSetting {
    /// As newer versions of `sshd -T` print it.
    pub keyword: Untrusted,
    /// One for each line that `sshd -T` prints.
    pub values: Vec<Untrusted>,
    /// `None`: sshd's command line.
    pub at: Option<ConfigPlace>,
    /// The criteria of the `Match` line above it; `None` outside of such blocks.
    pub condition: Option<Untrusted>,
    /// It applies to some of the addresses of this attempt, or nobody can tell.
    pub is_uncertain: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigProblem {
    /// `None`: sshd's command line, or no one line.
    pub at: Option<ConfigPlace>,
    pub text: Untrusted,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigPlace {
    pub file: Untrusted,
    /// From 1.
    pub line: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// Standard error, its last lines.
    pub said: Vec<Untrusted>,
}

/// What a text begins with and mentions; a program that is no text is unreadable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeysProgram {
    pub path: Untrusted,
    /// Outside of comments: EC2 Instance Connect's program.
    pub names_keys_command: bool,
    /// Outside of comments: the arguments that it was given.
    pub uses_arguments: bool,
    /// Outside of comments: programs by their paths that do not stand in the usual folders.
    pub names_other_programs: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RevokedKeys {
    pub files: Vec<RevokedFile>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RevokedFile {
    pub path: Untrusted,
    /// What kind of file it is: sshd takes a list of keys or a key revocation list, and nothing else.
    pub content: Fact<RevokedContent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevokedContent {
    /// Public keys, one a line, or nothing.
    Keys,
    /// ssh-keygen(1), KEY REVOCATION LISTS.
    RevocationList,
    /// A line or a list that sshd cannot read, for which it refuses every key.
    Broken,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    pub address: IpAddr,
    pub port: u16,
    /// `sshd`, or `systemd` where the socket unit listens; unreadable without the right to look into other processes.
    pub owner: Fact<Untrusted>,
    /// It takes no IPv4, where its address is `::`; absent for IPv4.
    #[serde(default)]
    pub is_ipv6_only: Fact<bool>,
}

/// A program that is not sshd and listens on a port that sshd would have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortHolder {
    pub pid: u32,
    /// `/proc/PID/comm`.
    pub name: Untrusted,
    /// The service that it belongs to, `nginx.service`; absent when it belongs to none.
    pub unit: Fact<Untrusted>,
}

/// An address of the machine itself, loopback and link-local ones included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAddress {
    pub address: IpAddr,
    /// Empty where no interface could be told.
    pub interface: Untrusted,
    /// The lowest metric of the interface's default routes of this family; absent when it has none.
    pub default_route: Fact<u32>,
    /// A device stands behind the interface: no bridge, tunnel or loop.
    pub is_device: Fact<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfiguredLine {
    pub file: Untrusted,
    /// From 1.
    pub line: u32,
    pub text: Untrusted,
}
