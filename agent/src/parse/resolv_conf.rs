//! What names are looked up with where no name service switch is: `/etc/hosts` (hosts(5)) and `/etc/resolv.conf` (resolv.conf(5)).

use std::net::IpAddr;

use super::text;

/// The C library's own limit (resolv.h: MAXNS).
const SERVERS: usize = 3;
/// MAXDNSRCH.
const DOMAINS: usize = 6;
const ADDRESSES: usize = 16;

/// Whom to ask, and what to put behind a short name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    pub servers: Vec<IpAddr>,
    pub search: Vec<String>,
}

pub fn parse_resolv_conf(bytes: &[u8]) -> ResolvConf {
    let mut found = ResolvConf::default();
    for line in text(bytes).lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                let server: Option<IpAddr> = words.next().and_then(|word| word.split('%').next()?.parse().ok());
                found.servers.extend(server.filter(|_| found.servers.len() < SERVERS));
            }
            // The last one counts.
            Some("search" | "domain") => found.search = words.take(DOMAINS).map(str::to_owned).collect(),
            _ => {}
        }
    }
    found
}

/// The addresses that `/etc/hosts` gives a name, in their order.
pub fn parse_hosts(bytes: &[u8], name: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text(bytes).lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        if found.len() < ADDRESSES && words.any(|word| word.eq_ignore_ascii_case(name)) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_domains_are_read_as_the_c_library_reads_them() {
        let bytes = b"# x\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver x\nnameserver 10.0.0.3\n\
            nameserver 10.0.0.4\ndomain a.example\nsearch b.example c.example\noptions ndots:5\n";
        let found = parse_resolv_conf(bytes);
        let servers: Vec<IpAddr> = ["10.0.0.2", "fe80::1", "10.0.0.3"].map(|word| word.parse().unwrap()).to_vec();
        assert_eq!(found, ResolvConf { servers, search: vec!["b.example".to_owned(), "c.example".to_owned()] });
    }

    #[test]
    fn a_name_of_the_hosts_file_has_all_its_addresses() {
        let bytes = b"127.0.0.1 localhost\n10.0.0.7 eic EIC.example # eic.other\n::1 localhost eic\n";
        assert_eq!(parse_hosts(bytes, "eic.example"), ["10.0.0.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(parse_hosts(bytes, "eic").len(), 2);
        assert!(parse_hosts(bytes, "eic.other").is_empty());
    }
}
