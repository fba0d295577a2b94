use eic_doctor_proto::{Attempt, Remedy, Verdict, Via, check};

use super::{by_hand, new_route, verdict};
use crate::checks::command::recheck_attempt;
use crate::facts::AwsFacts;
use crate::path::route_table;

check! {
    /// The route table of the instance's subnet leads replies back to the source.
    ///
    /// ## Why it matters
    ///
    /// The most specific route to the source decides: a route of `3.0.0.0/8` to a transit gateway breaks the console's browser client
    /// although `0.0.0.0/0` leads to the internet gateway. A public source needs a route to an internet gateway; a NAT gateway and an
    /// egress-only internet gateway let nobody in. A private source needs the VPC's own route or one to a peering connection, a transit
    /// gateway or a virtual private gateway, whose other side is out of view here. So does an EC2 Instance Connect Endpoint of another VPC.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-route-tables --filters Name=association.subnet-id,Values=SUBNET_ID --query 'RouteTables[].Routes'`; when nothing
    /// comes back the VPC's main route table holds: `Name=vpc-id,Values=VPC_ID Name=association.main,Values=true`
    ///
    /// ## How to mend
    ///
    /// Add a route to the source by the internet gateway that is attached to the VPC, or replace the one whose target is gone. Or go
    /// through an EC2 Instance Connect Endpoint, which needs no such route.
    ///
    /// ## References
    ///
    /// - VPC User Guide, "Configure route tables": route priority
    /// - VPC User Guide, "Enable internet access for a VPC using an internet gateway"
    pub static CHECK: AwsFacts = {
        id: "aws.network.route-to-source",
        title: "a route leads to the source",
        needs: ["aws.instance.address"],
        actions: ["ec2:DescribeInstances", "ec2:DescribeRouteTables", "ec2:GetManagedPrefixListEntries"],
        runbook: ["CheckEICNetworkAccess"],
        judge: judge,
    }
}

const ONLY: &str = "aws.network";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let decided = route_table::judge(facts, attempt);
    Ok(verdict(decided, "ec2:DescribeRouteTables", || match new_route::through_gateway(facts, attempt) {
        Some(command) => Remedy::by_command(
            "Lead replies to the source through the VPC's internet gateway",
            &command,
            recheck_attempt(facts, attempt, ONLY),
        ),
        None => by_hand(facts, attempt, ONLY, words(facts, attempt)),
    }))
}

fn words(facts: &AwsFacts, attempt: &Attempt) -> &'static str {
    match attempt.via {
        Via::Private => {
            "Add a route to the source by the connection that it comes through: peering, transit gateway or VPN"
        }
        Via::Endpoint => {
            "Add a route to the endpoint's address by the peering connection or transit gateway that joins the VPCs, or name no \
             endpoint of another VPC"
        }
        _ if new_route::is_within_vpc(facts, attempt) => {
            "The source is an address of the instance's own VPC: connect to the private address, with `--via private`"
        }
        _ => "Attach an internet gateway to the VPC and add a route to the source that leads to it",
    }
}
