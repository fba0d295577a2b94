//! VPC Block Public Access: an account's switch for a Region that shuts internet gateways for every VPC that is not excluded.
//!
//! Source: VPC User Guide, "Block public access to VPCs and subnets": `block-bidirectional` shuts both directions and `block-ingress` the
//! inbound one; an exclusion of a VPC or a subnet lets through again, `allow-bidirectional` both directions and `allow-egress` the
//! outbound one alone. Security groups, network ACLs and routes look right all the while.

use eic_doctor_proto::{Attempt, HopDecision, Via, Why};

use crate::facts::{AwsFacts, BlockPublicAccessExclusion};
use crate::path::{Decided, Way, need, way};

pub fn judge(facts: &AwsFacts, attempt: &Attempt) -> Decided {
    if let Err(why) = need(&facts.instance, "the instance") {
        return Decided::unknown("", why);
    }
    if attempt.via == Via::Private {
        return Decided::new("", HopDecision::NotApplicable, "this way does not lead through an internet gateway");
    }
    let options = match need(&facts.block_public_access, "VPC Block Public Access") {
        Ok(options) => options,
        Err(why) => return Decided::unknown("", why),
    };
    let mode = options.internet_gateway_block_mode.as_deref().unwrap_or_default();
    if options.state.as_deref() == Some("update-in-progress") {
        return Decided::unknown("", Why::new(format!("VPC Block Public Access is being changed to `{mode}`")));
    }
    if attempt.via == Via::Endpoint {
        return match mode {
            "off" => Decided::new("", HopDecision::NotApplicable, "this way does not lead through an internet gateway"),
            _ => {
                Decided::unknown("", Why::new("whether VPC Block Public Access bears on an endpoint is not documented"))
            }
        };
    }
    let way = match way(facts, attempt) {
        Ok(way) => way,
        Err(why) => return Decided::unknown("", why),
    };
    if let Some(owner) = owner_of_shared_subnet(facts, &way) {
        let why =
            format!("the subnet belongs to account {owner}, whose VPC Block Public Access this account cannot read");
        return Decided::unknown("", Why::new(why));
    }
    match mode {
        "off" => Decided::new("", HopDecision::Allowed, "off in this Region"),
        "block-bidirectional" | "block-ingress" => excluded(facts, &way, mode),
        other => Decided::unknown("", Why::new(format!("the mode `{other}` is not known here"))),
    }
}

fn excluded(facts: &AwsFacts, way: &Way<'_>, mode: &str) -> Decided {
    let exclusions = match need(&facts.block_public_access_exclusions, "the exclusions from VPC Block Public Access") {
        Ok(exclusions) => exclusions,
        Err(why) => return Decided::unknown("", why),
    };
    let (vpc, subnet) = (way.interface.vpc_id.as_deref(), way.interface.subnet_id.as_deref());
    let ours = exclusions.iter().filter(|exclusion| {
        let resource = exclusion.resource_arn.as_deref().and_then(|arn| arn.rsplit('/').next());
        resource.is_some() && (resource == vpc || resource == subnet)
    });
    let mut undecided = None;
    let mut only_out = None;
    for exclusion in ours {
        let id = exclusion.exclusion_id.clone().unwrap_or_default();
        let of = exclusion.resource_arn.as_deref().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
        let lets_in = exclusion.internet_gateway_exclusion_mode.as_deref() == Some("allow-bidirectional");
        match (standing(exclusion), lets_in) {
            (Standing::InForce, true) => {
                return Decided::new(id, HopDecision::Allowed, format!("`{mode}`, from which {of} is excluded"));
            }
            (Standing::InForce, false) => only_out = Some((id, of.to_owned())),
            // One for outbound traffic that is only just being made will not let in either.
            (Standing::Changing, false) if exclusion.state.as_deref() != Some("update-in-progress") => {}
            (Standing::Changing, _) => undecided = Some((id, exclusion.state.clone().unwrap_or_default())),
            (Standing::Gone, _) => {}
        }
    }
    if let Some((id, state)) = undecided {
        return Decided::unknown(id.clone(), Why::new(format!("the exclusion {id} is in state `{state}`")));
    }
    let what = match mode {
        "block-ingress" => "blocks what comes in by internet gateways",
        _ => "blocks internet gateways in both directions",
    };
    match only_out {
        Some((id, of)) => {
            let rule = format!("VPC Block Public Access {what}, and {of} is excluded for outbound traffic alone");
            Decided::new(id, HopDecision::Blocked, rule)
        }
        None => {
            let of = subnet.unwrap_or("the instance's subnet");
            let rule = format!("VPC Block Public Access {what}, and neither {of} nor its VPC is excluded");
            Decided::new("", HopDecision::Blocked, rule)
        }
    }
}

enum Standing {
    InForce,
    Changing,
    Gone,
}

fn standing(exclusion: &BlockPublicAccessExclusion) -> Standing {
    match exclusion.state.as_deref() {
        Some("create-complete" | "update-complete") => Standing::InForce,
        Some("create-failed" | "delete-complete" | "disable-complete") => Standing::Gone,
        _ => Standing::Changing,
    }
}

/// In a shared VPC the owner's setting holds for its internet gateways.
pub fn owner_of_shared_subnet<'a>(facts: &'a AwsFacts, way: &Way<'_>) -> Option<&'a str> {
    let subnets = facts.subnets.known()?;
    let subnet = subnets.iter().find(|subnet| subnet.subnet_id == way.interface.subnet_id)?;
    let owner = subnet.owner_id.as_deref()?;
    (owner != facts.instance_owner_id.known()?).then_some(owner)
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;
    use serde_json::{Value, json};

    use super::*;
    use crate::facts::{Instance, Subnet};

    fn decided(options: Value, exclusions: Value) -> HopDecision {
        let instance: Instance = serde_json::from_value(json!({
            "InstanceId": "i-0123456789abcdef0",
            "NetworkInterfaces": [{
                "NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "SubnetId": "subnet-1",
                "Attachment": { "DeviceIndex": 0 },
                "PrivateIpAddresses": [{
                    "Primary": true, "PrivateIpAddress": "10.0.0.5", "Association": { "PublicIp": "198.51.100.9" },
                }],
            }],
        }))
        .unwrap();
        let facts = AwsFacts {
            instance: Fact::Known(instance),
            instance_owner_id: Fact::Known("111122223333".into()),
            subnets: Fact::Known(vec![Subnet {
                subnet_id: Some("subnet-1".into()),
                owner_id: Some("111122223333".into()),
                ..Subnet::default()
            }]),
            block_public_access: serde_json::from_value(json!({ "known": options })).unwrap(),
            block_public_access_exclusions: serde_json::from_value(json!({ "known": exclusions })).unwrap(),
            ..AwsFacts::default()
        };
        let attempt = Attempt { via: Via::Public, source: "203.0.113.7/32".parse().ok(), ..Attempt::usual() };
        judge(&facts, &attempt).decision
    }

    fn exclusion(resource: &str, mode: &str, state: &str) -> Value {
        json!([{ "ExclusionId": "vpcbpa-exclude-1", "InternetGatewayExclusionMode": mode, "State": state,
            "ResourceArn": format!("arn:aws:ec2:eu-west-1:111122223333:{resource}") }])
    }

    #[test]
    fn each_mode_blocks_what_comes_in_and_off_does_not() {
        for (mode, expected) in [
            ("off", HopDecision::Allowed),
            ("block-ingress", HopDecision::Blocked),
            ("block-bidirectional", HopDecision::Blocked),
            ("block-everything", HopDecision::Unknown),
        ] {
            assert_eq!(decided(json!({ "InternetGatewayBlockMode": mode }), json!([])), expected, "{mode}");
        }
    }

    #[test]
    fn only_an_exclusion_of_this_vpc_or_subnet_that_lets_in_and_is_in_force_opens_the_way() {
        let options = json!({ "InternetGatewayBlockMode": "block-bidirectional", "State": "update-complete" });
        for (resource, mode, state, expected) in [
            ("subnet/subnet-1", "allow-bidirectional", "create-complete", HopDecision::Allowed),
            ("vpc/vpc-1", "allow-bidirectional", "update-complete", HopDecision::Allowed),
            ("vpc/vpc-1", "allow-egress", "create-complete", HopDecision::Blocked),
            ("vpc/vpc-2", "allow-bidirectional", "create-complete", HopDecision::Blocked),
            ("subnet/subnet-1", "allow-bidirectional", "delete-complete", HopDecision::Blocked),
            ("subnet/subnet-1", "allow-bidirectional", "create-in-progress", HopDecision::Unknown),
        ] {
            let found = decided(options.clone(), exclusion(resource, mode, state));
            assert_eq!(found, expected, "{resource} {mode} {state}");
        }
    }

    #[test]
    fn a_change_under_way_leaves_the_answer_open() {
        let options = json!({ "InternetGatewayBlockMode": "off", "State": "update-in-progress" });
        assert_eq!(decided(options, json!([])), HopDecision::Unknown);
    }
}
