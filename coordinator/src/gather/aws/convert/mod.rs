//! The SDK's types to the mirrors in `facts/`, field by field.

mod cloudtrail;
mod console;
mod endpoint;
mod iam;
mod instance;
mod network;
mod organizations;
mod region;
mod ssm;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

pub use cloudtrail::trail_event;
pub use console::console_output;
pub use endpoint::{instance_connect_endpoint, network_interface};
pub use iam::{evaluation_result, instance_profile, role, user};
pub use instance::{image, instance_status, reservation};
pub use network::{
    block_public_access_exclusion, block_public_access_options, internet_gateway, managed_prefix_list, network_acl,
    prefix_list_entry, route_table, security_group, subnet,
};
pub use organizations::member;
pub use region::{availability_zone, region};
pub use ssm::instance_information;

fn each<A, B>(items: Option<Vec<A>>, convert: impl Fn(A) -> B) -> Vec<B> {
    items.unwrap_or_default().into_iter().map(convert).collect()
}

/// An enum of the SDK as AWS spells it, values that the SDK does not know included.
fn word<E: AsRef<str>>(value: Option<E>) -> Option<String> {
    value.map(|value| value.as_ref().to_owned())
}

fn time(value: Option<DateTime>) -> Option<String> {
    value.and_then(|time| time.fmt(Format::DateTime).ok())
}
