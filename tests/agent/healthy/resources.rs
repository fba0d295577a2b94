use eic_doctor_proto::Fact;

use super::{FileSystem, Load, Memory, OsFacts, Space};

/// The same on every healthy instance.
pub fn fill(facts: &mut OsFacts) {
    let file_system = |path: &str, size: u64, available: u64| FileSystem {
        path: path.into(),
        space: Space { size, available, inodes: size >> 14, free_inodes: (size >> 14) - 40_000 },
    };
    let resources = &mut facts.resources;
    resources.file_systems =
        Fact::Known(vec![file_system("/", 8 << 30, 5 << 30), file_system("/run", 1 << 30, 1 << 29)]);
    resources.memory = Fact::Known(Memory { total: 978_000, available: 620_000, swap_free: 0 });
    resources.load = Fact::Known(Load { last_minute: 8, tasks: 180 });
    resources.processors = Fact::Known(2);
    resources.cpu_pressure = Fact::Known(12);
    resources.memory_pressure = Fact::Known(0);
    resources.io_pressure = Fact::Known(0);
    resources.oom_kills = Fact::Known(0);
    resources.tasks_max = Fact::Known(4_194_304);
    resources.sshd_tasks = Fact::Absent;
}
