use eic_doctor_proto::{Attempt, Remedy, Verdict, check};

use super::{by_hand, new_route, verdict};
use crate::checks::command::{aws, id, recheck_attempt};
use crate::facts::AwsFacts;
use crate::path::{internet_gateway, way};

check! {
    /// The internet gateway that the route names is attached to the instance's VPC.
    ///
    /// ## Why it matters
    ///
    /// Whoever comes from the internet comes in by the internet gateway of the VPC. A gateway that was detached leaves its routes behind,
    /// as black holes, and then nobody comes in although security groups and network ACLs are right.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-internet-gateways --query 'InternetGateways[].[InternetGatewayId,Attachments]'`; an attached one is `available`
    ///
    /// ## How to mend
    ///
    /// Attach the gateway to the VPC again, or lead the route to the gateway that is attached.
    ///
    /// ## References
    ///
    /// - VPC User Guide, "Enable internet access for a VPC using an internet gateway"
    /// - EC2 API Reference, InternetGatewayAttachment
    pub static CHECK: AwsFacts = {
        id: "aws.network.internet-gateway",
        title: "the internet gateway is attached to the VPC",
        needs: ["aws.network.route-to-source"],
        actions: ["ec2:DescribeInstances", "ec2:DescribeInternetGateways", "ec2:DescribeRouteTables"],
        runbook: ["CheckEICNetworkAccess"],
        judge: judge,
    }
}

const ONLY: &str = "aws.network";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let decided = internet_gateway::judge(facts, attempt);
    Ok(verdict(decided, "ec2:DescribeInternetGateways", || attach(facts, attempt)))
}

fn attach(facts: &AwsFacts, attempt: &Attempt) -> Remedy {
    let free = way(facts, attempt).ok().and_then(|way| {
        let named = internet_gateway::named_by_route(facts, &way)?;
        let mut gateways = facts.internet_gateways.known()?.iter();
        let gateway = gateways.find(|gateway| gateway.internet_gateway_id.as_deref() == Some(named))?;
        // One that hangs on another VPC is somebody else's way out.
        let is_free = gateway.attachments.is_empty();
        is_free.then_some((id(Some(named))?, id(way.interface.vpc_id.as_deref())?))
    });
    match free {
        Some((gateway, vpc)) => {
            let attach =
                aws(facts, "ec2", "attach-internet-gateway").args(["--internet-gateway-id", gateway, "--vpc-id", vpc]);
            Remedy::by_command(
                "Attach the internet gateway to the instance's VPC",
                &attach,
                recheck_attempt(facts, attempt, ONLY),
            )
        }
        None => {
            let text = "Lead the route to an internet gateway that is attached to the instance's VPC";
            match new_route::through_gateway(facts, attempt) {
                Some(command) => Remedy::by_command(text, &command, recheck_attempt(facts, attempt, ONLY)),
                None => by_hand(facts, attempt, ONLY, text),
            }
        }
    }
}
