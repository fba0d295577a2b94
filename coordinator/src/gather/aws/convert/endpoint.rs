//! EC2 Instance Connect Endpoints and their network interfaces.

use aws_sdk_ec2::types as sdk;

use super::instance::tag;
use super::{each, word};
use crate::facts::{InstanceConnectEndpoint, Ipv6Address, NetworkInterface, PrivateIpAddress, SecurityGroupIdentifier};

pub fn instance_connect_endpoint(from: sdk::Ec2InstanceConnectEndpoint) -> InstanceConnectEndpoint {
    InstanceConnectEndpoint {
        instance_connect_endpoint_id: from.instance_connect_endpoint_id,
        instance_connect_endpoint_arn: from.instance_connect_endpoint_arn,
        owner_id: from.owner_id,
        state: word(from.state),
        state_message: from.state_message,
        dns_name: from.dns_name,
        network_interface_ids: from.network_interface_ids.unwrap_or_default(),
        vpc_id: from.vpc_id,
        availability_zone: from.availability_zone,
        subnet_id: from.subnet_id,
        preserve_client_ip: from.preserve_client_ip,
        security_group_ids: from.security_group_ids.unwrap_or_default(),
        ip_address_type: word(from.ip_address_type),
        tags: each(from.tags, tag),
    }
}

/// What matters of an interface that belongs to no instance.
pub fn network_interface(from: sdk::NetworkInterface) -> NetworkInterface {
    NetworkInterface {
        network_interface_id: from.network_interface_id,
        subnet_id: from.subnet_id,
        vpc_id: from.vpc_id,
        private_ip_address: from.private_ip_address,
        status: word(from.status),
        groups: each(from.groups, |group| SecurityGroupIdentifier {
            group_id: group.group_id,
            group_name: group.group_name,
        }),
        ipv6_addresses: each(from.ipv6_addresses, |address| Ipv6Address {
            ipv6_address: address.ipv6_address,
            is_primary_ipv6: address.is_primary_ipv6,
        }),
        private_ip_addresses: each(from.private_ip_addresses, |address| PrivateIpAddress {
            primary: address.primary,
            private_ip_address: address.private_ip_address,
            association: None,
        }),
        ..NetworkInterface::default()
    }
}
