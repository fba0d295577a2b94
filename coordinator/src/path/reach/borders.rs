//! Where addresses may begin to fare otherwise: the first address of every CIDR that an element reads, and the first one behind it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use eic_doctor_proto::Attempt;
use ipnet::IpNet;

use super::Names;
use crate::facts::{AwsFacts, NetworkInterface, SecurityGroup};
use crate::path::cidr::range;
use crate::path::{network_acl, prefix_list, route_table, way};

/// The first address of each piece, ascending; the first piece begins at 0. The attempt comes from an address of the family.
pub fn of(facts: &AwsFacts, attempt: &Attempt, names: Names, is_ipv6: bool) -> Vec<u128> {
    let mut starts = vec![0];
    if let Ok(way) = way(facts, attempt) {
        let mut nets = named(facts, way.interface, names);
        nets.retain(|net| matches!(net, IpNet::V6(_)) == is_ipv6);
        let last = if is_ipv6 { u128::MAX } else { u128::from(u32::MAX) };
        for (first, end) in nets.iter().map(range) {
            starts.push(first);
            starts.extend(Some(end).filter(|end| *end < last).map(|end| end + 1));
        }
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// The address of this number alone.
pub fn address(number: u128, is_ipv6: bool) -> IpNet {
    // An IPv4 number has 32 bits; see `of`.
    let v4 = || Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX));
    IpNet::from(if is_ipv6 { IpAddr::V6(Ipv6Addr::from(number)) } else { IpAddr::V4(v4()) })
}

fn named(facts: &AwsFacts, interface: &NetworkInterface, names: Names) -> Vec<IpNet> {
    let mut nets = Vec::new();
    match names {
        Names::Nothing => {}
        Names::SecurityGroups => {
            let is_its = |group: &&SecurityGroup| interface.groups.iter().any(|own| own.group_id == group.group_id);
            for group in facts.security_groups.known().into_iter().flatten().filter(is_its) {
                for rule in &group.ip_permissions {
                    let v4 = rule.ip_ranges.iter().filter_map(|range| range.cidr_ip.as_deref());
                    let v6 = rule.ipv6_ranges.iter().filter_map(|range| range.cidr_ipv6.as_deref());
                    nets.extend(v4.chain(v6).filter_map(|cidr| cidr.parse::<IpNet>().ok()));
                    let lists = rule.prefix_list_ids.iter().filter_map(|list| list.prefix_list_id.as_deref());
                    lists.for_each(|list| nets.extend(prefix_list::resolve(facts, list).unwrap_or_default()));
                }
            }
        }
        Names::NetworkAcl => {
            let subnet = interface.subnet_id.as_deref();
            if let Some(acl) = subnet.and_then(|subnet| network_acl::acl_of(facts, subnet).ok()) {
                let cidrs = acl.entries.iter().filter_map(|e| e.cidr_block.as_deref().or(e.ipv6_cidr_block.as_deref()));
                nets.extend(cidrs.filter_map(|cidr| cidr.parse::<IpNet>().ok()));
            }
            // What stays within the subnet meets no ACL.
            for subnet in facts.subnets.known().into_iter().flatten().filter(|s| s.subnet_id == interface.subnet_id) {
                let v6 = subnet.ipv6_cidr_block_association_set.iter().filter_map(|a| a.ipv6_cidr_block.as_deref());
                nets.extend(
                    subnet.cidr_block.as_deref().into_iter().chain(v6).filter_map(|cidr| cidr.parse::<IpNet>().ok()),
                );
            }
        }
        Names::Routes => {
            for route in route_table::table_of(facts, interface).into_iter().flat_map(|table| &table.routes) {
                let cidr = route.destination_cidr_block.as_deref().or(route.destination_ipv6_cidr_block.as_deref());
                nets.extend(cidr.and_then(|cidr| cidr.parse::<IpNet>().ok()));
                if let Some(list) = route.destination_prefix_list_id.as_deref() {
                    nets.extend(prefix_list::resolve(facts, list).unwrap_or_default());
                }
            }
        }
    }
    nets
}
