//! Prefix lists: what an id stands for, and which are EC2 Instance Connect's own.

use eic_doctor_proto::{Fact, Why};
use ipnet::IpNet;

use crate::facts::AwsFacts;
use crate::path::{need, published};

/// The CIDRs of a prefix list, AWS's own or a customer's.
///
/// EC2 Instance Connect's own list is also known by the published range, so it can be resolved although its entries may not be read.
pub fn resolve(facts: &AwsFacts, id: &str) -> Result<Vec<IpNet>, Why> {
    let what = format!("the entries of prefix list {id}");
    let entries = match facts.prefix_list_entries.get(id) {
        Some(Fact::Known(entries)) => entries,
        other => {
            return match (by_publication(facts, id), other) {
                (Some(nets), _) => Ok(nets),
                (None, Some(fact)) => need(fact, &what).map(|_| Vec::new()),
                (None, None) => Err(Why::new(format!("{what}: not gathered"))),
            };
        }
    };
    let parse = |cidr: &str| cidr.parse().map_err(|_| Why::new(format!("{what}: `{cidr}` is no CIDR")));
    entries.iter().map(|entry| parse(entry.cidr.as_deref().unwrap_or_default())).collect()
}

/// The id of the Region's EC2 Instance Connect list for IPv4 or IPv6, where the lists could be read and it is among them.
///
/// Source: VPC User Guide, "AWS-managed prefix lists": `com.amazonaws.REGION.ec2-instance-connect` and
/// `com.amazonaws.REGION.ipv6.ec2-instance-connect`. Only the end of the name is compared, for partitions begin it in other ways.
pub fn instance_connect<'a>(facts: &'a AwsFacts, region: &str, is_ipv4: bool) -> Option<&'a str> {
    let end = if is_ipv4 {
        format!(".{region}.ec2-instance-connect")
    } else {
        format!(".{region}.ipv6.ec2-instance-connect")
    };
    let lists = facts.managed_prefix_lists.known()?;
    lists
        .iter()
        .find(|list| list.prefix_list_name.as_deref().is_some_and(|name| name.ends_with(&end)))?
        .prefix_list_id
        .as_deref()
}

fn by_publication(facts: &AwsFacts, id: &str) -> Option<Vec<IpNet>> {
    let region = facts.region.known()?;
    let is_ipv4 = [true, false].into_iter().find(|is_ipv4| instance_connect(facts, region, *is_ipv4) == Some(id))?;
    Some(published::of(facts, region)?.of_family(is_ipv4)).filter(|nets| !nets.is_empty())
}
