//! The operator's side: asks AWS's APIs and the instance, judges, and prints one report.
//!
//! Invariants: `gather/` is the only place with I/O towards AWS and the instance; `facts/`, `path/`, `checks/` and `drift/` are pure; only
//! `render/` and `main` write to stdout or stderr.

pub mod args;
pub mod arn;
pub mod attest;
pub mod authority;
pub mod checks;
pub mod commands;
pub mod drift;
pub mod facts;
pub mod fleet;
pub mod gather;
pub mod notify;
pub mod operator;
pub mod page;
pub mod path;
pub mod render;
pub mod server;
pub mod store;
