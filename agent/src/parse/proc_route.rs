//! `/proc/net/route` and `/proc/net/ipv6_route`: the kernel's main tables.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{Parsed, text};

/// A table of a border router may be larger; what is read here stands at its beginning or is a handful of lines.
const ROUTES: usize = 4_096;

/// `RTF_UP` of the kernel's `route.h`.
const UP: u32 = 1;
/// `RTF_REJECT`.
const REJECT: u32 = 0x200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv4Route {
    pub interface: String,
    pub to: Ipv4Net,
    pub metric: u32,
}

pub fn parse_proc_route(bytes: &[u8]) -> Parsed<Vec<Ipv4Route>> {
    let mut parsed = Parsed::<Vec<Ipv4Route>>::default();
    for line in text(bytes).lines().filter(|line| !line.trim().is_empty() && !line.starts_with("Iface")) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let hexadecimal = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
        let found = || {
            // Numbers stand as the machine holds them, in network order; every machine of EC2 is little-endian.
            let network = Ipv4Addr::from(hexadecimal(1)?.swap_bytes());
            let mask = Ipv4Addr::from(hexadecimal(7)?.swap_bytes());
            let to = Ipv4Net::with_netmask(network, mask).ok()?;
            let metric = fields.get(6)?.parse().ok()?;
            Some((hexadecimal(3)?, Ipv4Route { interface: fields.first()?.to_string(), to, metric }))
        };
        match found() {
            Some((flags, route)) if parsed.value.len() < ROUTES => {
                if flags & UP != 0 && flags & REJECT == 0 {
                    parsed.value.push(route);
                }
            }
            _ => parsed.pass_over(line),
        }
    }
    parsed
}

/// Interface and metric of each default route; other routes are passed over in silence.
pub fn parse_proc_ipv6_route(bytes: &[u8]) -> Parsed<Vec<(String, u32)>> {
    let mut parsed = Parsed::<Vec<(String, u32)>>::default();
    for line in text(bytes).lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let hexadecimal = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
        let (Some(to), Some(length), Some(metric), Some(flags), Some(interface)) =
            (fields.first(), hexadecimal(1), hexadecimal(5), hexadecimal(8), fields.get(9))
        else {
            parsed.pass_over(line);
            continue;
        };
        let is_default = length == 0 && to.bytes().all(|digit| digit == b'0');
        if is_default && flags & UP != 0 && flags & REJECT == 0 && parsed.value.len() < ROUTES {
            parsed.value.push(((*interface).to_owned(), metric));
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_and_the_subnet_are_read_with_their_metrics() {
        let parsed = parse_proc_route(
            b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            ens5\t00000000\t0101000A\t0003\t0\t0\t512\t00000000\t0\t0\t0\nens5\t0001000A\t00000000\t0001\t0\t0\t512\t00FFFFFF\t0\t0\t0\nwhat\n",
        );
        let found: Vec<_> = parsed.value.iter().map(|route| (route.to.to_string(), route.metric)).collect();
        assert_eq!(found, [("0.0.0.0/0".to_owned(), 512), ("10.0.1.0/24".to_owned(), 512)]);
        assert_eq!(parsed.not_understood, ["what".into()]);
    }

    #[test]
    fn a_default_route_that_rejects_is_none() {
        let zero = "00000000000000000000000000000000";
        let table = format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
        );
        assert_eq!(parse_proc_ipv6_route(table.as_bytes()).value, [("eth0".to_owned(), 1024)]);
    }
}
