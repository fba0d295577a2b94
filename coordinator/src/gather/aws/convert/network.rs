//! Security groups, network ACLs, route tables, gateways, prefix lists, subnets.

use aws_sdk_ec2::types as sdk;

use super::instance::tag;
use super::{each, word};
use crate::facts::{
    AssociationState, BlockPublicAccessExclusion, BlockPublicAccessOptions, InternetGateway, InternetGatewayAttachment,
    IpPermission, IpRange, Ipv6CidrBlockAssociation, Ipv6Range, ManagedPrefixList, NetworkAcl, NetworkAclAssociation,
    NetworkAclEntry, PortRange, PrefixListEntry, PrefixListId, Route, RouteTable, RouteTableAssociation, SecurityGroup,
    Subnet, UserIdGroupPair,
};

pub fn security_group(from: sdk::SecurityGroup) -> SecurityGroup {
    SecurityGroup {
        group_id: from.group_id,
        group_name: from.group_name,
        vpc_id: from.vpc_id,
        owner_id: from.owner_id,
        ip_permissions: each(from.ip_permissions, ip_permission),
        ip_permissions_egress: each(from.ip_permissions_egress, ip_permission),
    }
}

fn ip_permission(from: sdk::IpPermission) -> IpPermission {
    IpPermission {
        ip_protocol: from.ip_protocol,
        from_port: from.from_port,
        to_port: from.to_port,
        ip_ranges: each(from.ip_ranges, |range| IpRange { cidr_ip: range.cidr_ip, description: range.description }),
        ipv6_ranges: each(from.ipv6_ranges, |range| Ipv6Range {
            cidr_ipv6: range.cidr_ipv6,
            description: range.description,
        }),
        prefix_list_ids: each(from.prefix_list_ids, |list| PrefixListId {
            prefix_list_id: list.prefix_list_id,
            description: list.description,
        }),
        user_id_group_pairs: each(from.user_id_group_pairs, |pair| UserIdGroupPair {
            group_id: pair.group_id,
            user_id: pair.user_id,
            vpc_id: pair.vpc_id,
            peering_status: pair.peering_status,
        }),
    }
}

pub fn network_acl(from: sdk::NetworkAcl) -> NetworkAcl {
    NetworkAcl {
        network_acl_id: from.network_acl_id,
        vpc_id: from.vpc_id,
        is_default: from.is_default,
        associations: each(from.associations, |association| NetworkAclAssociation {
            network_acl_association_id: association.network_acl_association_id,
            network_acl_id: association.network_acl_id,
            subnet_id: association.subnet_id,
        }),
        entries: each(from.entries, |entry| NetworkAclEntry {
            rule_number: entry.rule_number,
            protocol: entry.protocol,
            rule_action: word(entry.rule_action),
            egress: entry.egress,
            cidr_block: entry.cidr_block,
            ipv6_cidr_block: entry.ipv6_cidr_block,
            port_range: entry.port_range.map(|range| PortRange { from: range.from, to: range.to }),
        }),
    }
}

pub fn route_table(from: sdk::RouteTable) -> RouteTable {
    RouteTable {
        route_table_id: from.route_table_id,
        vpc_id: from.vpc_id,
        associations: each(from.associations, |association| RouteTableAssociation {
            main: association.main,
            route_table_association_id: association.route_table_association_id,
            subnet_id: association.subnet_id,
            gateway_id: association.gateway_id,
            association_state: association.association_state.map(|state| AssociationState { state: word(state.state) }),
        }),
        routes: each(from.routes, route),
    }
}

fn route(from: sdk::Route) -> Route {
    Route {
        destination_cidr_block: from.destination_cidr_block,
        destination_ipv6_cidr_block: from.destination_ipv6_cidr_block,
        destination_prefix_list_id: from.destination_prefix_list_id,
        gateway_id: from.gateway_id,
        egress_only_internet_gateway_id: from.egress_only_internet_gateway_id,
        nat_gateway_id: from.nat_gateway_id,
        transit_gateway_id: from.transit_gateway_id,
        vpc_peering_connection_id: from.vpc_peering_connection_id,
        local_gateway_id: from.local_gateway_id,
        carrier_gateway_id: from.carrier_gateway_id,
        network_interface_id: from.network_interface_id,
        instance_id: from.instance_id,
        core_network_arn: from.core_network_arn,
        state: word(from.state),
        origin: word(from.origin),
    }
}

pub fn internet_gateway(from: sdk::InternetGateway) -> InternetGateway {
    InternetGateway {
        internet_gateway_id: from.internet_gateway_id,
        attachments: each(from.attachments, |attachment| InternetGatewayAttachment {
            state: word(attachment.state),
            vpc_id: attachment.vpc_id,
        }),
    }
}

pub fn managed_prefix_list(from: sdk::ManagedPrefixList) -> ManagedPrefixList {
    ManagedPrefixList {
        prefix_list_id: from.prefix_list_id,
        prefix_list_name: from.prefix_list_name,
        address_family: from.address_family,
        owner_id: from.owner_id,
        state: word(from.state),
    }
}

pub fn prefix_list_entry(from: sdk::PrefixListEntry) -> PrefixListEntry {
    PrefixListEntry { cidr: from.cidr, description: from.description }
}

pub fn subnet(from: sdk::Subnet) -> Subnet {
    Subnet {
        subnet_id: from.subnet_id,
        vpc_id: from.vpc_id,
        availability_zone: from.availability_zone,
        cidr_block: from.cidr_block,
        ipv6_native: from.ipv6_native,
        owner_id: from.owner_id,
        ipv6_cidr_block_association_set: each(from.ipv6_cidr_block_association_set, |association| {
            Ipv6CidrBlockAssociation { ipv6_cidr_block: association.ipv6_cidr_block }
        }),
        tags: each(from.tags, tag),
    }
}

pub fn block_public_access_options(from: sdk::VpcBlockPublicAccessOptions) -> BlockPublicAccessOptions {
    BlockPublicAccessOptions {
        aws_account_id: from.aws_account_id,
        aws_region: from.aws_region,
        state: word(from.state),
        internet_gateway_block_mode: word(from.internet_gateway_block_mode),
        managed_by: word(from.managed_by),
        exclusions_allowed: word(from.exclusions_allowed),
    }
}

pub fn block_public_access_exclusion(from: sdk::VpcBlockPublicAccessExclusion) -> BlockPublicAccessExclusion {
    BlockPublicAccessExclusion {
        exclusion_id: from.exclusion_id,
        internet_gateway_exclusion_mode: word(from.internet_gateway_exclusion_mode),
        resource_arn: from.resource_arn,
        state: word(from.state),
    }
}
