//! Asks everything that one attempt on one instance needs, two round trips deep: what depends on nothing at once, what depends on
//! the instance as soon as the instance is known. What would be a third one is guessed and asked ahead, and asked again where the
//! guess was wrong.

use std::time::SystemTime;

use eic_doctor_agent::report::Courier;
use eic_doctor_proto::{Attempt, Fact, Why};
use futures_util::FutureExt as _;

use super::budget::Budget;
use super::context::About;
use super::courier::{self, Pace};
use super::operations::{
    Aws, DescribeAvailabilityZones, DescribeImages, DescribeInstanceInformation, DescribeInstanceStatus,
    DescribeInstances, DescribeRegions,
};
use super::refused::{Answer, fact};
use super::{console, identity, network, node_role, principal, quotes, trail, tunnel};
use crate::facts::{AskedWith, AwsFacts, ContextEntry, Facts, Image, Instance};
use crate::operator::Coordinator;

/// What a run is about.
#[derive(Clone, Debug)]
pub struct Question {
    pub instance_id: String,
    pub region: String,
    /// As the user gave it; `auto` is resolved when the instance is known.
    pub attempt: Attempt,
    /// What the user told of the caller's requests, for the simulator.
    pub context: Vec<ContextEntry>,
    /// When the run began.
    pub now: SystemTime,
    /// Who brings the OS facts by Systems Manager; `None`: it is not asked.
    pub courier: Option<Courier>,
    /// The coordinator that the instance's resident agent may be connected to; asked before Systems Manager.
    pub coordinator: Option<Coordinator>,
}

pub struct Gathered {
    pub facts: Facts,
    /// For the reader of the report: by which courier the OS facts came.
    pub notes: Vec<String>,
    /// `false` when the run's time was up before everything was answered.
    pub complete: bool,
}

pub async fn gather<A: Aws>(aws: &A, question: &Question, budget: &Budget, pace: &Pace) -> Gathered {
    let id = question.instance_id.as_str();
    let region = question.region.as_str();
    // Polled by everyone who waits for it; asked once.
    let instance = seen(aws, budget, id).shared();
    let caller = identity::caller(aws, budget).shared();
    let endpoints = network::endpoints(aws, budget, &question.attempt).shared();
    let node = async {
        let action = <A as DescribeInstanceInformation>::ACTION;
        first_of(budget.ask(action, aws.describe_instance_information(id)).await)
    }
    .shared();
    let status = async {
        let action = <A as DescribeInstanceStatus>::ACTION;
        first_of(budget.ask(action, aws.describe_instance_status(id)).await)
    }
    .shared();
    let regions = budget.ask(<A as DescribeRegions>::ACTION, aws.describe_regions());
    let zones = budget.ask(<A as DescribeAvailabilityZones>::ACTION, aws.describe_availability_zones());
    // On the heap, the large ones: the whole run is one future, and would not fit a thread's stack.
    let trail = Box::pin(trail::look(aws, budget, &question.attempt, id));
    let image = async { image(aws, budget, &instance.clone().await).await };
    let network = Box::pin(network::look(aws, budget, region, &question.attempt, endpoints.clone(), instance.clone()));
    let about = About { region, attempt: &question.attempt, context: &question.context, now: question.now };
    let identity = Box::pin(identity::look(aws, budget, about, caller.clone(), instance.clone()));
    let of_principal = Box::pin(principal::ahead(aws, budget, about, caller.clone()));
    let ahead = Box::pin(async {
        let (seen, caller, endpoints) = tokio::join!(instance.clone(), caller.clone(), endpoints.clone());
        tunnel::ahead(aws, budget, about, &caller, &seen, &endpoints).await
    });
    let os = Box::pin(async {
        let (seen, node) = tokio::join!(instance.clone(), node.clone());
        courier::bring(aws, budget, pace, question, &seen, &node).await
    });
    let of_node = Box::pin(async {
        let (seen, node, caller) = tokio::join!(instance.clone(), node.clone(), caller.clone());
        node_role::look(aws, budget, about, &seen, &node, &caller).await
    });
    let console = Box::pin(async {
        let (seen, status) = tokio::join!(instance.clone(), status.clone());
        console::of_impaired(aws, budget, &seen, &status).await
    });
    let inside = Box::pin(async {
        let (brought, console, of_node) = tokio::join!(os, console, of_node);
        let is_dark = console == Fact::NotGathered && question.courier.is_some() && brought.os.known().is_none();
        let console = if is_dark { console::of_running(aws, budget, &instance.clone().await).await } else { console };
        (brought, console, of_node)
    });
    let (status, regions, zones, image, network, identity, of_principal, ahead, inside, trail) =
        tokio::join!(status.clone(), regions, zones, image, network, identity, of_principal, ahead, inside, trail);
    let (brought, console, of_node) = inside;
    let (seen, managed_node) = (instance.await, node.await);
    let trail = trail.of_instance(id, &seen.instance);
    let of_tunnel = Box::pin(async {
        match ahead {
            Some((arn, simulation)) if identity.principal_arn == Fact::Known(arn.clone()) => simulation,
            _ => {
                let endpoints = &network.instance_connect_endpoints;
                tunnel::settled(aws, budget, about, &seen, endpoints, &identity).await
            }
        }
    });
    let of_principal = Box::pin(principal::settled(aws, budget, about, &identity.principal_arn, of_principal));
    let (mut tunnel_simulation, mut of_principal) = tokio::join!(of_tunnel, of_principal);
    let mut simulation = identity.simulation;
    let denied = [&mut simulation, &mut tunnel_simulation, &mut of_principal.describe_simulation];
    Box::pin(quotes::put(aws, budget, denied)).await;
    let aws = AwsFacts {
        region: Fact::Known(question.region.clone()),
        pushes: trail.pushes,
        tunnels: trail.tunnels,
        instance: seen.instance,
        instance_owner_id: seen.owner_id,
        instance_status: status,
        console,
        image,
        regions: fact(regions),
        availability_zones: fact(zones),
        subnets: network.subnets,
        security_groups: network.security_groups,
        network_acls: network.network_acls,
        route_tables: network.route_tables,
        internet_gateways: network.internet_gateways,
        instance_connect_endpoints: network.instance_connect_endpoints,
        endpoint_interfaces: network.endpoint_interfaces,
        block_public_access: network.block_public_access,
        block_public_access_exclusions: network.block_public_access_exclusions,
        managed_prefix_lists: network.managed_prefix_lists,
        prefix_list_entries: network.prefix_list_entries,
        ip_ranges: Fact::NotGathered,
        caller: identity.caller,
        principal_arn: identity.principal_arn,
        simulation,
        tunnel_simulation,
        describe_simulation: of_principal.describe_simulation,
        context_keys: of_principal.context_keys,
        managed_node,
        instance_profile: of_node.instance_profile,
        node_simulation: of_node.simulation,
        asked_with: AskedWith::default(),
    };
    Gathered {
        facts: Facts { aws, os: brought.os },
        notes: brought.note.into_iter().collect(),
        complete: budget.was_enough(),
    }
}

/// The instance as `DescribeInstances` shows it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub instance_id: String,
    pub instance: Fact<Instance>,
    /// `OwnerId` of its reservation.
    pub owner_id: Fact<String>,
}

impl Seen {
    /// A fact that hangs on the instance, when the instance is not known.
    pub fn not_asked<T>(&self) -> Fact<T> {
        match &self.instance {
            Fact::Unreadable(why) => {
                let reason = format!("not asked for, since the instance is not known: {}", why.reason);
                Fact::Unreadable(Why { reason, missing_action: why.missing_action.clone() })
            }
            Fact::Absent => Fact::unreadable("there is no such instance"),
            Fact::Known(_) | Fact::NotGathered => Fact::NotGathered,
        }
    }
}

async fn seen<A: Aws>(aws: &A, budget: &Budget, id: &str) -> Seen {
    let answer = budget.ask(<A as DescribeInstances>::ACTION, aws.describe_instances(id)).await;
    let (instance, owner_id) = match answer {
        Err(refused) => (refused.clone().into_fact(), refused.into_fact()),
        Ok(reservations) => {
            let with_owner = reservations.into_iter().flat_map(|reservation| {
                let owner = reservation.owner_id;
                reservation.instances.into_iter().map(move |instance| (instance, owner.clone()))
            });
            match with_owner.into_iter().find(|(instance, _)| instance.instance_id.as_deref() == Some(id)) {
                Some((instance, owner)) => (Fact::Known(instance), owner.map_or(Fact::Absent, Fact::Known)),
                None => (Fact::Absent, Fact::Absent),
            }
        }
    };
    Seen { instance_id: id.to_owned(), instance, owner_id }
}

async fn image<A: Aws>(aws: &A, budget: &Budget, seen: &Seen) -> Fact<Image> {
    let Some(instance) = seen.instance.known() else { return seen.not_asked() };
    match &instance.image_id {
        Some(id) => first_of(budget.ask(<A as DescribeImages>::ACTION, aws.describe_images(id)).await),
        None => Fact::Absent,
    }
}

/// The one element of an answer about one thing; an empty list says that it is not there.
pub(super) fn first_of<T>(answer: Answer<Vec<T>>) -> Fact<T> {
    match answer {
        Ok(items) => items.into_iter().next().map_or(Fact::Absent, Fact::Known),
        Err(refused) => refused.into_fact(),
    }
}
