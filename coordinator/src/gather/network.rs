//! What stands between the source and the instance.

use std::collections::{BTreeMap, BTreeSet};

use eic_doctor_proto::{Attempt, Fact, Via};

use super::budget::Budget;
use super::operations::{
    Aws, DescribeInstanceConnectEndpoints, DescribeInternetGateways, DescribeNetworkAcls, DescribeNetworkInterfaces,
    DescribeRouteTables, DescribeSecurityGroups, DescribeSubnets, DescribeVpcBlockPublicAccessExclusions,
    DescribeVpcBlockPublicAccessOptions,
};
use super::refused::fact;
use super::run::Seen;
use super::{named, prefix_lists};
use crate::facts::{
    BlockPublicAccessExclusion, BlockPublicAccessOptions, Instance, InstanceConnectEndpoint, InternetGateway,
    ManagedPrefixList, NetworkAcl, NetworkInterface, PrefixListEntry, RouteTable, SecurityGroup, Subnet,
};
use crate::path;

pub(super) struct Network {
    pub subnets: Fact<Vec<Subnet>>,
    pub security_groups: Fact<Vec<SecurityGroup>>,
    pub network_acls: Fact<Vec<NetworkAcl>>,
    pub route_tables: Fact<Vec<RouteTable>>,
    pub internet_gateways: Fact<Vec<InternetGateway>>,
    pub instance_connect_endpoints: Fact<Vec<InstanceConnectEndpoint>>,
    pub endpoint_interfaces: Fact<Vec<NetworkInterface>>,
    pub block_public_access: Fact<BlockPublicAccessOptions>,
    pub block_public_access_exclusions: Fact<Vec<BlockPublicAccessExclusion>>,
    pub managed_prefix_lists: Fact<Vec<ManagedPrefixList>>,
    pub prefix_list_entries: BTreeMap<String, Fact<Vec<PrefixListEntry>>>,
}

pub(super) async fn look<A: Aws>(
    aws: &A,
    budget: &Budget,
    region: &str,
    attempt: &Attempt,
    endpoints: impl Future<Output = Fact<Vec<InstanceConnectEndpoint>>>,
    instance: impl Future<Output = Seen>,
) -> Network {
    let (lists, around, public_access) = tokio::join!(
        prefix_lists::ahead(aws, budget, region),
        async {
            let (seen, endpoints) = tokio::join!(instance, endpoints);
            around(aws, budget, attempt, &seen, endpoints).await
        },
        public_access(aws, budget)
    );
    let (block_public_access, block_public_access_exclusions) = public_access;
    let Around { vpcs, subnets, security_groups, network_acls, route_tables, internet_gateways, .. } = around;
    let mut named = named::lists_of_rules(&security_groups);
    named.extend(named::lists_of_routes(&route_tables));
    let (managed_prefix_lists, prefix_list_entries) = lists.cut_to(named, aws, budget).await;
    let internet_gateways = internet_gateways.map(|all| named::gateways(all, &vpcs, &route_tables));
    Network {
        subnets,
        security_groups,
        network_acls,
        route_tables,
        internet_gateways,
        instance_connect_endpoints: around.endpoints,
        endpoint_interfaces: around.endpoint_interfaces,
        block_public_access,
        block_public_access_exclusions,
        managed_prefix_lists,
        prefix_list_entries,
    }
}

pub(super) async fn public_access<A: Aws>(
    aws: &A,
    budget: &Budget,
) -> (Fact<BlockPublicAccessOptions>, Fact<Vec<BlockPublicAccessExclusion>>) {
    let action = <A as DescribeVpcBlockPublicAccessOptions>::ACTION;
    let options = fact(budget.ask(action, aws.describe_vpc_block_public_access_options()).await);
    let is_off = |options: &BlockPublicAccessOptions| options.internet_gateway_block_mode.as_deref() == Some("off");
    if options.known().is_none_or(is_off) {
        return (options, Fact::NotGathered);
    }
    let action = <A as DescribeVpcBlockPublicAccessExclusions>::ACTION;
    let exclusions = fact(budget.ask(action, aws.describe_vpc_block_public_access_exclusions()).await);
    (options, exclusions)
}

struct Around {
    /// Ids of the VPCs that the instance has an interface in.
    vpcs: Vec<String>,
    subnets: Fact<Vec<Subnet>>,
    security_groups: Fact<Vec<SecurityGroup>>,
    network_acls: Fact<Vec<NetworkAcl>>,
    route_tables: Fact<Vec<RouteTable>>,
    internet_gateways: Fact<Vec<InternetGateway>>,
    endpoints: Fact<Vec<InstanceConnectEndpoint>>,
    endpoint_interfaces: Fact<Vec<NetworkInterface>>,
}

/// Those of the Region, for an attempt that may go through one.
pub(super) async fn endpoints<A: Aws>(
    aws: &A,
    budget: &Budget,
    attempt: &Attempt,
) -> Fact<Vec<InstanceConnectEndpoint>> {
    match attempt.via {
        Via::Auto | Via::Endpoint => {
            let action = <A as DescribeInstanceConnectEndpoints>::ACTION;
            fact(budget.ask(action, aws.describe_instance_connect_endpoints()).await)
        }
        Via::Browser | Via::Public | Via::Private => Fact::NotGathered,
    }
}

/// The names under which AWS publishes the Region's EC2 Instance Connect ranges.
///
/// Source: Amazon VPC User Guide, AWS-managed prefix lists.
pub(super) fn service_list_names(region: &str) -> [String; 2] {
    [
        format!("com.amazonaws.{region}.ec2-instance-connect"),
        format!("com.amazonaws.{region}.ipv6.ec2-instance-connect"),
    ]
}

async fn around<A: Aws>(
    aws: &A,
    budget: &Budget,
    attempt: &Attempt,
    seen: &Seen,
    endpoints: Fact<Vec<InstanceConnectEndpoint>>,
) -> Around {
    let Some(instance) = seen.instance.known() else {
        return Around {
            vpcs: Vec::new(),
            subnets: seen.not_asked(),
            security_groups: seen.not_asked(),
            network_acls: seen.not_asked(),
            route_tables: seen.not_asked(),
            internet_gateways: seen.not_asked(),
            endpoints,
            endpoint_interfaces: seen.not_asked(),
        };
    };
    let resolved = path::resolve(attempt, &seen.instance);
    let endpoint = match (resolved.via, path::address::dialled(instance, &resolved)) {
        (Via::Endpoint, Ok(dialled)) => path::endpoint::choose(
            endpoints.known().map(Vec::as_slice).unwrap_or_default(),
            dialled.interface,
            resolved.endpoint.as_deref(),
        ),
        _ => None,
    };
    let ids = Ids::of(instance, endpoint);
    let subnets =
        unless_none(&ids.subnets, budget.ask(<A as DescribeSubnets>::ACTION, aws.describe_subnets(&ids.subnets)));
    let groups = unless_none(
        &ids.groups,
        budget.ask(<A as DescribeSecurityGroups>::ACTION, aws.describe_security_groups(&ids.groups)),
    );
    let acls =
        unless_none(&ids.vpcs, budget.ask(<A as DescribeNetworkAcls>::ACTION, aws.describe_network_acls(&ids.vpcs)));
    let tables =
        unless_none(&ids.vpcs, budget.ask(<A as DescribeRouteTables>::ACTION, aws.describe_route_tables(&ids.vpcs)));
    let gateways =
        unless_none(&ids.vpcs, budget.ask(<A as DescribeInternetGateways>::ACTION, aws.describe_internet_gateways()));
    let interface_ids = endpoint.map(|endpoint| endpoint.network_interface_ids.clone()).unwrap_or_default();
    let interfaces = async {
        match endpoint {
            Some(_) => {
                let action = <A as DescribeNetworkInterfaces>::ACTION;
                unless_none(&interface_ids, budget.ask(action, aws.describe_network_interfaces(&interface_ids))).await
            }
            None => Fact::NotGathered,
        }
    };
    let (subnets, security_groups, network_acls, route_tables, internet_gateways, endpoint_interfaces) =
        tokio::join!(subnets, groups, acls, tables, gateways, interfaces);
    Around {
        vpcs: ids.vpcs,
        subnets,
        security_groups,
        network_acls,
        route_tables,
        internet_gateways,
        endpoints,
        endpoint_interfaces,
    }
}

/// Asks only when there is something to ask about: an empty list of ids would mean "all" to EC2. A stopped or terminated instance
/// may have no network interface left.
async fn unless_none<T>(ids: &[String], ask: impl Future<Output = super::Answer<Vec<T>>>) -> Fact<Vec<T>> {
    if ids.is_empty() { Fact::Known(Vec::new()) } else { fact(ask.await) }
}

struct Ids {
    subnets: Vec<String>,
    groups: Vec<String>,
    vpcs: Vec<String>,
}

impl Ids {
    fn of(instance: &Instance, endpoint: Option<&InstanceConnectEndpoint>) -> Self {
        let interfaces = &instance.network_interfaces;
        let groups = interfaces.iter().flat_map(|interface| &interface.groups).chain(&instance.security_groups);
        let subnets = interfaces.iter().map(|interface| &interface.subnet_id).chain([&instance.subnet_id]);
        let endpoint_groups: Vec<Option<String>> =
            endpoint.iter().flat_map(|endpoint| &endpoint.security_group_ids).cloned().map(Some).collect();
        Self {
            subnets: distinct(subnets.chain(endpoint.map(|endpoint| &endpoint.subnet_id))),
            groups: distinct(groups.map(|group| &group.group_id).chain(&endpoint_groups)),
            vpcs: distinct(
                interfaces
                    .iter()
                    .map(|interface| &interface.vpc_id)
                    .chain([&instance.vpc_id])
                    .chain(endpoint.map(|endpoint| &endpoint.vpc_id)),
            ),
        }
    }
}

fn distinct<'a>(ids: impl Iterator<Item = &'a Option<String>>) -> Vec<String> {
    let ids: BTreeSet<&String> = ids.flatten().filter(|id| !id.is_empty()).collect();
    ids.into_iter().cloned().collect()
}
