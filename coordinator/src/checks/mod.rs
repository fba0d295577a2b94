//! Pure functions from facts to a verdict, AWS's side and where both sides must agree. No clock, no I/O, no log.

mod both;
mod command;
mod endpoint;
mod iam;
mod instance;
mod network;
mod region;
mod ssm;
mod trail;

use eic_doctor_agent::checks as os;
use eic_doctor_proto::{About, Attempt, Check, Entry, Fact, Why};

use crate::facts::{AwsFacts, Facts};

/// Retired ids and what they are called now; the agent's own are in [`os::RETIRED`], of which there are none yet.
pub const RETIRED: &[(&str, &str)] = &[
    ("aws.network.address", "aws.instance.address"),
    ("aws.network.network-acl-ingress", "aws.network.network-acl-inbound"),
    ("aws.network.network-acl-egress", "aws.network.network-acl-outbound"),
    ("aws.network.route", "aws.network.route-to-source"),
];

/// What each check on the instance hangs on beyond the instance: the agent, which looks by itself, knows nothing of these.
///
/// Whatever is judged inside the instance needs one that runs, and not Windows.
const EVERY_OS_CHECK_NEEDS: &[&str] = &["aws.instance.running", "aws.instance.not-windows"];

/// What some of them need besides, so that one broken thing is one failure. Each line repeats the needs of every check.
pub const OS_CHECKS_NEED: &[(&str, &[&str])] = &[
    ("os.imds.token", &["aws.instance.running", "aws.instance.not-windows", "aws.instance.metadata-endpoint"]),
    (
        "os.imds.availability-zone",
        &["aws.instance.running", "aws.instance.not-windows", "aws.region.availability-zone"],
    ),
    ("os.imds.domain", &["aws.instance.running", "aws.instance.not-windows", "aws.region.offered"]),
];

/// The whole catalogue over these facts, in the order in which it is judged and reported.
pub fn entries<'a>(facts: &'a Facts, attempt: &'a Attempt) -> Vec<Entry<'a>> {
    let mut entries = aws_entries(&facts.aws, attempt);
    let os = match &facts.os {
        Fact::Known(os_facts) => os::entries(os_facts, attempt),
        Fact::Unreadable(why) => os::entries_without_facts(why),
        Fact::Absent => os::entries_without_facts(&Why::new("nothing was brought from the instance")),
        Fact::NotGathered => os::entries_without_facts(&Why::new("nothing on the instance was looked at")),
    };
    entries.extend(os.into_iter().map(|entry| {
        let needs = os_needs(entry.about().id);
        entry.also_needs(needs)
    }));
    entries.extend(both::ALL.iter().map(|check| check.on(facts, attempt)));
    entries
}

/// AWS's side of the catalogue alone.
pub fn aws_entries<'a>(facts: &'a AwsFacts, attempt: &'a Attempt) -> Vec<Entry<'a>> {
    aws().into_iter().map(|check| check.on(facts, attempt)).collect()
}

/// What is said of every check, in the catalogue's order.
pub fn abouts() -> Vec<&'static About> {
    let aws = aws().into_iter().map(|check| &check.about);
    aws.chain(os::abouts()).chain(both::ALL.iter().map(|check| &check.about)).collect()
}

/// The needs of a check on the instance beyond those that it declares.
pub fn os_needs(id: &str) -> &'static [&'static str] {
    OS_CHECKS_NEED.iter().find(|(os, _)| *os == id).map_or(EVERY_OS_CHECK_NEEDS, |(_, needs)| needs)
}

fn aws() -> Vec<&'static Check<AwsFacts>> {
    [region::ALL, instance::ALL, endpoint::ALL, network::ALL, iam::ALL, trail::ALL, ssm::ALL].concat()
}
