//! sshd's units as systemd has loaded them.

use std::time::Duration;

use eic_doctor_proto::{Fact, Why};

use crate::facts::{DropIn, SocketUnit, Unit};
use crate::parse::{self, ShownUnit};

use super::host::{Host, Property, Run};

/// `sshd.service` on one family, `ssh.service` on the other, an alias of it there.
const UNITS: [&str; 4] = ["ssh.service", "sshd.service", "ssh.socket", "sshd.socket"];
const PROPERTIES: [Property; 12] = [
    Property { interface: "Unit", name: "Id" },
    Property { interface: "Unit", name: "LoadState" },
    Property { interface: "Unit", name: "ActiveState" },
    Property { interface: "Unit", name: "SubState" },
    Property { interface: "Unit", name: "UnitFileState" },
    Property { interface: "Unit", name: "FragmentPath" },
    Property { interface: "Unit", name: "DropInPaths" },
    Property { interface: "Unit", name: "NeedDaemonReload" },
    Property { interface: "Service", name: "ExecStart" },
    Property { interface: "Socket", name: "Accept" },
    Property { interface: "Socket", name: "BindIPv6Only" },
    Property { interface: "Socket", name: "Listen" },
];
/// Of Ubuntu's openssh-server since 24.04: writes `ssh.socket`'s addresses from what `sshd -G` prints.
const GENERATOR: &str = "/usr/lib/systemd/system-generators/sshd-socket-generator";
/// systemd answers in milliseconds unless it is stuck.
const TIMEOUT: Duration = Duration::from_secs(2);
/// More drop-ins than anybody has.
const DROP_INS: usize = 64;

pub(super) fn gather_units(host: &dyn Host) -> (Fact<Unit>, Fact<SocketUnit>) {
    // sd_booted(3): the folder is there when systemd is the running init.
    match host.file_state("/run/systemd/system").state {
        Fact::Known(_) => {}
        Fact::Absent => return (Fact::unreadable("systemd does not run here"), Fact::Absent),
        Fact::Unreadable(why) => return (Fact::Unreadable(why.clone()), Fact::Unreadable(why)),
        Fact::NotGathered => return (Fact::NotGathered, Fact::NotGathered),
    }
    let units = match host.units(&UNITS, &PROPERTIES) {
        Fact::Known(units) => units,
        Fact::Unreadable(Why { reason, .. }) => return unreadable(&reason),
        Fact::Absent | Fact::NotGathered => match gather_by_systemctl(host) {
            Fact::Known(units) => units,
            Fact::Unreadable(Why { reason, .. }) => return unreadable(&reason),
            Fact::Absent | Fact::NotGathered => return (Fact::NotGathered, Fact::NotGathered),
        },
    };
    let service = best(&units, ".service", |unit| unit.first("LoadState") != "not-found");
    let socket = best(&units, ".socket", |unit| {
        unit.first("LoadState") == "loaded"
            && (unit.first("ActiveState") == "active" || unit.first("UnitFileState").starts_with("enabled"))
    });
    (
        service.map_or(Fact::Absent, |unit| Fact::Known(gather_unit(host, unit))),
        socket.map_or(Fact::Absent, |unit| Fact::Known(gather_socket_unit(host, unit))),
    )
}

fn gather_by_systemctl(host: &dyn Host) -> Fact<Vec<ShownUnit>> {
    let properties = PROPERTIES.map(|property| property.name).join(",");
    let show = Run::new("systemctl", "systemctl", TIMEOUT).args(["show", "-p", &properties]).args(UNITS);
    match host.run(&show) {
        Fact::Known(ran) if ran.status == Some(0) => Fact::Known(parse::parse_systemctl_show(&ran.stdout).value),
        Fact::Known(ran) => Fact::unreadable(ran.reason("`systemctl show`")),
        Fact::Absent => Fact::unreadable("there is no `systemctl`"),
        Fact::Unreadable(Why { reason, .. }) => Fact::unreadable(format!("`systemctl show`: {reason}")),
        Fact::NotGathered => Fact::NotGathered,
    }
}

fn unreadable(reason: &str) -> (Fact<Unit>, Fact<SocketUnit>) {
    (Fact::unreadable(reason), Fact::unreadable(reason))
}

/// The active unit of a kind, else the loaded one, else any that systemd knows.
fn best<'a>(units: &'a [ShownUnit], kind: &str, counts: impl Fn(&ShownUnit) -> bool) -> Option<&'a ShownUnit> {
    let rank = |unit: &&ShownUnit| (unit.first("ActiveState") != "active", unit.first("LoadState") != "loaded");
    units.iter().filter(|unit| unit.first("Id").ends_with(kind) && counts(unit)).min_by_key(rank)
}

fn gather_unit(host: &dyn Host, unit: &ShownUnit) -> Unit {
    let drop_ins = unit.first("DropInPaths").split_whitespace().take(DROP_INS).map(|path| DropIn {
        path: path.into(),
        exec_start: host.read(path).map(|bytes| parse::parse_unit(&bytes).value),
    });
    Unit {
        name: unit.first("Id").into(),
        load_state: unit.first("LoadState").into(),
        active_state: unit.first("ActiveState").into(),
        sub_state: unit.first("SubState").into(),
        exec_start: unit.exec_start.iter().map(|word| word.as_str().into()).collect(),
        fragment_path: unit.first("FragmentPath").into(),
        drop_ins: drop_ins.collect(),
        need_daemon_reload: boolean(unit.first("NeedDaemonReload")),
    }
}

fn gather_socket_unit(host: &dyn Host, unit: &ShownUnit) -> SocketUnit {
    SocketUnit {
        name: unit.first("Id").into(),
        active_state: unit.first("ActiveState").into(),
        accept: boolean(unit.first("Accept")),
        // `0.0.0.0:22 (Stream)`.
        listen: unit.all("Listen").filter_map(|listen| listen.split_whitespace().next()).map(Into::into).collect(),
        is_ipv6_only: gather_is_ipv6_only(host, unit.first("BindIPv6Only")),
        follows_config: match host.file_state(GENERATOR).state {
            Fact::Known(_) => Fact::Known(true),
            Fact::Absent => Fact::Known(false),
            Fact::Unreadable(why) => Fact::Unreadable(why),
            Fact::NotGathered => Fact::NotGathered,
        },
    }
}

/// `default` is what the kernel's setting says.
fn gather_is_ipv6_only(host: &dyn Host, value: &str) -> Fact<bool> {
    match value {
        "ipv6-only" => Fact::Known(true),
        "both" => Fact::Known(false),
        "default" => host.read("/proc/sys/net/ipv6/bindv6only").map(|bytes| bytes.trim_ascii() == b"1"),
        _ => Fact::NotGathered,
    }
}

fn boolean(value: &str) -> Fact<bool> {
    match value {
        "yes" => Fact::Known(true),
        "no" => Fact::Known(false),
        "" => Fact::unreadable("systemd does not tell"),
        other => Fact::unreadable(format!("systemd says `{other}`")),
    }
}
