//! Words that iptables and nft share: protocols, services, TCP flags, addresses.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::facts::Value;

/// The number of a transport protocol (IANA "Assigned Internet Protocol Numbers").
pub(super) fn protocol(word: &str) -> Option<u32> {
    Some(match word {
        "icmp" => 1,
        "igmp" => 2,
        "ipip" | "ipencap" => 4,
        "tcp" => 6,
        "egp" => 8,
        "udp" => 17,
        "dccp" => 33,
        "ipv6" => 41,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "icmpv6" | "ipv6-icmp" | "icmp6" => 58,
        "ospf" => 89,
        "pim" => 103,
        "comp" | "ipcomp" => 108,
        "vrrp" => 112,
        "l2tp" => 115,
        "sctp" => 132,
        "udplite" => 136,
        other => return other.parse().ok(),
    })
}

/// A port, or one of the few services that older versions print by name.
pub(super) fn port(word: &str) -> Option<u32> {
    Some(match word {
        "ssh" => 22,
        "smtp" => 25,
        "domain" => 53,
        "http" => 80,
        "ntp" => 123,
        "https" => 443,
        other => u32::from(other.parse::<u16>().ok()?),
    })
}

/// `22`, `22:80`, `:1024`, `1024:`; nft writes `-`.
pub(super) fn ports(word: &str) -> Option<Value> {
    match word.split_once([':', '-']) {
        Some((first, last)) => {
            let first = if first.is_empty() { 0 } else { port(first)? };
            let last = if last.is_empty() { 65_535 } else { port(last)? };
            Some(Value::Numbers(first, last))
        }
        None => port(word).map(|port| Value::Numbers(port, port)),
    }
}

/// The bits of TCP's flags (RFC 9293, 3.1).
pub(super) fn tcp_flag(word: &str) -> Option<u8> {
    Some(match word.to_ascii_lowercase().as_str() {
        "none" => 0,
        "fin" => 1,
        "syn" => 2,
        "rst" => 4,
        "psh" => 8,
        "ack" => 16,
        "urg" => 32,
        "ecn" | "ece" => 64,
        "cwr" => 128,
        "all" => 63,
        other => return number(other)?.try_into().ok(),
    })
}

/// Decimal, or hexadecimal after `0x`.
pub(super) fn number(word: &str) -> Option<u32> {
    match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

/// An address, `ADDRESS/LENGTH`, `ADDRESS/MASK` or `FIRST-LAST`.
pub(super) fn addresses(word: &str) -> Option<Value> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Some(Value::Net(address.into()));
    }
    if let Some((first, last)) = word.split_once('-') {
        let (first, last) = (first.parse::<IpAddr>().ok()?, last.parse::<IpAddr>().ok()?);
        return (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Value::Addresses(first, last));
    }
    let (address, length) = word.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length = match length.parse::<u8>() {
        Ok(length) => length,
        Err(_) => ipnet::ip_mask_to_prefix(length.parse().ok()?).ok()?,
    };
    IpNet::new(address, length).ok().map(|net| Value::Net(net.trunc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_write_addresses_is_read() {
        let shown = |word: &str| addresses(word).map(String::from);
        assert_eq!(shown("10.0.0.1").as_deref(), Some("10.0.0.1/32"));
        assert_eq!(shown("10.1.2.3/255.255.0.0").as_deref(), Some("10.1.0.0/16"));
        assert_eq!(shown("10.0.0.1-10.0.0.9").as_deref(), Some("10.0.0.1-10.0.0.9"));
        assert_eq!(shown("2001:db8::/32").as_deref(), Some("2001:db8::/32"));
        for wrong in ["10.0.0.0/255.0.0.255", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "10.0.0.0/33", "x", ""] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }
}
