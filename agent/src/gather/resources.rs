//! Disk, memory, processors and numbers of tasks.

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::{FileSystem, ResourcesFacts, SshdProcess, TasksLimit};
use crate::parse::{self, Parsed};

use super::host::Host;

const FOLDERS: [&str; 4] = ["/", "/var", "/tmp", "/run"];
/// Levels of control groups; systemd makes three or four.
const GROUPS: usize = 8;

pub(super) fn gather_resources(host: &dyn Host, process: &Fact<SshdProcess>) -> ResourcesFacts {
    let pressure = |path, kind| read(host, path, |bytes| parse::parse_pressure(bytes, kind));
    ResourcesFacts {
        file_systems: gather_file_systems(host),
        memory: read(host, "/proc/meminfo", parse::parse_meminfo),
        load: read(host, "/proc/loadavg", parse::parse_loadavg),
        processors: read(host, "/sys/devices/system/cpu/online", parse::parse_processors),
        cpu_pressure: pressure("/proc/pressure/cpu", "some"),
        memory_pressure: pressure("/proc/pressure/memory", "full"),
        io_pressure: pressure("/proc/pressure/io", "full"),
        oom_kills: match host.read("/proc/vmstat").map(|bytes| parse::parse_oom_kills(&bytes).value) {
            // An older kernel does not count them.
            Fact::Known(count) => count.map_or(Fact::Absent, Fact::Known),
            Fact::Absent => Fact::Absent,
            Fact::Unreadable(why) => Fact::Unreadable(why),
            Fact::NotGathered => Fact::NotGathered,
        },
        tasks_max: smaller(number(host, "/proc/sys/kernel/pid_max"), number(host, "/proc/sys/kernel/threads-max")),
        sshd_tasks: gather_sshd_tasks(host, process),
    }
}

fn gather_file_systems(host: &dyn Host) -> Fact<Vec<FileSystem>> {
    let mut found: Vec<FileSystem> = Vec::new();
    for folder in FOLDERS {
        match host.space(folder) {
            Fact::Known(space) => {
                if !found.iter().any(|one| one.space == space) {
                    found.push(FileSystem { path: folder.into(), space });
                }
            }
            Fact::Absent => {}
            Fact::Unreadable(why) => return Fact::unreadable(format!("{folder}: {}", why.reason)),
            Fact::NotGathered => return Fact::NotGathered,
        }
    }
    Fact::Known(found)
}

fn gather_sshd_tasks(host: &dyn Host, process: &Fact<SshdProcess>) -> Fact<TasksLimit> {
    let process = match process {
        Fact::Known(process) => process,
        Fact::Absent => return Fact::Absent,
        Fact::Unreadable(why) => return Fact::Unreadable(why.clone()),
        Fact::NotGathered => return Fact::NotGathered,
    };
    let groups = match host.read(&format!("/proc/{}/cgroup", process.pid)) {
        Fact::Known(bytes) => parse::parse_task_groups(&bytes).value,
        // It ended in between.
        Fact::Absent => return Fact::Absent,
        Fact::Unreadable(why) => return Fact::Unreadable(why),
        Fact::NotGathered => return Fact::NotGathered,
    };
    let limits = groups.iter().flat_map(|group| and_above(group)).filter_map(|group| tasks_limit(host, group));
    limits.min_by_key(|limit| limit.max.saturating_sub(limit.current)).map_or(Fact::Absent, Fact::Known)
}

/// A control group and those that it is in; each may set a limit.
fn and_above(group: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(group), |group| group.rsplit_once('/').map(|(above, _)| above)).take(GROUPS)
}

fn tasks_limit(host: &dyn Host, group: &str) -> Option<TasksLimit> {
    let folder = format!("/sys/fs/cgroup{group}");
    // `max`, which is no number: no limit here.
    let max = as_number(host.read(&format!("{folder}/pids.max")).known()?)?;
    let current = *number(host, &format!("{folder}/pids.current")).known()?;
    Some(TasksLimit { group: Untrusted::from(folder), current, max })
}

fn read<T>(host: &dyn Host, path: &str, parse: impl Fn(&[u8]) -> Parsed<Option<T>>) -> Fact<T> {
    match host.read(path).map(|bytes| parse(&bytes).value) {
        Fact::Known(Some(value)) => Fact::Known(value),
        Fact::Known(None) => Fact::unreadable(format!("`{path}` has another form")),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

fn number(host: &dyn Host, path: &str) -> Fact<u64> {
    read(host, path, |bytes| Parsed { value: as_number(bytes), not_understood: Vec::new() })
}

fn as_number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

fn smaller(one: Fact<u64>, other: Fact<u64>) -> Fact<u64> {
    match (one, other) {
        (Fact::Known(one), Fact::Known(other)) => Fact::Known(one.min(other)),
        (Fact::Known(_), other) => other,
        (one, _) => one,
    }
}
