//! What instances share: one copy of every group, list, table and subnet, by VPC. Pure.
//!
//! Facts about one instance and its attempt are [`Facts`] as everywhere else. Here there is one of them for each VPC, and the instance
//! that is judged next is put into it, so that nothing is copied for an instance but what is its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use eic_doctor_proto::Fact;

use crate::facts::{
    AskedWith, AvailabilityZone, AwsFacts, BlockPublicAccessExclusion, BlockPublicAccessOptions, CallerIdentity, Facts,
    Instance, InstanceConnectEndpoint, InternetGateway, IpRanges, ManagedPrefixList, NetworkAcl, NetworkInterface,
    PrefixListEntry, Region, RouteTable, SecurityGroup, Subnet,
};
use crate::gather::named;
use crate::gather::network::service_list_names;

/// Everything of one account and Region that is not one instance's.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub region: Fact<String>,
    pub regions: Fact<Vec<Region>>,
    pub availability_zones: Fact<Vec<AvailabilityZone>>,
    pub subnets: Fact<Vec<Subnet>>,
    pub security_groups: Fact<Vec<SecurityGroup>>,
    pub network_acls: Fact<Vec<NetworkAcl>>,
    pub route_tables: Fact<Vec<RouteTable>>,
    pub internet_gateways: Fact<Vec<InternetGateway>>,
    pub block_public_access: Fact<BlockPublicAccessOptions>,
    pub block_public_access_exclusions: Fact<Vec<BlockPublicAccessExclusion>>,
    pub instance_connect_endpoints: Fact<Vec<InstanceConnectEndpoint>>,
    /// Of all endpoints.
    pub endpoint_interfaces: Fact<Vec<NetworkInterface>>,
    pub managed_prefix_lists: Fact<Vec<ManagedPrefixList>>,
    pub prefix_list_entries: BTreeMap<String, Fact<Vec<PrefixListEntry>>>,
    pub ip_ranges: Fact<IpRanges>,
    pub caller: Fact<CallerIdentity>,
    pub asked_with: AskedWith,
}

/// The surroundings, by VPC.
#[derive(Debug)]
pub struct Neighbourhoods {
    /// What belongs to no VPC, and all lists empty or unreadable: where a VPC's own begin.
    bare: Facts,
    by_vpc: HashMap<String, Facts>,
    /// Of instances with interfaces in several VPCs.
    by_vpcs: HashMap<Vec<String>, Facts>,
}

impl Neighbourhoods {
    pub fn of(all: Surroundings) -> Self {
        let mut split = Self { bare: bare(&all), by_vpc: HashMap::new(), by_vpcs: HashMap::new() };
        split.put(all.subnets, |subnet| subnet.vpc_id.clone(), |facts| &mut facts.subnets);
        split.put(all.security_groups, |group| group.vpc_id.clone(), |facts| &mut facts.security_groups);
        split.put(all.network_acls, |acl| acl.vpc_id.clone(), |facts| &mut facts.network_acls);
        split.put(all.route_tables, |table| table.vpc_id.clone(), |facts| &mut facts.route_tables);
        split.put(
            all.instance_connect_endpoints,
            |endpoint| endpoint.vpc_id.clone(),
            |facts| &mut facts.instance_connect_endpoints,
        );
        split.put(
            all.endpoint_interfaces,
            |interface| interface.vpc_id.clone(),
            |facts| &mut facts.endpoint_interfaces,
        );
        for (vpc, facts) in &mut split.by_vpc {
            facts.aws.internet_gateways = all
                .internet_gateways
                .clone()
                .map(|all| named::gateways(all, std::slice::from_ref(vpc), &facts.aws.route_tables));
            let named = named_lists(&facts.aws);
            let is_here = |id: &String| named.contains(id) || split.bare.aws.prefix_list_entries.contains_key(id);
            facts.aws.prefix_list_entries = all
                .prefix_list_entries
                .iter()
                .filter(|(id, _)| is_here(id))
                .map(|(id, entries)| (id.clone(), entries.clone()))
                .collect();
        }
        split
    }

    /// Moves each element to its VPC. What names no VPC is not told to anybody: nothing says whose it is.
    fn put<T>(
        &mut self,
        list: Fact<Vec<T>>,
        vpc: impl Fn(&T) -> Option<String>,
        place: impl Fn(&mut AwsFacts) -> &mut Fact<Vec<T>>,
    ) {
        let Fact::Known(list) = list else { return };
        for element in list {
            let Some(vpc) = vpc(&element) else { continue };
            let bare = &self.bare;
            let facts = self.by_vpc.entry(vpc).or_insert_with(|| bare.clone());
            if let Fact::Known(elements) = place(&mut facts.aws) {
                elements.push(element);
            }
        }
    }

    /// The facts in which this instance is judged. What is the instance's own in them is another one's until it is put in.
    pub fn of_instance(&mut self, instance: &Instance) -> &mut Facts {
        let interfaces = instance.network_interfaces.iter().map(|interface| &interface.vpc_id);
        let vpcs: BTreeSet<&String> = interfaces.chain([&instance.vpc_id]).flatten().collect();
        let vpcs: Vec<String> = vpcs.into_iter().cloned().collect();
        match vpcs.as_slice() {
            [] => &mut self.bare,
            [vpc] => {
                let bare = &self.bare;
                self.by_vpc.entry(vpc.clone()).or_insert_with(|| bare.clone())
            }
            _ => {
                let (bare, by_vpc) = (&self.bare, &self.by_vpc);
                self.by_vpcs.entry(vpcs).or_insert_with_key(|vpcs| {
                    vpcs.iter().filter_map(|vpc| by_vpc.get(vpc)).fold(bare.clone(), together)
                })
            }
        }
    }
}

/// Every list that is known is empty.
fn bare(all: &Surroundings) -> Facts {
    fn emptied<T>(list: &Fact<Vec<T>>) -> Fact<Vec<T>> {
        list.as_ref().map(|_| Vec::new())
    }
    // EC2 Instance Connect's own lists say where the browser client comes from; no rule needs to name them.
    let names = service_list_names(all.region.known().map(String::as_str).unwrap_or_default());
    let lists = all.managed_prefix_lists.known().into_iter().flatten();
    let lists = lists.filter(|list| list.prefix_list_name.as_ref().is_some_and(|name| names.contains(name)));
    let service: BTreeSet<&String> = lists.filter_map(|list| list.prefix_list_id.as_ref()).collect();
    let service = all.prefix_list_entries.iter().filter(|(id, _)| service.contains(id));
    let aws = AwsFacts {
        region: all.region.clone(),
        regions: all.regions.clone(),
        availability_zones: all.availability_zones.clone(),
        subnets: emptied(&all.subnets),
        security_groups: emptied(&all.security_groups),
        network_acls: emptied(&all.network_acls),
        route_tables: emptied(&all.route_tables),
        internet_gateways: emptied(&all.internet_gateways),
        block_public_access: all.block_public_access.clone(),
        block_public_access_exclusions: all.block_public_access_exclusions.clone(),
        instance_connect_endpoints: emptied(&all.instance_connect_endpoints),
        endpoint_interfaces: emptied(&all.endpoint_interfaces),
        managed_prefix_lists: all.managed_prefix_lists.clone(),
        prefix_list_entries: service.map(|(id, entries)| (id.clone(), entries.clone())).collect(),
        ip_ranges: all.ip_ranges.clone(),
        caller: all.caller.clone(),
        asked_with: all.asked_with.clone(),
        ..AwsFacts::default()
    };
    Facts { aws, os: Fact::NotGathered }
}

/// The facts of one more VPC beside those that are there.
fn together(mut facts: Facts, more: &Facts) -> Facts {
    fn add<T: Clone>(to: &mut Fact<Vec<T>>, more: &Fact<Vec<T>>) {
        if let (Fact::Known(to), Fact::Known(more)) = (to, more) {
            to.extend(more.iter().cloned());
        }
    }
    let (to, more) = (&mut facts.aws, &more.aws);
    add(&mut to.subnets, &more.subnets);
    add(&mut to.security_groups, &more.security_groups);
    add(&mut to.network_acls, &more.network_acls);
    add(&mut to.route_tables, &more.route_tables);
    add(&mut to.internet_gateways, &more.internet_gateways);
    add(&mut to.instance_connect_endpoints, &more.instance_connect_endpoints);
    add(&mut to.endpoint_interfaces, &more.endpoint_interfaces);
    to.prefix_list_entries.extend(more.prefix_list_entries.iter().map(|(id, entries)| (id.clone(), entries.clone())));
    facts
}

/// The prefix lists that rules and routes name.
fn named_lists(facts: &AwsFacts) -> BTreeSet<String> {
    let mut named = named::lists_of_rules(&facts.security_groups);
    named.extend(named::lists_of_routes(&facts.route_tables));
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn surroundings() -> Surroundings {
        let of = |value| Fact::Known(serde_json::from_value(value).unwrap());
        Surroundings {
            region: Fact::Known("eu-west-1".into()),
            subnets: Fact::Known(
                serde_json::from_value(
                    json!([{ "SubnetId": "s1", "VpcId": "v1" }, { "SubnetId": "s2", "VpcId": "v2" }]),
                )
                .unwrap(),
            ),
            security_groups: of(json!([
                { "GroupId": "g1", "VpcId": "v1", "IpPermissions": [{ "PrefixListIds": [{ "PrefixListId": "pl-own" }] }] },
                { "GroupId": "g2", "VpcId": "v2" },
            ])),
            internet_gateways: Fact::Known(
                serde_json::from_value(json!([{ "InternetGatewayId": "igw-1", "Attachments": [{ "VpcId": "v1" }] }]))
                    .unwrap(),
            ),
            prefix_list_entries: [("pl-own".to_owned(), Fact::Known(Vec::new()))].into(),
            network_acls: Fact::unreadable("throttled"),
            ..Surroundings::default()
        }
    }

    fn seen(split: &mut Neighbourhoods, vpcs: &[&str]) -> (usize, Vec<String>, usize, usize) {
        let interfaces: Vec<_> = vpcs.iter().map(|vpc| json!({ "VpcId": vpc })).collect();
        let instance =
            serde_json::from_value(json!({ "VpcId": vpcs.first(), "NetworkInterfaces": interfaces })).unwrap();
        let facts = &split.of_instance(&instance).aws;
        assert!(matches!(facts.network_acls, Fact::Unreadable(_)));
        let groups = facts.security_groups.known().unwrap().iter().flat_map(|group| group.group_id.clone()).collect();
        let (subnets, gateways) =
            (facts.subnets.known().unwrap().len(), facts.internet_gateways.known().unwrap().len());
        (subnets, groups, gateways, facts.prefix_list_entries.len())
    }

    #[test]
    fn an_instance_sees_what_belongs_to_its_vpcs_and_nothing_else() {
        let mut split = Neighbourhoods::of(surroundings());
        assert_eq!(seen(&mut split, &["v1"]), (1, vec!["g1".into()], 1, 1));
        assert_eq!(seen(&mut split, &["v2"]), (1, vec!["g2".into()], 0, 0));
        assert_eq!(seen(&mut split, &["v1", "v2"]), (2, vec!["g1".into(), "g2".into()], 1, 1));
        assert_eq!(seen(&mut split, &["v3"]), (0, vec![], 0, 0));
    }
}
