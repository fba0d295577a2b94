//! Exit codes: a documented contract of both binaries.

use crate::path::PathReport;
use crate::report::Report;
use crate::status::Status;

/// The exit code of a run. 1 beats 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Checks ran; none failed; nothing needed stayed unknown.
    Healthy = 0,
    /// Something failed, or warned with `--fail-on warn`.
    Failed = 1,
    /// Called wrongly: arguments, configuration file.
    Usage = 2,
    /// Nothing failed, but something needed stayed unknown.
    Unknown = 3,
    /// Nothing was checked: no credentials, no such instance, an `--only` that matches nothing.
    NothingChecked = 4,
    /// We failed ourselves: a report that cannot be written, a store that cannot be read.
    Internal = 5,
}

/// From which status on a result counts as failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailOn {
    Warn,
    #[default]
    Fail,
}

impl Exit {
    pub fn code(self) -> u8 {
        self as u8
    }

    pub fn of(report: &Report, fail_on: FailOn, allow_unknown: bool) -> Self {
        let counts = &report.counts;
        let failed = counts.fail > 0 || (fail_on == FailOn::Warn && counts.warn > 0);
        let checked = counts.ok + counts.warn + counts.fail > 0;
        // What the user left out on purpose makes `connectable` unknown, but is no reason for a pipeline to stop.
        let unknown = report.results.iter().any(|result| result.required && result.status == Status::Unknown)
            || report.path.as_ref().is_some_and(PathReport::is_open_by_parts);
        match () {
            () if failed => Self::Failed,
            () if !checked => Self::NothingChecked,
            () if unknown && !allow_unknown => Self::Unknown,
            () => Self::Healthy,
        }
    }
}
