//! Pure functions from [`OsFacts`](crate::facts::OsFacts) to a verdict. No clock, no I/O, no log.

use eic_doctor_proto::{About, Attempt, Check, Entry, Why};

use crate::facts::OsFacts;

pub mod account;
pub mod host;
pub mod imds;
pub mod package;
pub mod sshd;

/// The version of this catalogue: it grows with every change of a check's meaning.
pub const CATALOGUE: u32 = 1;

/// Retired ids and what they are called now.
pub const RETIRED: &[(&str, &str)] = &[];

/// Every check on the instance, in the order in which they are judged and reported; a need comes before what needs it.
pub fn all() -> Vec<&'static Check<OsFacts>> {
    [host::ALL, imds::ALL, package::ALL, account::ALL, sshd::ALL].concat()
}

pub fn abouts() -> Vec<&'static About> {
    all().into_iter().map(|check| &check.about).collect()
}

/// The catalogue over these facts.
pub fn entries<'a>(facts: &'a OsFacts, attempt: &'a Attempt) -> Vec<Entry<'a>> {
    all().into_iter().map(|check| check.on(facts, attempt)).collect()
}

/// The catalogue when no courier brought facts.
pub fn entries_without_facts(why: &Why) -> Vec<Entry<'static>> {
    all().into_iter().map(|check| check.without_facts(why)).collect()
}
