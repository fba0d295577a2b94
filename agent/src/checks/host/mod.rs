//! The system that the keys command runs on.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod identity;
mod null_device;
mod resources;
mod shared_memory;
mod supported;
mod syslog;
mod tools;

pub use supported::is_listed;

/// What needs nothing else.
pub const SYSTEM: &[&Check<OsFacts>] = &[&supported::CHECK, &resources::CHECK];
/// What the keys user meets, once there is one and the metadata service has named the instance.
pub const KEYS_COMMAND: &[&Check<OsFacts>] =
    &[&identity::CHECK, &tools::CHECK, &null_device::CHECK, &shared_memory::CHECK, &syslog::CHECK];
