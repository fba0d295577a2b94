//! What CloudTrail tells of the last attempts, asked beside everything else since nothing hangs on it.

use eic_doctor_proto::{Attempt, Fact, Via};

use super::budget::Budget;
use super::operations::{Aws, LookupEvents};
use super::refused::fact;
use crate::facts::{Instance, TrailEvent};
use crate::path::address;

/// The newest events of a Region; of each kind those of the last day, as far back as was looked.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    pub pushes: Fact<Vec<TrailEvent>>,
    pub tunnels: Fact<Vec<TrailEvent>>,
}

/// Looks for one instance's; of all instances where the id is empty.
pub(super) async fn look<A: Aws>(aws: &A, budget: &Budget, attempt: &Attempt, instance_id: &str) -> Trail {
    let action = <A as LookupEvents>::ACTION;
    let pushes = async { fact(budget.ask(action, aws.lookup_events("SendSSHPublicKey", instance_id)).await) };
    let tunnels = async {
        match attempt.via {
            Via::Browser | Via::Public | Via::Private => Fact::NotGathered,
            // Which instance a tunnel leads to is told by its private address, which is not known yet.
            Via::Auto | Via::Endpoint => fact(budget.ask(action, aws.lookup_events("OpenTunnel", "")).await),
        }
    };
    let (pushes, tunnels) = tokio::join!(pushes, tunnels);
    Trail { pushes, tunnels }
}

impl Trail {
    /// The events about one instance alone: what others did elsewhere is nobody's business here.
    pub fn of_instance(&self, instance_id: &str, instance: &Fact<Instance>) -> Self {
        let pushes = cut(&self.pushes, |event| event.is_about(instance_id));
        Self { pushes, tunnels: tunnels_to(&self.tunnels, instance) }
    }
}

pub(super) fn pushes_to(events: &Fact<Vec<TrailEvent>>, instance_id: Option<&str>) -> Fact<Vec<TrailEvent>> {
    cut(events, |event| instance_id.is_none_or(|id| event.is_about(id)))
}

/// Those to one of the instance's private addresses.
pub(super) fn tunnels_to(events: &Fact<Vec<TrailEvent>>, instance: &Fact<Instance>) -> Fact<Vec<TrailEvent>> {
    let own: Vec<String> = instance
        .known()
        .map(|instance| address::private(instance).iter().map(|own| own.address.to_string()).collect())
        .unwrap_or_default();
    cut(events, |event| event.record.request_parameters.private_ip_address.as_ref().is_some_and(|to| own.contains(to)))
}

fn cut(events: &Fact<Vec<TrailEvent>>, is_wanted: impl Fn(&TrailEvent) -> bool) -> Fact<Vec<TrailEvent>> {
    events.as_ref().map(|events| events.iter().filter(|event| is_wanted(event)).cloned().collect())
}
