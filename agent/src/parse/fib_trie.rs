//! `/proc/net/fib_trie`: the machine's own IPv4 addresses.

use std::net::Ipv4Addr;

use super::{Parsed, text};

/// More than any machine has; one with many containers has some hundreds.
const ADDRESSES: usize = 4_096;

/// Each address that the kernel calls `LOCAL`, once, in the table's order. Tables of other routes are passed over in silence.
pub fn parse_fib_trie(bytes: &[u8]) -> Parsed<Vec<Ipv4Addr>> {
    let mut parsed = Parsed::<Vec<Ipv4Addr>>::default();
    let mut leaf: Option<Ipv4Addr> = None;
    for line in text(bytes).lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
            if leaf.is_none() {
                parsed.pass_over(line);
            }
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = leaf
            && parsed.value.len() < ADDRESSES
            && !parsed.value.contains(&address)
        {
            parsed.value.push(address);
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_machine_itself_are_taken_and_each_once() {
        let table = b"Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 10.0.1.0\n        /24 link UNICAST\n\
            Local:\n     |-- 10.0.1.5\n        /32 host LOCAL\n     |-- 10.0.1.255\n        /32 link BROADCAST\n     |-- 10.0.1.5\n        /32 host LOCAL\n     |-- what\n";
        let parsed = parse_fib_trie(table);
        assert_eq!(parsed.value, [Ipv4Addr::new(10, 0, 1, 5)]);
        assert_eq!(parsed.not_understood, ["|-- what".into()]);
    }
}
