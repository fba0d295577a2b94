//! What filters packets to sshd on the instance itself.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

pub mod bans;
pub mod hosts_access;
pub mod packets;

pub const ALL: &[&Check<OsFacts>] = &[&bans::CHECK, &hosts_access::CHECK, &packets::CHECK];
