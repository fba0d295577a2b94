//! sshd as it runs: its process, its units, its effective configuration, its sockets.

use std::collections::BTreeMap;
use std::net::IpAddr;

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

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
    /// `sshd -V`/the banner: `OpenSSH_9.2p1 Debian-2+deb12u3`.
    pub version: Fact<Untrusted>,
    /// The machine's own addresses.
    pub addresses: Fact<Vec<LocalAddress>>,
    /// What stands in `sshd_config` and below `sshd_config.d` about `AuthorizedKeysCommand`: file, line and text.
    pub configured: Fact<Vec<ConfiguredLine>>,
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
}

/// Lower-case keyword → values in the order in which sshd prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EffectiveConfig {
    pub keywords: BTreeMap<String, Vec<Untrusted>>,
}

impl EffectiveConfig {
    /// The first value of a keyword, given in lower case.
    pub fn first(&self, keyword: &str) -> Option<&Untrusted> {
        self.keywords.get(keyword).and_then(|values| values.first())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    pub address: IpAddr,
    pub port: u16,
    /// `sshd`, or `systemd` where the socket unit listens; unreadable without the right to look into other processes.
    pub owner: Fact<Untrusted>,
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
