//! The operating system.

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

use super::FileState;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemFacts {
    pub os_release: Fact<OsRelease>,
    /// `uname -m`.
    pub machine: Fact<String>,
    /// `/dev/log` and the sockets that it may lead to.
    pub log_sockets: Fact<Vec<FileState>>,
}

/// The fields of `os-release(5)` that we read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OsRelease {
    /// `amzn`, `ubuntu`, `rhel`, `centos`, `debian`, …
    pub id: Untrusted,
    /// `2023`, `22.04`, `9.4`; empty where the distribution has none.
    pub version_id: Untrusted,
    pub pretty_name: Untrusted,
    pub id_like: Vec<Untrusted>,
    pub variant_id: Untrusted,
}
