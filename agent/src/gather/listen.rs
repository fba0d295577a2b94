//! TCP sockets in state LISTEN, and whose they are.

use std::collections::BTreeSet;

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::{Listener, PortHolder, SocketUnit};
use crate::parse::{self, ListenSocket};

use super::host::{Host, NetlinkTable};
use super::process::{Processes, gather_socket_inodes};

/// Both families; a kernel without IPv6 has no second file.
///
/// IPv6 is looked at first: an sshd that starts or reloads just now binds its IPv4 address first, so that none is missed.
pub(super) fn gather_sockets(host: &dyn Host) -> Fact<Vec<ListenSocket>> {
    // The kernel fills each file by a walk through its table of all connections, which is large where the memory is; asked like this it
    // does without.
    if has_tcp_diag(host)
        && let Fact::Known(bytes) = host.netlink(NetlinkTable::TcpInListen)
    {
        return Fact::Known(parse::parse_netlink_sockets(&bytes).value);
    }
    let parse = |bytes: Vec<u8>| parse::parse_net_tcp(&bytes).value;
    let ipv6 = host.listening("/proc/net/tcp6").map(parse);
    let mut sockets = match host.listening("/proc/net/tcp").map(parse) {
        Fact::Known(sockets) => sockets,
        Fact::Absent => Vec::new(),
        other => return other,
    };
    match ipv6 {
        Fact::Known(more) => sockets.extend(more),
        Fact::Absent => {}
        other => return other,
    }
    Fact::Known(sockets)
}

/// To ask for the table of a module that is not there would load it.
fn has_tcp_diag(host: &dyn Host) -> bool {
    match host.read("/proc/modules") {
        Fact::Known(modules) => String::from_utf8_lossy(&modules).lines().any(|line| line.starts_with("tcp_diag ")),
        // No list of modules: everything is built in.
        Fact::Absent => true,
        Fact::Unreadable(_) | Fact::NotGathered => false,
    }
}

/// sshd's sockets; systemd's, where they are those of the socket unit (or, when no unit could be read, those on the attempt's port);
/// and each one whose owner we have no right to see.
pub(super) fn gather_listeners(
    host: &dyn Host,
    processes: &Processes,
    socket_unit: &Fact<SocketUnit>,
    port: u16,
) -> Fact<Vec<Listener>> {
    let sockets = match &processes.sockets_in_listen {
        Fact::Known(sockets) => sockets.as_slice(),
        Fact::Absent => &[],
        Fact::Unreadable(why) => return Fact::Unreadable(why.clone()),
        Fact::NotGathered => return Fact::NotGathered,
    };
    let init = gather_socket_inodes(host, 1);
    let is_units = |socket: &ListenSocket| match socket_unit {
        Fact::Known(unit) => unit.listen.iter().any(|listen| port_of(listen.raw()) == Some(socket.port)),
        Fact::Absent => false,
        Fact::Unreadable(_) | Fact::NotGathered => socket.port == port,
    };
    let mut listeners = Vec::new();
    for socket in sockets {
        if let Some(owner) = owner(socket, processes, &init, &is_units) {
            let is_ipv6_only = socket.is_ipv6_only.clone();
            listeners.push(Listener { address: socket.address, port: socket.port, owner, is_ipv6_only });
        }
    }
    Fact::Known(listeners)
}

/// Whose the port is where no sshd runs that could have it.
pub(super) fn gather_port_holder(host: &dyn Host, processes: &Processes, port: u16) -> Fact<PortHolder> {
    let (Fact::Known(listeners), Fact::Known(sockets)) = (&processes.listeners, &processes.sockets_in_listen) else {
        return Fact::NotGathered;
    };
    if !listeners.is_empty() {
        return Fact::NotGathered;
    }
    let inodes: BTreeSet<u64> = sockets.iter().filter(|one| one.port == port).map(|one| one.inode).collect();
    if inodes.is_empty() {
        return Fact::Absent;
    }
    let mut unreadable = None;
    let names = host.list("/proc").known().cloned().unwrap_or_default();
    for pid in names.iter().filter_map(|name| name.parse::<u32>().ok()) {
        match gather_socket_inodes(host, pid) {
            Fact::Known(own) if !own.is_disjoint(&inodes) => return Fact::Known(holder(host, pid)),
            Fact::Unreadable(why) => unreadable = Some(why),
            // It may have ended.
            Fact::Known(_) | Fact::Absent | Fact::NotGathered => {}
        }
    }
    unreadable.map_or(Fact::NotGathered, Fact::Unreadable)
}

fn holder(host: &dyn Host, pid: u32) -> PortHolder {
    let name = host.read(&format!("/proc/{pid}/comm"));
    let name = name.known().map(|bytes| String::from_utf8_lossy(bytes.trim_ascii()).into_owned()).unwrap_or_default();
    let group = host.read(&format!("/proc/{pid}/cgroup"));
    let group = group.known().and_then(|bytes| parse::parse_control_group(bytes));
    // A user's own services are not the system's to stop.
    let unit = group.and_then(|group| {
        let unit = group.strip_prefix("/system.slice/")?.rsplit('/').next()?.to_owned();
        unit.ends_with(".service").then_some(unit)
    });
    PortHolder { pid, name: name.into(), unit: unit.map_or(Fact::Absent, |unit| Fact::Known(unit.into())) }
}

fn owner(
    socket: &ListenSocket,
    processes: &Processes,
    init: &Fact<BTreeSet<u64>>,
    is_units: &dyn Fn(&ListenSocket) -> bool,
) -> Option<Fact<Untrusted>> {
    let mut unreadable = None;
    match &processes.listeners {
        Fact::Known(listening) => {
            for one in listening {
                match &one.sockets {
                    Fact::Known(inodes) if inodes.contains(&socket.inode) => return Some(Fact::Known("sshd".into())),
                    Fact::Unreadable(why) => unreadable = Some(why.clone()),
                    Fact::Known(_) | Fact::Absent | Fact::NotGathered => {}
                }
            }
        }
        Fact::Unreadable(why) => unreadable = Some(why.clone()),
        Fact::Absent | Fact::NotGathered => {}
    }
    if is_units(socket) {
        match init {
            Fact::Known(inodes) if inodes.contains(&socket.inode) => return Some(Fact::Known("systemd".into())),
            Fact::Unreadable(why) => unreadable = Some(why.clone()),
            Fact::Known(_) | Fact::Absent | Fact::NotGathered => {}
        }
    }
    unreadable.map(Fact::Unreadable)
}

/// The port of `[::]:22`, `0.0.0.0:22` or `22`.
fn port_of(listen: &str) -> Option<u16> {
    listen.rsplit(':').next()?.parse().ok()
}
