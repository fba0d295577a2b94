//! The published address ranges of EC2 Instance Connect, for when the Region's managed prefix list cannot be read.
//!
//! The date of the table is told wherever it is used.

use ipnet::IpNet;

/// The `createDate` of the `ip-ranges.json` from which the table is made.
pub const PUBLISHED: &str = "2026-08-21";

/// Region, IPv4 prefix, IPv6 prefix.
///
/// Source: <https://ip-ranges.amazonaws.com/ip-ranges.json>, service `EC2_INSTANCE_CONNECT`, createDate 2026-08-21-23-57-05. One
/// prefix a family and Region at that date; a Region that is not listed had none published, which says nothing of support.
const TABLE: &[(&str, &str, &str)] = &[
    ("af-south-1", "13.244.121.196/30", "2406:da11:700:3b00::/56"),
    ("ap-east-1", "43.198.192.104/29", "2406:da1e:da1:3c00::/56"),
    ("ap-northeast-1", "3.112.23.0/29", "2406:da14:1c18:2100::/56"),
    ("ap-northeast-2", "13.209.1.56/29", "2406:da12:1e1:d900::/56"),
    ("ap-northeast-3", "15.168.105.160/29", "2406:da16:856:a500::/56"),
    ("ap-south-1", "13.233.177.0/29", "2406:da1a:74a:4b00::/56"),
    ("ap-south-2", "18.60.252.248/29", "2406:da1b:d1d:8800::/56"),
    ("ap-southeast-1", "3.0.5.32/29", "2406:da18:752:6600::/56"),
    ("ap-southeast-2", "13.239.158.0/29", "2406:da1c:90e:4a00::/56"),
    ("ap-southeast-3", "43.218.193.64/29", "2406:da19:14b:8c00::/56"),
    ("ap-southeast-4", "16.50.248.80/29", "2406:da1f:b4f:4600::/56"),
    ("ap-southeast-5", "43.216.87.48/29", "2406:da10:84f9:9e00::/56"),
    ("ap-southeast-6", "3.103.24.208/29", "2406:da12:80b3:4800::/56"),
    ("ap-southeast-7", "43.209.155.96/29", "2406:da14:85c5:5b00::/56"),
    ("ca-central-1", "35.183.92.176/29", "2600:1f11:ae3:700::/56"),
    ("ca-west-1", "40.176.213.168/29", "2600:1f1a:4ff6:d500::/56"),
    ("cn-north-1", "43.196.20.40/29", "2400:7fc0:86fd:e00::/56"),
    ("cn-northwest-1", "43.192.155.8/29", "2404:c2c0:87aa:4800::/56"),
    ("eu-central-1", "3.120.181.40/29", "2a05:d014:17a8:8b00::/56"),
    ("eu-central-2", "16.63.77.8/29", "2a05:d019:1d6:2100::/56"),
    ("eu-north-1", "13.48.4.200/30", "2a05:d016:494:f00::/56"),
    ("eu-south-1", "15.161.135.164/30", "2a05:d01a:c03:4a00::/56"),
    ("eu-south-2", "18.101.90.48/29", "2a05:d011:cbe:f700::/56"),
    ("eu-west-1", "18.202.216.48/29", "2a05:d018:403:4e00::/56"),
    ("eu-west-2", "3.8.37.24/29", "2a05:d01c:4ac:3100::/56"),
    ("eu-west-3", "35.180.112.80/29", "2a05:d012:c9e:d600::/56"),
    ("il-central-1", "51.16.183.224/29", "2a05:d025:451:7d00::/56"),
    ("me-central-1", "3.29.147.40/29", "2406:da17:1db:b00::/56"),
    ("me-south-1", "16.24.46.56/29", "2a05:d01e:27f:ac00::/56"),
    ("mx-central-1", "78.12.207.8/29", "2600:1f17:4ee0:b800::/56"),
    ("sa-east-1", "18.228.70.32/29", "2600:1f1e:d1d:e700::/56"),
    ("us-east-1", "18.206.107.24/29", "2600:1f18:6fe3:8c00::/56"),
    ("us-east-2", "3.16.146.0/29", "2600:1f16:138f:cf00::/56"),
    ("us-gov-east-1", "18.252.4.0/30", "2600:1f15:d63:bd00::/56"),
    ("us-gov-west-1", "15.200.28.80/30", "2600:1f12:fa9:5100::/56"),
    ("us-west-1", "13.52.6.112/29", "2600:1f1c:12d:e900::/56"),
    ("us-west-2", "18.237.140.160/29", "2600:1f13:a0d:a700::/56"),
];

/// Every published range.
pub fn all() -> impl Iterator<Item = IpNet> {
    TABLE.iter().flat_map(|(region, ..)| of(region)).flatten()
}

/// The published range of `region` in both families, or `None` where none was published.
pub fn of(region: &str) -> Option<[IpNet; 2]> {
    let (_, v4, v6) = TABLE.iter().find(|(name, ..)| *name == region)?;
    // The tests parse every line of the table.
    Some([v4.parse().ok()?, v6.parse().ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_one_range_of_each_family_and_no_region_stands_twice() {
        for (index, (region, ..)) in TABLE.iter().enumerate() {
            let [v4, v6] = of(region).unwrap();
            assert!(matches!((v4, v6), (IpNet::V4(_), IpNet::V6(_))), "{region}");
            assert!((v4, v6) == (v4.trunc(), v6.trunc()), "{region}: host bits are set");
            assert!(TABLE.iter().skip(index + 1).all(|(other, ..)| other != region), "{region}");
        }
        assert_eq!((TABLE.len(), all().count()), (37, 74));
    }

    #[test]
    fn a_region_without_a_published_range_has_none() {
        assert_eq!(of("ap-east-2"), None);
        assert_eq!(of("eusc-de-east-1"), None);
    }
}
