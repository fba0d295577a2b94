//! What PAM does when sshd asks it about a login: the rules, and the files that their modules read.

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PamFacts {
    /// `sshd`, or what `PAMServiceName` says.
    pub service: Untrusted,
    /// The rules of each phase in their order, drawn-in files expanded. A login by key runs these two phases and not `auth`.
    pub account: Fact<Vec<PamRule>>,
    pub session: Fact<Vec<PamRule>>,
    /// Modules that rules name and that are not on the system.
    pub missing_modules: Fact<Vec<Untrusted>>,
    /// The files that modules of these rules read, each once.
    pub files: Vec<PamFile>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PamRule {
    /// `/etc/pam.d/common-account`.
    pub file: Untrusted,
    /// From 1.
    pub line: u32,
    /// `required`, `substack`, …, or what stands between brackets.
    pub control: Untrusted,
    /// `pam_unix.so`, or the file of a substack, whose rules follow. Empty: a line that PAM does not understand, or a file that it cannot
    /// draw in; then it refuses.
    pub module: Untrusted,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Untrusted>,
    /// How many substacks it is in.
    #[serde(skip_serializing_if = "is_zero")]
    pub level: u8,
}

/// A file of one entry a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PamFile {
    pub path: Untrusted,
    /// The lower 12 bits of `st_mode`.
    pub mode: Fact<u32>,
    /// Without comments and empty lines.
    pub lines: Fact<Vec<NumberedLine>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NumberedLine {
    /// From 1.
    pub line: u32,
    pub text: Untrusted,
}

fn is_zero(level: &u8) -> bool {
    *level == 0
}
