//! `/proc/net/if_inet6`: the machine's own IPv6 addresses.

use std::net::Ipv6Addr;

use super::{Parsed, text};

const ADDRESSES: usize = 4_096;

/// Interface and address, in the file's order.
pub fn parse_if_inet6(bytes: &[u8]) -> Parsed<Vec<(String, Ipv6Addr)>> {
    let mut parsed = Parsed::<Vec<(String, Ipv6Addr)>>::default();
    for line in text(bytes).lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let address = fields.first().filter(|address| address.len() == 32);
        match (address.and_then(|address| u128::from_str_radix(address, 16).ok()), fields.get(5)) {
            (Some(address), Some(interface)) if parsed.value.len() < ADDRESSES => {
                parsed.value.push(((*interface).to_owned(), Ipv6Addr::from(address)));
            }
            _ => parsed.pass_over(line),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_an_address_and_its_interface() {
        let parsed = parse_if_inet6(
            b"00000000000000000000000000000001 01 80 10 80       lo\n20010db8000000000000000000000007 02 80 00 80     eth0\nshort\n",
        );
        assert_eq!(parsed.value[1], ("eth0".to_owned(), "2001:db8::7".parse().unwrap()));
        assert_eq!((parsed.value.len(), parsed.not_understood.len()), (2, 1));
    }
}
