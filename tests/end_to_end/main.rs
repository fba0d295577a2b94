//! The real binary against the lab: AWS's APIs over HTTP, a booted systemd with real sshd and IMDS on 169.254.169.254, the static agent.
//!
//! One lab serves the whole test program; each test makes a scenario (VPC, instance, machine) of its own in it. The lab watches the
//! program's end of a pipe and takes everything down with it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod agents;
mod bad_input;
mod endpoint;
mod faults;
mod fleet;
mod fleet_at_scale;
mod healthy;
mod lab;
mod permissions;
mod policy;
mod readme;
mod remedies;
mod security_hub;
mod traces;
mod watch;
mod worlds;
