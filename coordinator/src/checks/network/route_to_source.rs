use eic_doctor_proto::{Attempt, Command, Remedy, Verdict, Via, check};
use ipnet::IpNet;

use super::{by_hand, known, verdict};
use crate::checks::command::{aws, id, recheck_attempt};
use crate::facts::{AwsFacts, InternetGateway};
use crate::path::internet_gateway;
use crate::path::route_table::{self, Portion, Routes};

check! {
    /// The route table of the instance's subnet leads replies back to the source.
    ///
    /// ## Why it matters
    ///
    /// The most specific route to the source decides: a route of `3.0.0.0/8` to a transit gateway breaks the console's browser client
    /// although `0.0.0.0/0` leads to the internet gateway. A public source needs a route to an internet gateway; a NAT gateway and an
    /// egress-only internet gateway let nobody in. A private source needs the VPC's own route or one to a peering connection, a transit
    /// gateway or a virtual private gateway, whose other side is out of view here.
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
    Ok(verdict(decided, "ec2:DescribeRouteTables", || match routes(facts, attempt) {
        Some(command) => Remedy::by_command(
            "Lead replies to the source through the VPC's internet gateway",
            &command,
            recheck_attempt(facts, attempt, ONLY),
        ),
        None if attempt.via == Via::Private => by_hand(
            facts,
            attempt,
            ONLY,
            "Add a route to the source by the connection that it comes through: peering, transit gateway or VPN",
        ),
        None if is_within_vpc(facts, attempt) => by_hand(
            facts,
            attempt,
            ONLY,
            "The source is an address of the instance's own VPC: connect to the private address, with `--via private`",
        ),
        None => by_hand(
            facts,
            attempt,
            ONLY,
            "Attach an internet gateway to the VPC and add a route to the source that leads to it",
        ),
    }))
}

fn is_within_vpc(facts: &AwsFacts, attempt: &Attempt) -> bool {
    let Some((way, source)) = known(facts, attempt) else { return false };
    let Ok(table) = route_table::table(facts, &way) else { return false };
    let Ok(routes) = Routes::of(facts, table) else { return false };
    let is_local = |portion: &Portion<'_>| {
        portion.matched.is_some_and(|matched| matched.route.gateway_id.as_deref() == Some("local"))
    };
    routes.portions(&source.nets).iter().any(is_local)
}

/// A route for the source alone; it wins over whatever is less specific.
fn routes(facts: &AwsFacts, attempt: &Attempt) -> Option<Command> {
    if attempt.via == Via::Private {
        return None;
    }
    let (way, source) = known(facts, attempt)?;
    // A route of the VPC's own addresses can lead to no internet gateway (VPC User Guide, "Route table concepts": local routes).
    if is_within_vpc(facts, attempt) {
        return None;
    }
    let table = route_table::table(facts, &way).ok()?;
    let table_id = id(table.route_table_id.as_deref())?;
    let vpc = way.interface.vpc_id.as_deref();
    let is_attached = |gateway: &&InternetGateway| {
        let id = gateway.internet_gateway_id.as_deref().unwrap_or_default();
        internet_gateway::attachment(facts, id, vpc) == Some(true)
    };
    let gateway = facts.internet_gateways.known()?.iter().find(is_attached)?;
    let gateway = id(gateway.internet_gateway_id.as_deref())?;
    let commands = source.nets.iter().map(|net| {
        let text = net.to_string();
        let is_there = table.routes.iter().any(|route| {
            route.destination_cidr_block.as_ref() == Some(&text)
                || route.destination_ipv6_cidr_block.as_ref() == Some(&text)
        });
        let operation = if is_there { "replace-route" } else { "create-route" };
        let destination =
            if matches!(net, IpNet::V4(_)) { "--destination-cidr-block" } else { "--destination-ipv6-cidr-block" };
        aws(facts, "ec2", operation).args(["--route-table-id", table_id, destination, &text, "--gateway-id", gateway])
    });
    commands.reduce(Command::and)
}
