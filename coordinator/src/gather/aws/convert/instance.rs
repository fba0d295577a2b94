//! `DescribeInstances`, `DescribeInstanceStatus`, `DescribeImages`.

use aws_sdk_ec2::types as sdk;
use aws_smithy_types::DateTime;

use super::{each, time, word};
use crate::facts::{
    IamInstanceProfile, Image, Instance, InstanceState, InstanceStatus, InstanceStatusEvent, Ipv6Address,
    MetadataOptions, NetworkInterface, NetworkInterfaceAssociation, NetworkInterfaceAttachment, Operator, Placement,
    PrivateIpAddress, Reservation, SecurityGroupIdentifier, StatusDetail, StatusSummary, Tag,
};

pub fn reservation(from: sdk::Reservation) -> Reservation {
    Reservation { owner_id: from.owner_id, instances: each(from.instances, instance) }
}

fn instance(from: sdk::Instance) -> Instance {
    Instance {
        instance_id: from.instance_id,
        image_id: from.image_id,
        instance_type: word(from.instance_type),
        state: from.state.map(instance_state),
        state_transition_reason: from.state_transition_reason,
        platform: word(from.platform),
        platform_details: from.platform_details,
        placement: from.placement.map(|placement| Placement {
            availability_zone: placement.availability_zone,
            tenancy: word(placement.tenancy),
        }),
        private_ip_address: from.private_ip_address,
        public_ip_address: from.public_ip_address,
        ipv6_address: from.ipv6_address,
        vpc_id: from.vpc_id,
        subnet_id: from.subnet_id,
        launch_time: time(from.launch_time),
        network_interfaces: each(from.network_interfaces, network_interface),
        security_groups: each(from.security_groups, group_identifier),
        metadata_options: from.metadata_options.map(metadata_options),
        iam_instance_profile: from
            .iam_instance_profile
            .map(|profile| IamInstanceProfile { arn: profile.arn, id: profile.id }),
        tags: each(from.tags, tag),
        operator: from.operator.map(|operator| Operator { managed: operator.managed, principal: operator.principal }),
    }
}

fn instance_state(from: sdk::InstanceState) -> InstanceState {
    InstanceState { code: from.code, name: word(from.name) }
}

fn metadata_options(from: sdk::InstanceMetadataOptionsResponse) -> MetadataOptions {
    MetadataOptions {
        state: word(from.state),
        http_tokens: word(from.http_tokens),
        http_put_response_hop_limit: from.http_put_response_hop_limit,
        http_endpoint: word(from.http_endpoint),
        http_protocol_ipv6: word(from.http_protocol_ipv6),
        instance_metadata_tags: word(from.instance_metadata_tags),
    }
}

fn network_interface(from: sdk::InstanceNetworkInterface) -> NetworkInterface {
    NetworkInterface {
        network_interface_id: from.network_interface_id,
        subnet_id: from.subnet_id,
        vpc_id: from.vpc_id,
        private_ip_address: from.private_ip_address,
        status: word(from.status),
        association: from.association.map(association),
        attachment: from.attachment.map(|attachment| NetworkInterfaceAttachment {
            device_index: attachment.device_index,
            status: word(attachment.status),
        }),
        groups: each(from.groups, group_identifier),
        ipv6_addresses: each(from.ipv6_addresses, |address| Ipv6Address {
            ipv6_address: address.ipv6_address,
            is_primary_ipv6: address.is_primary_ipv6,
        }),
        private_ip_addresses: each(from.private_ip_addresses, |address| PrivateIpAddress {
            primary: address.primary,
            private_ip_address: address.private_ip_address,
            association: address.association.map(association),
        }),
    }
}

fn association(from: sdk::InstanceNetworkInterfaceAssociation) -> NetworkInterfaceAssociation {
    NetworkInterfaceAssociation { public_ip: from.public_ip, ip_owner_id: from.ip_owner_id }
}

fn group_identifier(from: sdk::GroupIdentifier) -> SecurityGroupIdentifier {
    SecurityGroupIdentifier { group_id: from.group_id, group_name: from.group_name }
}

pub(super) fn tag(from: sdk::Tag) -> Tag {
    Tag { key: from.key, value: from.value }
}

pub fn instance_status(from: sdk::InstanceStatus) -> InstanceStatus {
    InstanceStatus {
        instance_id: from.instance_id,
        instance_state: from.instance_state.map(instance_state),
        instance_status: from.instance_status.map(status_summary),
        system_status: from.system_status.map(status_summary),
        attached_ebs_status: from.attached_ebs_status.map(ebs_status_summary),
        events: each(from.events, instance_status_event),
    }
}

fn instance_status_event(from: sdk::InstanceStatusEvent) -> InstanceStatusEvent {
    InstanceStatusEvent {
        instance_event_id: from.instance_event_id,
        code: word(from.code),
        description: from.description,
        not_after: time(from.not_after),
        not_before: time(from.not_before),
    }
}

fn ebs_status_summary(from: sdk::EbsStatusSummary) -> StatusSummary {
    StatusSummary {
        status: word(from.status),
        details: each(from.details, |detail| status_detail(detail.name, detail.status, detail.impaired_since)),
    }
}

fn status_summary(from: sdk::InstanceStatusSummary) -> StatusSummary {
    StatusSummary {
        status: word(from.status),
        details: each(from.details, |detail| status_detail(detail.name, detail.status, detail.impaired_since)),
    }
}

/// The SDK has a type of its own for each kind of status check.
fn status_detail(
    name: Option<impl AsRef<str>>,
    status: Option<impl AsRef<str>>,
    impaired_since: Option<DateTime>,
) -> StatusDetail {
    StatusDetail { name: word(name), status: word(status), impaired_since: time(impaired_since) }
}

pub fn image(from: sdk::Image) -> Image {
    Image {
        image_id: from.image_id,
        name: from.name,
        description: from.description,
        owner_id: from.owner_id,
        image_owner_alias: from.image_owner_alias,
        platform_details: from.platform_details,
    }
}
