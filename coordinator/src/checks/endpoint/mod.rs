//! The EC2 Instance Connect Endpoint that the way leads through; nothing for other ways.

mod exists;
mod ip_address_type;
mod network_acl;
mod security_group_egress;
mod state;

use eic_doctor_proto::Check;

use super::network::{by_hand, opened, verdict};
use crate::facts::AwsFacts;

pub const ALL: &[&Check<AwsFacts>] =
    &[&exists::CHECK, &state::CHECK, &ip_address_type::CHECK, &security_group_egress::CHECK, &network_acl::CHECK];
