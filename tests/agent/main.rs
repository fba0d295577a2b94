//! The agent's binary and library from outside: its command line, its recordings, its probe script, its pages.

#![expect(clippy::unwrap_used, reason = "all of this is tests, helpers too")]

mod cli;
mod fleet;
mod fuzz;
mod gather;
mod human;
mod log;
mod network;
mod pam;
mod probe;
mod recorded;
mod sshd_config;
mod worst;
