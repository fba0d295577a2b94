//! Disk, memory, processors and numbers of tasks.

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourcesFacts {
    /// Those of `/`, `/var`, `/tmp` and `/run`; one that several of them share stands once, under the first.
    pub file_systems: Fact<Vec<FileSystem>>,
    pub memory: Fact<Memory>,
    pub load: Fact<Load>,
    /// `/sys/devices/system/cpu/online`, counted.
    pub processors: Fact<u32>,
    /// `/proc/pressure/cpu`, `some`; absent where the kernel does not measure it. Hundredths of a percent over the last 10 s.
    pub cpu_pressure: Fact<u32>,
    /// `/proc/pressure/memory`, `full`, likewise.
    pub memory_pressure: Fact<u32>,
    /// `/proc/pressure/io`, `full`, likewise.
    pub io_pressure: Fact<u32>,
    /// Processes that the kernel killed for want of memory since it booted.
    pub oom_kills: Fact<u64>,
    /// The smaller of `kernel.pid_max` and `kernel.threads-max`.
    pub tasks_max: Fact<u64>,
    /// The control group of sshd's listener, in which each keys command runs; absent when it sets no limit, or no sshd runs.
    pub sshd_tasks: Fact<TasksLimit>,
}

/// What `statvfs(3)` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileSystem {
    pub path: Untrusted,
    pub space: Space,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Space {
    /// Bytes.
    pub size: u64,
    /// Bytes that an ordinary user may still fill.
    pub available: u64,
    /// 0 where the file system does not count them.
    pub inodes: u64,
    pub free_inodes: u64,
}

/// `/proc/meminfo`, in KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    pub total: u64,
    pub available: u64,
    pub swap_free: u64,
}

/// `/proc/loadavg`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Hundredths: 150 is a load of 1.50 over the last minute.
    pub last_minute: u32,
    /// Processes and threads that exist.
    pub tasks: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TasksLimit {
    /// The control group's folder below `/sys/fs/cgroup`.
    pub group: Untrusted,
    pub current: u64,
    pub max: u64,
}
