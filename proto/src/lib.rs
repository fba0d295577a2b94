//! The words that the agent and the coordinator share: check, status, fact, evidence, remedy, verdict, attempt, report.
//!
//! Invariants: nothing here does I/O, reads a clock or the environment; text that reaches a report has passed [`visible`].

mod attempt;
pub mod block;
mod check;
mod codec;
mod command;
mod evidence;
mod exit;
mod fact;
mod judge;
mod path;
pub mod ranges;
mod remedy;
mod report;
mod status;
pub mod testing;
mod untrusted;
mod verdict;
pub mod wire;

pub use attempt::{Attempt, AttemptError, OsUser, Via};
pub use check::{About, Check};
pub use command::{Command, quote};
pub use evidence::Evidence;
pub use exit::{Exit, FailOn};
pub use fact::{Fact, Why};
pub use judge::{Entry, Selection, SelectionError, judge};
pub use path::{Hop, HopDecision, PathAnswer, PathReport};
pub use remedy::Remedy;
pub use report::{CheckResult, Connectable, Counts, Report, Scope, Subject, Tool};
pub use status::Status;
pub use untrusted::{Untrusted, visible};
pub use verdict::{Finding, Verdict};
