//! What can be known on the instance itself: facts, parsers, gatherers and checks.
//!
//! Invariants: only `gather/` does I/O, and only behind the feature `host` does it touch this machine; `checks/` are pure functions
//! of facts. The coordinator links this library, so it judges OS facts whoever carried them.

pub mod checks;
#[cfg(feature = "arguments")]
pub mod command_line;
pub mod config;
pub mod connection;
pub mod facts;
pub mod gather;
#[cfg(feature = "host")]
pub mod identity;
mod pam;
pub mod parse;
pub mod render;
pub mod report;
mod source;
pub mod sshd_config;
