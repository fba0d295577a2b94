//! sshd's processes.

use std::collections::BTreeSet;
use std::time::Duration;

use eic_doctor_proto::{Fact, Why};

use crate::facts::{Halt, SshdProcess};
use crate::parse::{self, ListenSocket};

use super::host::Host;

/// sshd's listeners that run here, and everybody's sockets in state LISTEN.
pub(super) struct Processes {
    pub listeners: Fact<Vec<Listening>>,
    pub sockets_in_listen: Fact<Vec<ListenSocket>>,
}

/// One listener and the inodes of its sockets.
pub(super) struct Listening {
    pub process: SshdProcess,
    parent: Option<u32>,
    pub sockets: Fact<BTreeSet<u64>>,
    /// Ports of those sockets that are in state LISTEN.
    ports: BTreeSet<u16>,
}

/// Only root's processes count: what a listener says of itself is handed to `sshd -T` as root, and anybody can call a process `sshd`.
const ROOT: u32 = 0;

/// A reload takes sshd some 30 ms, in which it runs and listens nowhere, then at one address after the other. So five more looks,
/// half a second in all, and one more when it listens again.
const RELOAD: Duration = Duration::from_millis(100);
const LOOKS: usize = 5;

pub(super) fn gather_processes(host: &dyn Host) -> Processes {
    settled(|| look(host), || host.pause(RELOAD))
}

/// What is seen once sshd is not in the middle of a reload. Where the time is up before that shows, nobody knows what it listens on.
fn settled(look: impl Fn() -> Processes, pause: impl Fn() -> Fact<()>) -> Processes {
    let mut seen = look();
    if !seen.listens_nowhere() {
        return seen;
    }
    for left in (0..=LOOKS).rev() {
        let is_last = left == 0 || !seen.listens_nowhere();
        match pause() {
            Fact::Known(()) => seen = look(),
            Fact::Unreadable(why) => return Processes { sockets_in_listen: Fact::Unreadable(why), ..seen },
            Fact::Absent | Fact::NotGathered => return seen,
        }
        if is_last {
            break;
        }
    }
    seen
}

fn look(host: &dyn Host) -> Processes {
    let sockets_in_listen = super::listen::gather_sockets(host);
    Processes { listeners: gather_listeners(host, &sockets_in_listen), sockets_in_listen }
}

fn gather_listeners(host: &dyn Host, sockets_in_listen: &Fact<Vec<ListenSocket>>) -> Fact<Vec<Listening>> {
    let names = match host.list("/proc") {
        Fact::Known(names) => names,
        Fact::Absent => return Fact::unreadable("/proc is not mounted"),
        Fact::Unreadable(why) => return Fact::Unreadable(why),
        Fact::NotGathered => return Fact::NotGathered,
    };
    let mut listeners: Vec<Listening> = Vec::new();
    for pid in names.iter().filter_map(|name| name.parse::<u32>().ok()) {
        let Some(mut found) = gather_listener(host, pid) else { continue };
        if let (Fact::Known(inodes), Fact::Known(sockets)) = (&found.sockets, sockets_in_listen) {
            found.ports = sockets.iter().filter(|s| inodes.contains(&s.inode)).map(|s| s.port).collect();
        }
        listeners.push(found);
    }
    // With hidepid others' processes are invisible, and then seeing no sshd means nothing (proc(5)).
    if listeners.is_empty() && !names.iter().any(|name| name == "1") && !names.is_empty() {
        return Fact::unreadable("other users' processes are hidden (`hidepid`): needs root");
    }
    Fact::Known(listeners)
}

impl Processes {
    /// sshd runs, and all of its sockets could be seen.
    fn listens_nowhere(&self) -> bool {
        let (Fact::Known(listeners), Fact::Known(_)) = (&self.listeners, &self.sockets_in_listen) else { return false };
        let is_deaf = |one: &Listening| one.sockets.known().is_some() && one.ports.is_empty();
        !listeners.is_empty() && listeners.iter().all(is_deaf)
    }

    /// The listener that this attempt would meet: the one that holds the port, else the one that init started, else the oldest.
    pub fn listener(&self, port: u16) -> Fact<SshdProcess> {
        let listeners = match &self.listeners {
            Fact::Known(listeners) => listeners,
            Fact::Absent => return Fact::Absent,
            Fact::Unreadable(Why { reason, .. }) => return Fact::unreadable(reason),
            Fact::NotGathered => return Fact::NotGathered,
        };
        let rank = |listening: &&Listening| {
            (!listening.ports.contains(&port), listening.parent != Some(1), listening.process.pid)
        };
        listeners.iter().min_by_key(rank).map_or(Fact::Absent, |found| Fact::Known(found.process.clone()))
    }
}

fn gather_listener(host: &dyn Host, pid: u32) -> Option<Listening> {
    // A process may end between two looks; then it is no listener.
    let name = host.read(&format!("/proc/{pid}/comm"));
    if name.known()?.trim_ascii() != b"sshd" {
        return None;
    }
    let status = parse::parse_proc_status(host.read(&format!("/proc/{pid}/status")).known()?).value;
    if status.uid != Some(ROOT) || status.is_nested {
        return None;
    }
    let line = parse::parse_command_line(host.read(&format!("/proc/{pid}/cmdline")).known()?).value;
    if !line.is_listener() {
        return None;
    }
    let mut process = parse::parse_sshd_arguments(&line).value;
    process.pid = pid;
    process.halt = gather_halt(host, pid, status.is_stopped);
    // Only root may read the link. A program replaced since (an update) is marked so by the kernel; the new one stands at the same path.
    if let Fact::Known(program) = host.link(&format!("/proc/{pid}/exe")) {
        process.program = program.strip_suffix(" (deleted)").unwrap_or(&program).into();
    }
    let sockets = gather_socket_inodes(host, pid);
    Some(Listening { process, parent: status.parent, sockets, ports: BTreeSet::new() })
}

/// Where control groups are mounted (systemd, `systemd.unified_cgroup_hierarchy`).
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

fn gather_halt(host: &dyn Host, pid: u32, is_stopped: Option<bool>) -> Fact<Halt> {
    match is_stopped {
        Some(true) => return Fact::Known(Halt::Stopped),
        Some(false) => {}
        None => return Fact::NotGathered,
    }
    let group = host.read(&format!("/proc/{pid}/cgroup"));
    // Version 1 has no such file, and systemd freezes nothing there.
    let Some(group) = group.known().and_then(|bytes| parse::parse_control_group(bytes)) else { return Fact::Absent };
    match host.read(&format!("{CONTROL_GROUPS}{group}/cgroup.events")) {
        Fact::Known(bytes) if parse::parse_is_frozen(&bytes) == Some(true) => Fact::Known(Halt::Frozen),
        _ => Fact::Absent,
    }
}

pub(super) fn gather_socket_inodes(host: &dyn Host, pid: u32) -> Fact<BTreeSet<u64>> {
    host.links(&format!("/proc/{pid}/fd"))
        .map(|links| links.iter().filter_map(|link| parse::parse_socket_inode(link)).collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// An sshd that listens on so many ports.
    fn seen(ports: u16) -> Processes {
        let ports: BTreeSet<u16> = (22..22 + ports).collect();
        let inodes = ports.iter().map(|port| u64::from(*port)).collect();
        let process = SshdProcess::default();
        let listening = Listening { process, parent: Some(1), sockets: Fact::Known(inodes), ports };
        Processes { listeners: Fact::Known(vec![listening]), sockets_in_listen: Fact::Known(Vec::new()) }
    }

    /// How often it was looked, and on how many ports what came of it listens; none: that is not known.
    fn settled_of(looks: &[u16], pauses: usize) -> (usize, Option<usize>) {
        let (looked, paused) = (Cell::new(0), Cell::new(0));
        let look = || {
            let ports = looks.get(looked.get()).or(looks.last()).copied().unwrap();
            looked.set(looked.get() + 1);
            seen(ports)
        };
        let pause = || {
            paused.set(paused.get() + 1);
            if paused.get() > pauses { Fact::unreadable("the time was up") } else { Fact::Known(()) }
        };
        let found = settled(look, pause);
        let ports = found.sockets_in_listen.known().map(|_| found.listeners.known().unwrap()[0].ports.len());
        (looked.get(), ports)
    }

    #[test]
    fn a_reload_is_waited_for_and_what_listens_nowhere_is_looked_at_again_before_it_is_said() {
        assert_eq!(settled_of(&[1], 0), (1, Some(1)));
        // One address after the other: one more look when it listens again.
        assert_eq!(settled_of(&[0, 0, 1, 2], 9), (4, Some(2)));
        assert_eq!(settled_of(&[0], 9), (LOOKS + 2, Some(0)));
    }

    #[test]
    fn where_the_time_is_up_before_it_settles_it_is_not_known() {
        assert_eq!(settled_of(&[0], 0), (1, None));
        assert_eq!(settled_of(&[0], LOOKS), (LOOKS + 1, None));
        assert_eq!(settled_of(&[0, 1], 1), (2, None));
    }

    #[test]
    fn a_recording_is_looked_at_once() {
        let found = settled(|| seen(0), || Fact::Absent);
        assert!(found.listens_nowhere());
    }
}
