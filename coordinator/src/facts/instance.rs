//! `DescribeInstances`, `DescribeInstanceStatus`, `DescribeImages`.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Instance {
    pub instance_id: Option<String>,
    pub image_id: Option<String>,
    pub instance_type: Option<String>,
    pub state: Option<InstanceState>,
    pub state_transition_reason: Option<String>,
    /// `windows`, or absent.
    pub platform: Option<String>,
    /// `Linux/UNIX`, `Red Hat Enterprise Linux`, `Windows`, …
    pub platform_details: Option<String>,
    pub placement: Option<Placement>,
    pub private_ip_address: Option<String>,
    pub public_ip_address: Option<String>,
    pub ipv6_address: Option<String>,
    pub vpc_id: Option<String>,
    pub subnet_id: Option<String>,
    pub launch_time: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_interfaces: Vec<NetworkInterface>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<SecurityGroupIdentifier>,
    pub metadata_options: Option<MetadataOptions>,
    pub iam_instance_profile: Option<IamInstanceProfile>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    pub operator: Option<Operator>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct InstanceState {
    pub code: Option<i32>,
    /// `pending`, `running`, `shutting-down`, `terminated`, `stopping`, `stopped`.
    pub name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Placement {
    pub availability_zone: Option<String>,
    pub tenancy: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IamInstanceProfile {
    pub arn: Option<String>,
    pub id: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Operator {
    pub managed: Option<bool>,
    pub principal: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Tag {
    pub key: Option<String>,
    pub value: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MetadataOptions {
    /// `pending` or `applied`.
    pub state: Option<String>,
    /// `optional` or `required`.
    pub http_tokens: Option<String>,
    /// 1–64.
    pub http_put_response_hop_limit: Option<i32>,
    /// `enabled` or `disabled`.
    pub http_endpoint: Option<String>,
    pub http_protocol_ipv6: Option<String>,
    pub instance_metadata_tags: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SecurityGroupIdentifier {
    pub group_id: Option<String>,
    pub group_name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkInterface {
    pub network_interface_id: Option<String>,
    pub subnet_id: Option<String>,
    pub vpc_id: Option<String>,
    pub private_ip_address: Option<String>,
    /// `in-use`, `attaching`, …
    pub status: Option<String>,
    pub association: Option<NetworkInterfaceAssociation>,
    pub attachment: Option<NetworkInterfaceAttachment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<SecurityGroupIdentifier>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ipv6_addresses: Vec<Ipv6Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub private_ip_addresses: Vec<PrivateIpAddress>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkInterfaceAttachment {
    /// 0 for the primary interface.
    pub device_index: Option<i32>,
    pub status: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkInterfaceAssociation {
    pub public_ip: Option<String>,
    /// `amazon` for an auto-assigned address, the account's id for an Elastic IP address.
    pub ip_owner_id: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Ipv6Address {
    // AWS writes `Ipv6Address`, which PascalCase gives.
    pub ipv6_address: Option<String>,
    pub is_primary_ipv6: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PrivateIpAddress {
    pub primary: Option<bool>,
    pub private_ip_address: Option<String>,
    pub association: Option<NetworkInterfaceAssociation>,
}

/// One element of `InstanceStatuses`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct InstanceStatus {
    pub instance_id: Option<String>,
    pub instance_state: Option<InstanceState>,
    pub instance_status: Option<StatusSummary>,
    pub system_status: Option<StatusSummary>,
    /// Left out where EC2 makes no such check of the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached_ebs_status: Option<StatusSummary>,
    /// What EC2 has scheduled; those that are over stay for a week or two, with a mark before their description.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<InstanceStatusEvent>,
}

impl InstanceStatus {
    /// One of EC2's status checks fails.
    pub fn is_impaired(&self) -> bool {
        let all = [&self.instance_status, &self.system_status, &self.attached_ebs_status];
        all.into_iter().flatten().any(|summary| summary.status.as_deref() == Some("impaired"))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct InstanceStatusEvent {
    pub instance_event_id: Option<String>,
    /// `instance-reboot`, `system-reboot`, `system-maintenance`, `instance-retirement`, `instance-stop`.
    pub code: Option<String>,
    /// Begins with `[Completed]` or `[Canceled]` when the event is over.
    pub description: Option<String>,
    /// The latest scheduled end.
    pub not_after: Option<String>,
    /// The earliest scheduled start.
    pub not_before: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct StatusSummary {
    /// `ok`, `impaired`, `insufficient-data`, `not-applicable`, `initializing`.
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<StatusDetail>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct StatusDetail {
    pub name: Option<String>,
    pub status: Option<String>,
    pub impaired_since: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Image {
    pub image_id: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub owner_id: Option<String>,
    pub image_owner_alias: Option<String>,
    pub platform_details: Option<String>,
}
