use eic_doctor_proto::{Attempt, Command, Evidence, Fact, Finding, Remedy, Verdict, check};

use crate::checks::platform;
use crate::facts::{FileSystem, Load, Memory, OsFacts, TasksLimit};

check! {
    /// The instance has the room, memory, processor time and processes that a login takes.
    ///
    /// ## Why it matters
    /// sshd starts the keys command for each key that is offered, twice for the right one. One run starts some sixty small programs,
    /// up to ten at a time, and is ended after five seconds; each of its requests to IMDS after one. On an instance that
    /// swaps, or on which ten processes wait for each processor (a small instance out of CPU credits, say), that is not enough:
    /// sshd logs `failed, status 124` or 28. Where the limit of tasks is reached, sshd cannot start the keys command at all:
    /// `AuthorizedKeysCommand: fork: Resource temporarily unavailable`, or the command ends with 125 or 2.
    ///
    /// A full root file system alone does not keep anybody out, but what sshd would log about the reason may be lost.
    ///
    /// ## How to look by hand
    /// ```text
    /// df -h / /var /tmp /run; df -i / /var /tmp /run
    /// cat /proc/meminfo /proc/loadavg /proc/pressure/*
    /// systemctl status ssh.service sshd.service | grep Tasks
    /// ```
    ///
    /// Without a login, CloudWatch's `CPUUtilization` and `CPUCreditBalance`, and the console output (`oom-kill`), tell much.
    ///
    /// ## How to mend
    /// - Memory or processors: end what takes them, or move to a larger instance type; reboot one that hangs.
    /// - Tasks: `systemctl set-property ssh.service TasksMax=512` (`sshd.service` on rpm systems), or end what has started so many.
    /// - A file system: remove what is not needed (`du -xh --max-depth=2 /var | sort -h | tail`), or enlarge the volume.
    ///
    /// ## References
    /// - proc(5): meminfo, loadavg, vmstat; the kernel's PSI documentation
    /// - systemd.resource-control(5): TasksMax
    /// - EC2 User Guide: "Burstable performance instances"
    pub static CHECK: OsFacts = {
        id: "os.host.resources",
        title: "the instance has room and time for a login",
        needs: [],
        required: false,
        judge: judge,
    }
}

/// Less is full.
const FULL_BYTES: u64 = 4 << 20;
const FULL_INODES: u64 = 64;
/// Memory and swap that are left, in KiB: curl and openssl take some 10 MiB each.
const LITTLE_MEMORY: u64 = 24 << 10;
/// Hundredths of a percent of the last 10 s in which nothing could go on for want of memory or disk.
const MEMORY_STALLED: u32 = 20_00;
const DISK_STALLED: u32 = 60_00;
/// A run of the keys command takes 0.1 to 0.4 s of processor time; eight times as long is near its limit when it runs twice.
const CROWDED: u32 = 8_00;
const CPU_STALLED: u32 = 50_00;
/// Measured: the keys command of the 1.x package needs ten tasks at a time beside the listener; four do not even get it started.
const TASKS_NEEDED: u64 = 16;
const TASKS_TO_START: u64 = 4;

const VERIFY: &str = "eic-doctor-agent check --only os.host.resources";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let resources = &facts.resources;
    let file_systems = resources.file_systems.need("the room on `/`, `/var`, `/tmp` and `/run`")?;
    let memory = resources.memory.need("`/proc/meminfo`")?;
    let load = resources.load.need("`/proc/loadavg`")?;
    let processors = *resources.processors.need("the number of processors")?;

    let tasks = resources.sshd_tasks.known();
    if let Some(limit) = tasks.filter(|limit| left(limit) <= TASKS_TO_START) {
        let why = format!(
            "sshd cannot start the keys command: {} of {} tasks exist in its control group",
            limit.current, limit.max
        );
        let finding = Finding::new(why, more_tasks(facts, limit)).with([tasks_seen(limit)]);
        return Ok(Verdict::fail(finding));
    }

    let mut wrong: Vec<(String, Remedy, Evidence)> = Vec::new();
    if let Some(limit) = tasks.filter(|limit| left(limit) < TASKS_NEEDED) {
        let why = format!("sshd's control group has room for {} more tasks, and a login takes about ten", left(limit));
        wrong.push((why, more_tasks(facts, limit), tasks_seen(limit)));
    }
    let tasks_max = resources.tasks_max.known().copied().unwrap_or(u64::MAX);
    if load.tasks.saturating_add(TASKS_NEEDED) > tasks_max {
        let why = format!("{} processes and threads exist, and the kernel allows {tasks_max}", load.tasks);
        let remedy = Remedy::by_hand(
            "End what has started so many processes or threads (`ps -eLf`), or raise `kernel.pid_max`",
            VERIFY,
        );
        wrong.push((
            why,
            remedy,
            Evidence::new(format!("{} of {tasks_max}", load.tasks), "/proc/loadavg, kernel.pid_max"),
        ));
    }
    wrong.extend(memory_problem(memory, &resources.memory_pressure, &resources.oom_kills));
    wrong.extend(load_problem(load, processors, &resources.cpu_pressure));
    if let Some(stalled) = resources.io_pressure.known().filter(|stalled| **stalled >= DISK_STALLED) {
        let why = format!("everything waited for the disk in {} of the last 10 s", percent(*stalled));
        let remedy = Remedy::by_hand(
            "Look for what reads or writes so much (`iotop`), or for an exhausted burst balance of the volume",
            VERIFY,
        );
        wrong.push((why, remedy, Evidence::new(format!("full avg10={}", percent(*stalled)), "/proc/pressure/io")));
    }
    wrong.extend(file_systems.iter().filter_map(full));

    let Some((_, remedy, _)) = wrong.first() else {
        let seen = format!(
            "{}; {} of memory available; load {} on {processors} processor(s)",
            file_systems.iter().map(room).collect::<Vec<_>>().join(", "),
            size(memory.available << 10),
            decimal(load.last_minute),
        );
        return Ok(Verdict::ok(seen, "statvfs, /proc/meminfo, /proc/loadavg"));
    };
    let why = wrong.iter().map(|(why, _, _)| why.as_str()).collect::<Vec<_>>().join("; ");
    let finding = Finding::new(why, remedy.clone());
    Ok(Verdict::warn(finding.with(wrong.into_iter().map(|(_, _, evidence)| evidence))))
}

fn memory_problem(memory: &Memory, stalled: &Fact<u32>, oom_kills: &Fact<u64>) -> Option<(String, Remedy, Evidence)> {
    let left = memory.available.saturating_add(memory.swap_free);
    let stalled = stalled.known().copied().unwrap_or_default();
    if left >= LITTLE_MEMORY && stalled < MEMORY_STALLED {
        return None;
    }
    let mut why = format!("{} of {} of memory are left", size(left << 10), size(memory.total << 10));
    if stalled >= MEMORY_STALLED {
        why.push_str(&format!(", and nothing went on for want of it in {} of the last 10 s", percent(stalled)));
    }
    if let Some(kills @ 1..) = oom_kills.known() {
        why.push_str(&format!("; the kernel has killed {kills} process(es) for it since it booted"));
    }
    let seen = format!("MemAvailable {} kB, SwapFree {} kB", memory.available, memory.swap_free);
    let remedy = Remedy::by_hand(
        "End what takes the memory (`ps aux --sort=-rss | head`), add swap, or move to a larger instance type",
        VERIFY,
    );
    Some((why, remedy, Evidence::new(seen, "/proc/meminfo")))
}

fn load_problem(load: &Load, processors: u32, stalled: &Fact<u32>) -> Option<(String, Remedy, Evidence)> {
    let each = load.last_minute / processors.max(1);
    // A load that only waits for a disk or for NFS takes no processor time.
    let is_stalled = stalled.known().is_none_or(|stalled| *stalled >= CPU_STALLED);
    if each < CROWDED || !is_stalled {
        return None;
    }
    let why = format!("{} processes wanted each of {processors} processor(s) in the last minute", decimal(each));
    let remedy = Remedy::by_hand(
        "End what takes the processors (`top`), or move to an instance type with more, or with unlimited CPU credits",
        VERIFY,
    );
    Some((why, remedy, Evidence::new(format!("load {} over 1 min", decimal(load.last_minute)), "/proc/loadavg")))
}

fn full(found: &FileSystem) -> Option<(String, Remedy, Evidence)> {
    let path = &found.path;
    let (why, remedy) = if found.space.size > 0 && found.space.available < FULL_BYTES {
        let why = format!("{path} is full: {} of {} are left", size(found.space.available), size(found.space.size));
        (why, "Remove what is not needed (`du -xh --max-depth=2 /var | sort -h | tail`), or enlarge the volume")
    } else if found.space.inodes > 0 && found.space.free_inodes < FULL_INODES {
        let why = format!("{path} has no inodes left: {} of {}", found.space.free_inodes, found.space.inodes);
        (
            why,
            "Remove small files that are not needed: `du --inodes -x --max-depth=2 / | sort -n | tail` shows where they are",
        )
    } else {
        return None;
    };
    Some((why, Remedy::by_hand(remedy, VERIFY), Evidence::new(room(found), "statvfs")))
}

fn more_tasks(facts: &OsFacts, limit: &TasksLimit) -> Remedy {
    let unit = platform::unit(facts);
    if limit.group.raw().rsplit('/').next() == Some(unit) {
        let command = Command::new("systemctl").args(["set-property", unit, "TasksMax=512"]);
        return Remedy::by_command("Let sshd's unit have more tasks, as root on the instance", &command, VERIFY);
    }
    Remedy::by_hand(
        "End what has started so many processes, or raise `TasksMax` of the unit or slice that this control group belongs to",
        VERIFY,
    )
}

fn tasks_seen(limit: &TasksLimit) -> Evidence {
    Evidence::new(format!("{} of {} tasks", limit.current, limit.max), format!("{}/pids.max", limit.group))
}

fn left(limit: &TasksLimit) -> u64 {
    limit.max.saturating_sub(limit.current)
}

fn room(found: &FileSystem) -> String {
    format!("{} has {} of {}", found.path, size(found.space.available), size(found.space.size))
}

/// `512 KiB`, `7.6 GiB`.
fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x10_0000 => (1 << 10, "KiB"),
        0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    match (bytes / unit, bytes % unit * 10 / unit) {
        (whole, 1..) if whole < 10 => format!("{whole}.{} {name}", bytes % unit * 10 / unit),
        (whole, _) => format!("{whole} {name}"),
    }
}

fn percent(hundredths: u32) -> String {
    format!("{} %", decimal(hundredths))
}

fn decimal(hundredths: u32) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::{judge, size};
    use crate::checks::healthy;
    use crate::facts::{OsFacts, TasksLimit};

    fn judged(change: impl FnOnce(&mut OsFacts)) -> Verdict {
        let mut world = healthy::ubuntu_2204();
        change(&mut world.facts);
        judge(&world.facts, &world.attempt).unwrap_or_else(|verdict| verdict)
    }

    fn limit(facts: &mut OsFacts, group: &str, current: u64, max: u64) {
        facts.resources.sshd_tasks = Fact::Known(TasksLimit { group: group.into(), current, max });
    }

    #[test]
    fn sizes_are_read_by_people() {
        assert_eq!(
            [size(0), size(1_048_575), size(1_572_864), size(8 << 30)],
            ["0 KiB", "1023 KiB", "1.5 MiB", "8 GiB"]
        );
    }

    #[test]
    fn a_high_load_that_takes_no_processor_time_is_left_alone() {
        let busy = |facts: &mut OsFacts, stalled| {
            let Fact::Known(load) = &mut facts.resources.load else { panic!("no load") };
            load.last_minute = 40_00;
            facts.resources.cpu_pressure = stalled;
        };
        assert!(matches!(judged(|facts| busy(facts, Fact::Known(3_00))), Verdict::Ok { .. }));
        assert!(matches!(judged(|facts| busy(facts, Fact::Known(95_00))), Verdict::Warn(_)));
        assert!(matches!(judged(|facts| busy(facts, Fact::Absent)), Verdict::Warn(_)));
    }

    #[test]
    fn the_limit_of_tasks_is_raised_on_the_unit_only_when_it_is_the_units() {
        let group = "/sys/fs/cgroup/system.slice/ssh.service";
        let Verdict::Fail(finding) = judged(|facts| limit(facts, group, 1, 5)) else { panic!("no failure") };
        assert_eq!(finding.remedy.command.as_deref(), Some("systemctl set-property ssh.service TasksMax=512"));
        let Verdict::Fail(finding) = judged(|facts| limit(facts, "/sys/fs/cgroup/system.slice", 600, 600)) else {
            panic!("no failure")
        };
        assert_eq!(finding.remedy.command, None);
        assert!(matches!(judged(|facts| limit(facts, group, 1, 12)), Verdict::Warn(_)));
        assert!(matches!(judged(|facts| limit(facts, group, 1, 17)), Verdict::Ok { .. }));
    }

    #[test]
    fn a_kernel_that_measures_no_pressure_is_no_hindrance() {
        let verdict = judged(|facts| {
            facts.resources.cpu_pressure = Fact::unreadable("operation not supported");
            facts.resources.memory_pressure = Fact::Absent;
            facts.resources.io_pressure = Fact::NotGathered;
            facts.resources.oom_kills = Fact::Absent;
        });
        assert!(matches!(verdict, Verdict::Ok { .. }));
    }

    #[test]
    fn a_file_system_that_counts_no_inodes_has_enough() {
        let verdict = judged(|facts| {
            let Fact::Known(found) = &mut facts.resources.file_systems else { panic!("no file systems") };
            (found[0].space.inodes, found[0].space.free_inodes) = (0, 0);
        });
        assert!(matches!(verdict, Verdict::Ok { .. }));
    }
}
