//! `DescribeInstanceConnectEndpoints`.

use serde::{Deserialize, Serialize};

use super::Tag;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct InstanceConnectEndpoint {
    pub instance_connect_endpoint_id: Option<String>,
    pub instance_connect_endpoint_arn: Option<String>,
    pub owner_id: Option<String>,
    /// `create-in-progress`, `create-complete`, `create-failed`, and the same of `update` and `delete`.
    pub state: Option<String>,
    pub state_message: Option<String>,
    pub dns_name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_interface_ids: Vec<String>,
    pub vpc_id: Option<String>,
    pub availability_zone: Option<String>,
    pub subnet_id: Option<String>,
    pub preserve_client_ip: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_group_ids: Vec<String>,
    /// `ipv4`, `ipv6`, `dualstack`; left out before 2025, which meant `ipv4`.
    pub ip_address_type: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}
