//! `DescribeInstanceInformation`.

use aws_sdk_ssm::types as sdk;

use super::{time, word};
use crate::facts::InstanceInformation;

pub fn instance_information(from: sdk::InstanceInformation) -> InstanceInformation {
    InstanceInformation {
        instance_id: from.instance_id,
        ping_status: word(from.ping_status),
        last_ping_date_time: time(from.last_ping_date_time),
        agent_version: from.agent_version,
        is_latest_version: from.is_latest_version,
        platform_type: word(from.platform_type),
        platform_name: from.platform_name,
        platform_version: from.platform_version,
    }
}
