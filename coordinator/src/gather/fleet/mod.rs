//! Many instances: everything that they share once, then page by page what is their own. Never a call for one instance.
//!
//! [`Region::look`] asks for one account and Region, and hands over each page as soon as it is known, so that no more than a page or two
//! is held. A call that fails costs its own facts; a page of instances that does not come ends this account and Region, and says so.

mod inside;
mod neighbourhood;
pub mod operations;
mod pages;
mod simulate;
mod surroundings;
#[cfg(test)]
mod tests;
mod waiting;

use std::time::SystemTime;

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::{Attempt, Fact};

use super::Budget;
use super::operations::Aws;
use super::refused::{Answer, Refused};
use super::trail::{self, Trail};
use crate::facts::{AskedWith, CallerIdentity, ContextEntry, Facts, Instance, InstanceStatus, IpRanges};
use operations::{DescribeInstancesPage, Filters, Page, Pages};
use simulate::{Owned, Permission, Simulator};
use waiting::Lists;

pub use inside::{FromOutside, Inside, reported};
pub use neighbourhood::{Neighbourhoods, Surroundings};
pub use simulate::Whose;

/// What a run asks of one account and Region.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    pub region: &'a str,
    /// As the user gave it; `auto` is resolved for each instance.
    pub attempt: &'a Attempt,
    /// Each is a listing of its own: ids come in several, since a filter takes 200 values.
    pub wanted: &'a [Filters],
    /// What the user told of the caller's requests, for the simulator.
    pub context: &'a [ContextEntry],
    /// When the run began.
    pub now: SystemTime,
    /// AWS's published ranges, where the user gave them.
    pub ip_ranges: &'a Fact<IpRanges>,
    pub caller: Fact<CallerIdentity>,
    pub asked_with: AskedWith,
    pub whose: Whose,
    /// Whether a check that was asked for reads the action.
    pub is_read: fn_is_read::IsRead<'a>,
}

/// A predicate on IAM actions.
pub mod fn_is_read {
    use std::fmt;

    #[derive(Clone, Copy)]
    pub struct IsRead<'a>(pub &'a dyn Fn(&str) -> bool);

    impl fmt::Debug for IsRead<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("IsRead")
        }
    }
}

/// One instance, as the pages brought it.
struct Found {
    instance: Instance,
    owner_id: Fact<String>,
}

/// Asks everything about one account and Region. `judge` gets the facts of one instance after the other, `page` is told at the end of
/// each page.
///
/// # Errors
///
/// When a page of instances did not come. What was judged before stands.
pub async fn look<A: Aws + Pages, I: Inside>(
    aws: &A,
    budget: &Budget,
    order: &Order<'_>,
    inside: &I,
    mut judge: impl FnMut(&Facts),
    mut page: impl FnMut(),
) -> Result<(), Refused> {
    let mut shared: Option<Neighbourhoods> = None;
    let mut lists = Lists::default();
    let mut simulator = Simulator::new(aws, budget, order);
    for filters in order.wanted {
        // The surroundings take about as long as the first page, so they are asked for beside it.
        let first = instances(aws, budget, filters, None);
        let mut next = match shared {
            Some(_) => first.await?,
            None => {
                let around = surroundings::surroundings(aws, budget, order.region, order.attempt, order.caller.clone());
                let trail = async {
                    match (order.is_read.0)("cloudtrail:LookupEvents") {
                        true => trail::look(aws, budget, order.attempt, "").await,
                        false => Trail::default(),
                    }
                };
                let (mut around, first, trail) = tokio::join!(around, first, trail);
                lists.trail = trail;
                around.asked_with = order.asked_with.clone();
                around.ip_ranges = order.ip_ranges.clone();
                lists.endpoints = around.instance_connect_endpoints.known().cloned().unwrap_or_default();
                shared = Some(Neighbourhoods::of(around));
                first?
            }
        };
        loop {
            let (found, token) = (next.items, next.next);
            lists.expect(found.len(), token.is_some());
            let own = async {
                let instances: Vec<Owned<'_>> =
                    found.iter().map(|found| Owned { instance: &found.instance, owner_id: &found.owner_id }).collect();
                let permissions = async {
                    match (order.is_read.0)("iam:SimulatePrincipalPolicy") {
                        true => simulator.ask(&instances, &lists.endpoints.clone()).await,
                        false => vec![Permission::default(); instances.len()],
                    }
                };
                let waiting = waiting::of_page(aws, budget, &lists, &found, order.is_read);
                let ids: Vec<String> =
                    found.iter().map(|found| found.instance.instance_id.clone().unwrap_or_default()).collect();
                tokio::join!(permissions, waiting, inside.of_page(&ids))
            };
            let following = async {
                match &token {
                    Some(token) => Some(instances(aws, budget, filters, Some(token)).await),
                    None => None,
                }
            };
            let ((permissions, waited, insides), following) = tokio::join!(own, following);
            lists.take(waited);
            if let Some(shared) = &mut shared {
                for ((found, permission), os) in found.into_iter().zip(permissions).zip(insides) {
                    let facts = shared.of_instance(&found.instance);
                    put(facts, found, os, permission, &mut lists);
                    judge(facts);
                }
            }
            page();
            // Judging a page takes a while; the other accounts and Regions have calls to send.
            tokio::task::yield_now().await;
            match following {
                Some(answer) => next = answer?,
                None => break,
            }
        }
    }
    Ok(())
}

/// What is the instance's own, in place of another's.
fn put(facts: &mut Facts, found: Found, os: Fact<OsFacts>, permission: Permission, lists: &mut Lists) {
    facts.os = os;
    let id = found.instance.instance_id.clone().unwrap_or_default();
    let aws = &mut facts.aws;
    aws.instance_status = lists.status(&id);
    // A call for each instance: never here.
    aws.console = match aws.instance_status.known().is_some_and(InstanceStatus::is_impaired) {
        true => Fact::unreadable("a fleet asks for no console: `eic-doctor check` of the instance does"),
        false => Fact::NotGathered,
    };
    aws.managed_node = lists.node(&id);
    aws.image = lists.image(found.instance.image_id.as_deref());
    aws.instance_owner_id = found.owner_id;
    aws.principal_arn = permission.principal_arn;
    aws.simulation = permission.simulation;
    aws.tunnel_simulation = permission.tunnel_simulation;
    aws.describe_simulation = permission.of_principal.describe_simulation;
    aws.context_keys = permission.of_principal.context_keys;
    aws.instance = Fact::Known(found.instance);
    let trail = lists.trail.of_instance(id.as_str(), &aws.instance);
    (aws.pushes, aws.tunnels) = (trail.pushes, trail.tunnels);
}

async fn instances<A: DescribeInstancesPage>(
    aws: &A,
    budget: &Budget,
    filters: &Filters,
    token: Option<&str>,
) -> Answer<Page<Found>> {
    let action = <A as DescribeInstancesPage>::ACTION;
    let page = budget.ask(action, aws.describe_instances_page(filters, token)).await?;
    let found = page.items.into_iter().flat_map(|reservation| {
        let owner_id = reservation.owner_id.map_or(Fact::Absent, Fact::Known);
        reservation.instances.into_iter().map(move |instance| Found { instance, owner_id: owner_id.clone() })
    });
    Ok(Page { items: found.collect(), next: page.next })
}
