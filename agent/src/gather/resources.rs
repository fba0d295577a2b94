//! Disk, memory, pressure and the allowance of link-local packets.

use crate::facts::ResourcesFacts;

use super::host::Host;

pub(super) fn gather_resources(_host: &dyn Host) -> ResourcesFacts {
    ResourcesFacts::default()
}
