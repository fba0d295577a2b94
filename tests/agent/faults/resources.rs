use eic_doctor_proto::Fact;

use super::{Fault, known};
use crate::facts::TasksLimit;
use crate::healthy;

const WARNS: &[&str] = &["os.host.resources warn"];

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "a full root file system",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| known(&mut facts.resources.file_systems)[0].space.available = 0,
        changes: WARNS,
    },
    Fault {
        name: "no inodes left in /run",
        world: healthy::rhel9,
        break_it: |facts, _| known(&mut facts.resources.file_systems)[1].space.free_inodes = 3,
        changes: WARNS,
    },
    Fault {
        name: "hardly any memory left",
        world: healthy::al2023,
        break_it: |facts, _| {
            known(&mut facts.resources.memory).available = 9_000;
            facts.resources.oom_kills = Fact::Known(2);
        },
        changes: WARNS,
    },
    Fault {
        name: "everything waits for memory and for the disk",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| {
            facts.resources.memory_pressure = Fact::Known(61_20);
            facts.resources.io_pressure = Fact::Known(88_05);
        },
        changes: WARNS,
    },
    Fault {
        name: "more work than the processors can do",
        world: healthy::al2,
        break_it: |facts, _| {
            known(&mut facts.resources.load).last_minute = 37_50;
            facts.resources.cpu_pressure = Fact::Absent;
        },
        changes: WARNS,
    },
    Fault {
        name: "as many processes as the kernel allows",
        world: healthy::al2023,
        break_it: |facts, _| {
            known(&mut facts.resources.load).tasks = 32_760;
            facts.resources.tasks_max = Fact::Known(32_768);
        },
        changes: WARNS,
    },
    Fault {
        name: "few tasks left to sshd's unit",
        world: healthy::rhel9,
        break_it: |facts, _| tasks(facts, "sshd.service", 3, 14),
        changes: WARNS,
    },
    Fault {
        name: "no tasks left to sshd's unit",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| tasks(facts, "ssh.service", 1, 4),
        changes: &["os.host.resources fail"],
    },
];

fn tasks(facts: &mut crate::facts::OsFacts, unit: &str, current: u64, max: u64) {
    let group = format!("/sys/fs/cgroup/system.slice/{unit}").into();
    facts.resources.sshd_tasks = Fact::Known(TasksLimit { group, current, max });
}
