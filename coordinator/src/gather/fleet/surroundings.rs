//! Asks for what all instances of an account and Region share: paged lists of everything, so that their number does not grow the calls.

use eic_doctor_proto::{Attempt, Fact, Via};

use super::neighbourhood::Surroundings;
use super::operations::{
    DescribeNetworkAclsPage, DescribeRouteTablesPage, DescribeSecurityGroupsPage, DescribeSubnetsPage, Pages,
};
use super::pages::{all_pages, in_chunks};
use crate::facts::{AskedWith, CallerIdentity, InstanceConnectEndpoint, NetworkInterface};
use crate::gather::Budget;
use crate::gather::network::public_access;
use crate::gather::operations::{
    Aws, DescribeAvailabilityZones, DescribeInstanceConnectEndpoints, DescribeInternetGateways,
    DescribeNetworkInterfaces, DescribeRegions,
};
use crate::gather::refused::fact;
use crate::gather::{named, prefix_lists};

pub(super) async fn surroundings<A: Aws + Pages>(
    aws: &A,
    budget: &Budget,
    region: &str,
    attempt: &Attempt,
    caller: Fact<CallerIdentity>,
) -> Surroundings {
    let regions = async { fact(budget.ask(<A as DescribeRegions>::ACTION, aws.describe_regions()).await) };
    let zones =
        async { fact(budget.ask(<A as DescribeAvailabilityZones>::ACTION, aws.describe_availability_zones()).await) };
    let subnets =
        all_pages(budget, <A as DescribeSubnetsPage>::ACTION, async |token| aws.describe_subnets_page(token).await);
    let acls = all_pages(budget, <A as DescribeNetworkAclsPage>::ACTION, async |token| {
        aws.describe_network_acls_page(token).await
    });
    let gateways =
        async { fact(budget.ask(<A as DescribeInternetGateways>::ACTION, aws.describe_internet_gateways()).await) };
    let lists = async {
        let groups = all_pages(budget, <A as DescribeSecurityGroupsPage>::ACTION, async |token| {
            aws.describe_security_groups_page(token).await
        });
        let tables = all_pages(budget, <A as DescribeRouteTablesPage>::ACTION, async |token| {
            aws.describe_route_tables_page(token).await
        });
        let (groups, tables, service) = tokio::join!(groups, tables, prefix_lists::ahead(aws, budget, region));
        let (groups, tables) = (fact(groups), fact(tables));
        let mut named = named::lists_of_rules(&groups);
        named.extend(named::lists_of_routes(&tables));
        let (service, entries) = service.cut_to(named, aws, budget).await;
        (groups, tables, service, entries)
    };
    let (regions, zones, subnets, acls, gateways, lists, endpoints, public_access) = tokio::join!(
        regions,
        zones,
        subnets,
        acls,
        gateways,
        lists,
        endpoints(aws, budget, attempt),
        public_access(aws, budget)
    );
    let (security_groups, route_tables, managed_prefix_lists, prefix_list_entries) = lists;
    let (instance_connect_endpoints, endpoint_interfaces) = endpoints;
    let (block_public_access, block_public_access_exclusions) = public_access;
    Surroundings {
        region: Fact::Known(region.to_owned()),
        regions,
        availability_zones: zones,
        subnets: fact(subnets),
        security_groups,
        network_acls: fact(acls),
        route_tables,
        internet_gateways: gateways,
        block_public_access,
        block_public_access_exclusions,
        instance_connect_endpoints,
        endpoint_interfaces,
        managed_prefix_lists,
        prefix_list_entries,
        ip_ranges: Fact::NotGathered,
        caller,
        asked_with: AskedWith::default(),
    }
}

/// The endpoints and their network interfaces, for an attempt that may go through one.
async fn endpoints<A: Aws>(
    aws: &A,
    budget: &Budget,
    attempt: &Attempt,
) -> (Fact<Vec<InstanceConnectEndpoint>>, Fact<Vec<NetworkInterface>>) {
    if matches!(attempt.via, Via::Browser | Via::Public | Via::Private) {
        return (Fact::NotGathered, Fact::NotGathered);
    }
    let action = <A as DescribeInstanceConnectEndpoints>::ACTION;
    let endpoints = fact(budget.ask(action, aws.describe_instance_connect_endpoints()).await);
    let ids: Vec<String> =
        endpoints.known().into_iter().flatten().flat_map(|endpoint| &endpoint.network_interface_ids).cloned().collect();
    let action = <A as DescribeNetworkInterfaces>::ACTION;
    let interfaces = in_chunks(&ids, 200, async |ids| budget.ask(action, aws.describe_network_interfaces(ids)).await);
    let interfaces = fact(interfaces.await);
    (endpoints, interfaces)
}
