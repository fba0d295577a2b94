//! One question to IAM's simulator for all instances that it is the same for.
//!
//! What the principal may do to an instance hangs on the instance's ARN and on the condition keys that the policies read. So the keys
//! are learnt first, instances whose tags agree in those keys are asked about together, many ARNs to a call, and a key that turns out to
//! be read after all (one of a boundary or of an Organizations policy, say) is asked about anew.

mod questions;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::SystemTime;

use eic_doctor_proto::{Attempt, Fact, Via, Why};

use super::Order;
use super::operations::Pages;
use crate::facts::{CallerIdentity, ContextEntry, InstanceConnectEndpoint, Simulation, SimulationQuestion};
use crate::gather::Budget;
use crate::gather::context::About;
use crate::gather::identity::{self, Identity};
use crate::gather::operations::{Aws, SimulatePrincipalPolicy};
use crate::gather::principal::{self, OfPrincipal};
use crate::gather::refused::fact;
use crate::gather::tunnel;
use crate::path;
use questions::{OneOfMany as _, Values, arn, missed, missing, values, with_tags};

pub(super) use questions::Owned;

/// ARNs in one call. IAM tells no limit but that of its answer's pages, which hold 100 unless asked otherwise.
const ARNS: usize = 100;

/// Different questions of one account and Region; beyond these the answer is `unknown`. A policy that reads each instance's own name
/// would otherwise cost a call for each instance.
const QUESTIONS: usize = 500;

const ADDRESS: &str = "ec2-instance-connect:privateIpAddress";

/// Whose policies are asked about.
#[derive(Clone, Debug)]
pub enum Whose {
    /// The attempt's principal, or the caller where it names none.
    TheAttempts,
    /// Nobody's, and why.
    Nobodys(Why),
}

impl Whose {
    /// Where the caller is a role that only looks, its own permission to push a key is nobody's question.
    pub fn of(is_only_looking: bool, principal: Option<&str>) -> Self {
        match (is_only_looking, principal) {
            (true, None) => Self::Nobodys(Why::new(
                "nobody said who pushes the key in this account: name the role or user as `principal`",
            )),
            _ => Self::TheAttempts,
        }
    }
}

/// What is known of an instance's permission to push a key, and of the tunnel.
#[derive(Clone, Debug, Default)]
pub(super) struct Permission {
    pub principal_arn: Fact<String>,
    pub simulation: Fact<Simulation>,
    pub tunnel_simulation: Fact<Simulation>,
    pub of_principal: OfPrincipal,
}

/// Keys that the policies read, lower case, as far as they are known.
type Keys = Option<BTreeSet<String>>;

/// Asks for one account and Region, and remembers.
pub(super) struct Simulator<'a, A> {
    aws: &'a A,
    budget: &'a Budget,
    region: &'a str,
    attempt: &'a Attempt,
    context: &'a [ContextEntry],
    now: SystemTime,
    whose: &'a Whose,
    caller: &'a Fact<CallerIdentity>,
    known: Option<Known>,
    questions: BTreeSet<Values>,
    tunnels: HashMap<(String, Option<String>), Fact<Simulation>>,
}

/// What the first instance taught.
struct Known {
    identity: Identity,
    of_principal: OfPrincipal,
    keys: Keys,
    /// Why the keys are not known.
    no_keys: Option<Why>,
}

impl<'a, A: Aws + Pages> Simulator<'a, A> {
    pub(super) fn new(aws: &'a A, budget: &'a Budget, order: &'a Order<'a>) -> Self {
        let Order { region, attempt, context, now, whose, caller, .. } = order;
        Self {
            aws,
            budget,
            region,
            attempt,
            context,
            now: *now,
            whose,
            caller,
            known: None,
            questions: BTreeSet::new(),
            tunnels: HashMap::new(),
        }
    }

    /// In the order of the instances. `endpoints` are those of the Region.
    pub(super) async fn ask(
        &mut self,
        instances: &[Owned<'_>],
        endpoints: &[InstanceConnectEndpoint],
    ) -> Vec<Permission> {
        if let Whose::Nobodys(why) = self.whose {
            let unknown = Permission {
                principal_arn: Fact::Unreadable(why.clone()),
                simulation: Fact::Unreadable(why.clone()),
                tunnel_simulation: Fact::Unreadable(why.clone()),
                of_principal: OfPrincipal {
                    context_keys: Fact::Unreadable(why.clone()),
                    describe_simulation: Fact::Unreadable(why.clone()),
                },
            };
            return vec![unknown; instances.len()];
        }
        let Some(first) = instances.first() else { return Vec::new() };
        if self.known.is_none() {
            self.known = Some(self.learn(first).await);
        }
        let pushes = self.pushes(instances).await;
        let mut permissions = Vec::with_capacity(instances.len());
        for (owned, simulation) in instances.iter().zip(pushes) {
            let tunnel_simulation = self.tunnel(owned, endpoints).await;
            let (principal_arn, of_principal) = match &self.known {
                Some(known) => (known.identity.principal_arn.clone(), known.of_principal.clone()),
                None => (Fact::NotGathered, OfPrincipal::default()),
            };
            permissions.push(Permission { principal_arn, simulation, tunnel_simulation, of_principal });
        }
        permissions
    }

    async fn learn(&self, first: &Owned<'_>) -> Known {
        let (seen, caller) = (std::future::ready(first.seen()), std::future::ready(self.caller.clone()));
        let identity = identity::look(self.aws, self.budget, self.about(), caller, seen).await;
        let of_principal = principal::settled(self.aws, self.budget, self.about(), &identity.principal_arn, None).await;
        let keys = of_principal.context_keys.known();
        let keys = keys.map(|keys| keys.iter().map(|key| key.to_ascii_lowercase()).collect());
        let no_keys = match &of_principal.context_keys {
            Fact::Unreadable(why) => Some(why.clone()),
            _ => None,
        };
        Known { identity, of_principal, keys, no_keys }
    }

    fn about(&self) -> About<'_> {
        About { region: self.region, attempt: self.attempt, context: self.context, now: self.now }
    }

    async fn pushes(&mut self, instances: &[Owned<'_>]) -> Vec<Fact<Simulation>> {
        let Some(known) = &mut self.known else { return vec![Fact::NotGathered; instances.len()] };
        // Refused to the first is refused to all; so is what is wrong about the principal.
        let asked = match &known.identity.simulation {
            Fact::Known(Simulation { asked: Some(asked), .. }) => asked.clone(),
            Fact::Known(_) => {
                return vec![Fact::unreadable("the simulation does not tell what was asked"); instances.len()];
            }
            other => return vec![other.clone(); instances.len()],
        };
        let mut answers: Vec<Fact<Simulation>> = vec![Fact::NotGathered; instances.len()];
        let mut open: Vec<usize> = (0..instances.len()).collect();
        // Twice at most: the second time with the keys that the first answers miss.
        for _ in 0..2 {
            let mut groups: BTreeMap<Values, Vec<usize>> = BTreeMap::new();
            for index in std::mem::take(&mut open) {
                let values = instances.get(index).map(|owned| values(owned.instance, known.keys.as_ref()));
                groups.entry(values.unwrap_or_default()).or_default().push(index);
            }
            let mut calls = Vec::new();
            for (values, indices) in groups {
                self.questions.insert(values.clone());
                if self.questions.len() > QUESTIONS {
                    self.questions.remove(&values);
                    for index in indices {
                        answers.splice(index..=index, [too_many(known.no_keys.as_ref())]);
                    }
                    continue;
                }
                for chunk in indices.chunks(ARNS) {
                    let arns: Vec<String> =
                        chunk.iter().filter_map(|index| Some(arn(&asked, instances.get(*index)?))).collect();
                    calls.push((
                        chunk.to_vec(),
                        SimulationQuestion {
                            resource_arns: arns,
                            context_entries: with_tags(&asked.context_entries, &values),
                            ..asked.clone()
                        },
                    ));
                }
            }
            let action = <A as SimulatePrincipalPolicy>::ACTION;
            let (aws, budget) = (self.aws, self.budget);
            let calls = calls.into_iter().map(async |(indices, question)| {
                (indices, fact(budget.ask(action, aws.simulate_principal_policy(&question)).await))
            });
            let mut more = BTreeSet::new();
            for (indices, answer) in futures_util::future::join_all(calls).await {
                for index in indices {
                    let Some(owned) = instances.get(index) else { continue };
                    let own = answer.clone_of(&arn(&asked, owned));
                    let missed = missed(&own, owned.instance, known.keys.as_ref());
                    if !missed.is_empty() {
                        more.extend(missed);
                        open.push(index);
                    }
                    answers.splice(index..=index, [own]);
                }
            }
            if more.is_empty() {
                break;
            }
            known.keys.get_or_insert_default().extend(more);
        }
        answers
    }

    async fn tunnel(&mut self, owned: &Owned<'_>, endpoints: &[InstanceConnectEndpoint]) -> Fact<Simulation> {
        let instance = Fact::Known(owned.instance.clone());
        let resolved = path::resolve(self.attempt, &instance);
        let (Via::Endpoint, Ok(dialled)) = (resolved.via, path::address::dialled(owned.instance, &resolved)) else {
            return Fact::NotGathered;
        };
        let Some(endpoint) = path::endpoint::choose(endpoints, dialled.interface, resolved.endpoint.as_deref()) else {
            return Fact::NotGathered;
        };
        let Some(known) = &self.known else { return Fact::NotGathered };
        let reads_address = known.keys.as_ref().is_none_or(|keys| keys.contains(&ADDRESS.to_ascii_lowercase()));
        let address = dialled.address.to_string();
        let mut key =
            (endpoint.instance_connect_endpoint_id.clone().unwrap_or_default(), reads_address.then_some(address));
        if let Some(answer) = self.tunnels.get(&key) {
            return answer.clone();
        }
        if self.tunnels.len() >= QUESTIONS {
            return too_many(known.no_keys.as_ref());
        }
        let only = Fact::Known(vec![endpoint.clone()]);
        let seen = owned.seen();
        let mut answer = tunnel::settled(self.aws, self.budget, self.about(), &seen, &only, &known.identity).await;
        let asked = answer.known().and_then(|answer| answer.asked.clone());
        if let (false, Some(mut asked)) = (reads_address, asked) {
            // For all instances behind the endpoint, so without the address of this one.
            asked.context_entries.retain(|entry| !entry.context_key_name.eq_ignore_ascii_case(ADDRESS));
            let action = <A as SimulatePrincipalPolicy>::ACTION;
            let for_all = fact(self.budget.ask(action, self.aws.simulate_principal_policy(&asked)).await);
            if missing(&for_all).iter().any(|key| key == &ADDRESS.to_ascii_lowercase()) {
                if let Some(keys) = self.known.as_mut().and_then(|known| known.keys.as_mut()) {
                    keys.insert(ADDRESS.to_ascii_lowercase());
                }
                key.1 = Some(dialled.address.to_string());
            } else {
                answer = for_all;
            }
        }
        self.tunnels.insert(key, answer.clone());
        answer
    }
}

fn too_many(no_keys: Option<&Why>) -> Fact<Simulation> {
    let because = no_keys.map(|why| format!(" ({})", why.reason)).unwrap_or_default();
    Fact::Unreadable(Why {
        reason: format!(
            "the principal's policies read keys of which the instances have more than {QUESTIONS} different values{because}: \
             `eic-doctor check` asks about one instance"
        ),
        missing_action: no_keys.and_then(|why| why.missing_action.clone()),
    })
}
