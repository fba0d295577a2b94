//! Prefix lists: the service's own, and those that rules and routes name.

use std::collections::{BTreeMap, BTreeSet};

use eic_doctor_proto::Fact;

use super::budget::Budget;
use super::network::service_list_names;
use super::operations::{Aws, DescribeManagedPrefixLists, GetManagedPrefixListEntries};
use super::refused::fact;
use crate::facts::{ManagedPrefixList, PrefixListEntry};

pub(super) type Entries = BTreeMap<String, Fact<Vec<PrefixListEntry>>>;

/// So many of the customer's own lists are asked for before it is known whether anything names them. Most accounts have fewer; the
/// rest of a long listing waits for its name.
const AHEAD: usize = 8;

/// The Region's lists, and the entries of those that are likely to be needed.
pub(super) struct Listed {
    lists: Fact<Vec<ManagedPrefixList>>,
    entries: Entries,
    service: BTreeSet<String>,
}

/// Which lists matter is known only when rules and routes are, and their entries would be a third round trip. So those of the service,
/// of gateway endpoints (which every VPC with one has in its route tables) and a few of the customer's own are asked for at once.
pub(super) async fn ahead<A: Aws>(aws: &A, budget: &Budget, region: &str) -> Listed {
    let action = <A as DescribeManagedPrefixLists>::ACTION;
    let lists = fact(budget.ask(action, aws.describe_managed_prefix_lists(&[])).await);
    let known = lists.known().map(Vec::as_slice).unwrap_or_default();
    let service = ids_of(known, &service_list_names(region));
    let gateway_endpoints =
        ids_of(known, &["s3", "dynamodb"].map(|service| format!("com.amazonaws.{region}.{service}")));
    let own = known.iter().filter(|list| list.owner_id.as_deref().is_some_and(|owner| owner != "AWS"));
    let own = own.filter_map(|list| list.prefix_list_id.clone()).take(AHEAD);
    let likely = service.iter().cloned().chain(gateway_endpoints).chain(own).collect();
    let entries = entries_of(aws, budget, likely).await;
    Listed { lists, entries, service }
}

impl Listed {
    /// Only the service's lists and those that are `named`. The third round trip, where one of these was not likely.
    pub async fn cut_to<A: Aws>(
        self,
        mut named: BTreeSet<String>,
        aws: &A,
        budget: &Budget,
    ) -> (Fact<Vec<ManagedPrefixList>>, Entries) {
        let Self { lists, mut entries, service } = self;
        named.extend(service);
        let missing = named.iter().filter(|id| !entries.contains_key(*id)).cloned().collect();
        entries.extend(entries_of(aws, budget, missing).await);
        entries.retain(|id, _| named.contains(id));
        let is_needed = |list: &ManagedPrefixList| list.prefix_list_id.as_ref().is_some_and(|id| named.contains(id));
        (lists.map(|lists| lists.into_iter().filter(is_needed).collect()), entries)
    }
}

fn ids_of(lists: &[ManagedPrefixList], names: &[String]) -> BTreeSet<String> {
    let is_meant = |list: &&ManagedPrefixList| list.prefix_list_name.as_ref().is_some_and(|name| names.contains(name));
    lists.iter().filter(is_meant).filter_map(|list| list.prefix_list_id.clone()).collect()
}

async fn entries_of<A: Aws>(aws: &A, budget: &Budget, ids: BTreeSet<String>) -> Entries {
    let action = <A as GetManagedPrefixListEntries>::ACTION;
    let entries = ids.into_iter().map(|id| async move {
        let entries = fact(budget.ask(action, aws.get_managed_prefix_list_entries(&id)).await);
        (id, entries)
    });
    futures_util::future::join_all(entries).await.into_iter().collect()
}
