//! The only I/O: AWS's APIs, the couriers of OS facts, and recorded worlds.
//!
//! [`run::gather`] asks everything that one attempt on one instance needs, two round trips deep wherever a guess can be asked ahead. A call that fails costs its own
//! facts, not the run.

pub mod aws;
mod budget;
mod call_log;
mod console;
mod context;
pub mod courier;
mod download;
pub mod fleet;
mod identity;
mod ip_ranges;
mod named;
mod network;
mod node_role;
pub mod operations;
mod own_address;
pub mod pace;
mod prefix_lists;
mod principal;
mod quotes;
pub mod recorded;
mod refused;
mod regular_file;
pub mod run;
pub mod security_hub;
pub mod tell;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trail;
mod tunnel;

pub use budget::Budget;
pub use call_log::{CallLog, LoggedCall};
pub(crate) use download::body;
pub use ip_ranges::{IpRangesError, download_ip_ranges, read_ip_ranges};
pub use own_address::{CHECKIP_URL, OwnAddressError, own_address};
pub use quotes::ACTIONS as QUOTING_ACTIONS;
pub use refused::{Answer, Refused, RefusedKind, chain, fact};
pub use regular_file::read_regular_file;
