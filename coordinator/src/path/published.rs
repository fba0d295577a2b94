//! The Region's range of EC2 Instance Connect as AWS publishes it: the `ip-ranges.json` that was given, else the built-in table.

use eic_doctor_proto::ranges;
use ipnet::IpNet;

use crate::facts::AwsFacts;

/// The ranges of a Region, and of which day they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub nets: Vec<IpNet>,
    pub date: String,
}

/// `None` where no range is published, which says nothing of support.
///
/// A file that was given and does not name the Region is taken for an older or a shortened one: the table then still tells.
pub fn of(facts: &AwsFacts, region: &str) -> Option<Published> {
    if let Some(given) = facts.ip_ranges.known() {
        let v4 = given.prefixes.iter().filter(|prefix| prefix.region == region).map(|prefix| &prefix.ip_prefix);
        let v6 = given.ipv6_prefixes.iter().filter(|prefix| prefix.region == region).map(|prefix| &prefix.ipv6_prefix);
        let nets: Vec<IpNet> = v4.chain(v6).filter_map(|prefix| prefix.parse().ok()).collect();
        if !nets.is_empty() {
            return Some(Published { nets, date: day(&given.create_date).to_owned() });
        }
    }
    let nets = ranges::of(region)?;
    Some(Published { nets: nets.to_vec(), date: ranges::PUBLISHED.to_owned() })
}

/// The newest date up to which ranges are known.
pub fn known_until(facts: &AwsFacts) -> &str {
    facts.ip_ranges.known().map_or(ranges::PUBLISHED, |given| day(&given.create_date))
}

impl Published {
    pub fn of_family(&self, is_ipv4: bool) -> Vec<IpNet> {
        self.nets.iter().copied().filter(|net| matches!(net, IpNet::V4(_)) == is_ipv4).collect()
    }
}

/// `2026-08-21` of `2026-08-21-23-57-05`.
fn day(create_date: &str) -> &str {
    create_date.get(..10).unwrap_or(create_date)
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;
    use serde_json::json;

    use super::*;

    fn facts(ip_ranges: serde_json::Value) -> AwsFacts {
        AwsFacts { ip_ranges: Fact::Known(serde_json::from_value(ip_ranges).unwrap()), ..AwsFacts::default() }
    }

    #[test]
    fn the_given_file_comes_before_the_table_and_its_date_is_told() {
        let facts = facts(json!({
            "createDate": "2027-01-02-03-04-05",
            "prefixes": [
                { "ip_prefix": "192.0.2.0/29", "region": "eu-west-1", "service": "EC2_INSTANCE_CONNECT" },
                { "ip_prefix": "192.0.2.8/29", "region": "eu-west-1", "service": "EC2_INSTANCE_CONNECT" },
            ],
            "ipv6_prefixes": [{ "ipv6_prefix": "2001:db8::/56", "region": "ap-east-2", "service": "EC2_INSTANCE_CONNECT" }],
        }));
        let given = of(&facts, "eu-west-1").unwrap();
        assert_eq!(given.date, "2027-01-02");
        assert_eq!(given.of_family(true).len(), 2);
        assert_eq!(given.of_family(false), []);
        assert_eq!(of(&facts, "ap-east-2").unwrap().of_family(false).len(), 1);
        // Not in this file.
        assert_eq!(of(&facts, "eu-west-2").unwrap().date, ranges::PUBLISHED);
        assert_eq!(known_until(&facts), "2027-01-02");
    }

    #[test]
    fn without_a_file_the_table_tells_and_a_region_without_a_range_has_none() {
        let published = of(&AwsFacts::default(), "eu-west-1").unwrap();
        assert_eq!((published.nets.len(), published.date.as_str()), (2, ranges::PUBLISHED));
        assert_eq!(of(&AwsFacts::default(), "ap-east-2"), None);
    }
}
