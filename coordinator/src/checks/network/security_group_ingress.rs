use eic_doctor_proto::{Attempt, Command, Remedy, Verdict, Via, check};
use ipnet::IpNet;

use super::{by_hand, known, verdict};
use crate::checks::command::{aws, id, recheck_attempt};
use crate::facts::AwsFacts;
use crate::path::{prefix_list, security_group, way};

check! {
    /// The security groups of the network interface let the source in on the port.
    ///
    /// ## Why it matters
    ///
    /// Security groups only allow, and all groups of the interface count together; they are stateful, so replies need no rule. A rule for
    /// "My IP" does not admit the console's browser client: that one comes from the Region's EC2 Instance Connect range, for which AWS
    /// keeps a prefix list for each family. A rule that names another security group admits private addresses only. This is what users
    /// hit most often.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-security-groups --group-ids GROUP_ID --query 'SecurityGroups[].IpPermissions'`; for the browser also
    /// `aws ec2 describe-managed-prefix-lists` and `aws ec2 get-managed-prefix-list-entries --prefix-list-id PREFIX_LIST_ID`
    ///
    /// ## How to mend
    ///
    /// Add one inbound rule for the port, from the source alone. For the browser client name the prefix list
    /// `com.amazonaws.REGION.ec2-instance-connect`, or `com.amazonaws.REGION.ipv6.ec2-instance-connect` for an IPv6 address.
    ///
    /// ## References
    ///
    /// - VPC User Guide, "Security group rules"
    /// - VPC User Guide, "Work with AWS-managed prefix lists"
    /// - EC2 User Guide, "Prerequisites for EC2 Instance Connect": allow inbound SSH traffic
    pub static CHECK: AwsFacts = {
        id: "aws.network.security-group-ingress",
        title: "the security group lets the source in",
        needs: ["aws.instance.exists", "aws.endpoint.exists"],
        actions: [
            "ec2:DescribeInstances", "ec2:DescribeSecurityGroups", "ec2:DescribeManagedPrefixLists",
            "ec2:GetManagedPrefixListEntries", "ec2:DescribeInstanceConnectEndpoints", "ec2:DescribeNetworkInterfaces"],
        runbook: ["CheckEICNetworkAccess"],
        judge: judge,
    }
}

const ONLY: &str = "aws.network";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let decided = security_group::judge(facts, attempt);
    Ok(verdict(decided, "ec2:DescribeSecurityGroups", || match admit(facts, attempt) {
        Some(command) => {
            Remedy::by_command("Add an inbound rule for the source", &command, recheck_attempt(facts, attempt, ONLY))
        }
        None => by_hand(facts, attempt, ONLY, &words(facts, attempt)),
    }))
}

fn words(facts: &AwsFacts, attempt: &Attempt) -> String {
    match way(facts, attempt) {
        Ok(way) if security_group::group_ids(&way).is_empty() => format!(
            "Give {} a security group that has an inbound rule for the port from the source",
            id(way.interface.network_interface_id.as_deref()).unwrap_or("the network interface")
        ),
        _ => String::from(
            "Add an inbound rule for the port from the addresses you connect from, and name them with `--source`",
        ),
    }
}

/// The narrowest rule: the source alone; for the browser client the Region's own prefix list.
fn admit(facts: &AwsFacts, attempt: &Attempt) -> Option<Command> {
    let (way, source) = known(facts, attempt)?;
    let group = id(security_group::group_ids(&way).first().copied())?;
    let port = attempt.port.to_string();
    let authorize = || aws(facts, "ec2", "authorize-security-group-ingress").args(["--group-id", group]);
    let ports = format!("IpProtocol=tcp,FromPort={port},ToPort={port}");
    if attempt.via == Via::Browser {
        let is_ipv4 = matches!(source.nets.first()?, IpNet::V4(_));
        let region = facts.region.known()?;
        if let Some(list) = id(prefix_list::instance_connect(facts, region, is_ipv4)) {
            let permission = format!("{ports},PrefixListIds=[{{PrefixListId={list}}}]");
            return Some(authorize().args(["--ip-permissions", &permission]));
        }
    }
    let rules = source.nets.iter().map(|net| match net {
        IpNet::V4(_) => authorize().args(["--protocol", "tcp", "--port", &port, "--cidr", &net.to_string()]),
        IpNet::V6(_) => authorize().args(["--ip-permissions", &format!("{ports},Ipv6Ranges=[{{CidrIpv6={net}}}]")]),
    });
    rules.reduce(Command::and)
}
