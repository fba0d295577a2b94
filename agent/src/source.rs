//! The addresses that a connection may come from, taken apart where rules judge them differently. Pure.

use std::net::{IpAddr, Ipv4Addr};

use eic_doctor_proto::{Attempt, Via, ranges};
use ipnet::{IpNet, Ipv4Net};

use crate::facts::OsFacts;

/// So many addresses are tried one by one where a pattern does not fall on the borders of networks.
const EACH: u32 = 256;

/// Where the connection comes from; `None` where nobody said.
pub fn of(facts: &OsFacts, attempt: &Attempt) -> Option<Vec<IpNet>> {
    let region = [&facts.imds.as_root.region, &facts.imds.as_keys_user.region];
    let region = region.into_iter().find_map(|answer| answer.known().filter(|answer| answer.status == 200));
    nets(attempt, region.map(|region| region.body.raw()))
}

/// As [`of`], in the Region of this name: what was found out at AWS, what was given, or the range that was published of the Region.
pub fn nets(attempt: &Attempt, region: Option<&str>) -> Option<Vec<IpNet>> {
    if !attempt.known_sources.is_empty() {
        return Some(attempt.known_sources.clone());
    }
    if let Some(source) = attempt.source {
        return Some(vec![source]);
    }
    let ranges = ranges::of(region.filter(|_| attempt.via == Via::Browser)?)?;
    let is_ipv4 = attempt.address.is_none_or(|address| address.is_ipv4());
    let nets: Vec<IpNet> = ranges.into_iter().filter(|range| range.addr().is_ipv4() == is_ipv4).collect();
    Some(nets).filter(|nets| !nets.is_empty())
}

/// One address of each part of `from` that no border divides.
pub fn representatives(from: &[IpNet], borders: &[IpNet]) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for net in from {
        let first = net.network();
        let inside = borders.iter().filter(|border| net.contains(*border) && *border != net);
        // A part begins where the source, a border or what follows a border begins.
        let starts = inside.flat_map(|border| [Some(border.network()), following(border.broadcast())]);
        for address in [Some(first)].into_iter().chain(starts).flatten() {
            if net.contains(&address) && !found.contains(&address) {
                found.push(address);
            }
        }
    }
    found
}

/// Each address, or `None` where they are too many.
pub fn each(from: &[IpNet]) -> Option<Vec<IpAddr>> {
    let mut found = Vec::new();
    for net in from {
        match net {
            net if net.prefix_len() == net.max_prefix_len() => found.push(net.addr()),
            IpNet::V4(net) if 1_u32.checked_shl(32 - u32::from(net.prefix_len())).is_some_and(|size| size <= EACH) => {
                let (first, last) = (u32::from(net.network()), u32::from(net.broadcast()));
                found.extend((first..=last).map(|address| IpAddr::V4(Ipv4Addr::from(address))));
            }
            _ => return None,
        }
    }
    Some(found)
}

/// `10.*`, `10.0.*`, `192.0.2.*` as networks: the patterns that people write. `None` for any other.
pub fn of_wildcard(pattern: &str) -> Option<IpNet> {
    let stem = pattern.strip_suffix(".*")?;
    let octets: Vec<u8> = stem.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    let length = u8::try_from(octets.len()).ok().filter(|length| (1..=3).contains(length))?;
    // `010.*` fits no address, since sshd writes none so.
    if octets.iter().map(u8::to_string).collect::<Vec<_>>().join(".") != stem {
        return None;
    }
    let mut bytes = [0; 4];
    bytes.iter_mut().zip(octets).for_each(|(byte, octet)| *byte = octet);
    Ipv4Net::new(Ipv4Addr::from(bytes), length * 8).ok().map(IpNet::V4)
}

/// A pattern with `*` and `?` against the whole of `text`, as sshd's `match_pattern` and fnmatch(3) have it.
pub fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where the last `*` stood, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(at) {
        match (pattern.get(place), star) {
            (Some('*'), _) => {
                star = Some((place, at));
                place += 1;
            }
            (Some(expected), _) if *expected == '?' || expected == character => {
                (at, place) = (at + 1, place + 1);
            }
            (_, Some((stood, taken))) => {
                star = Some((stood, taken + 1));
                (at, place) = (taken + 1, stood + 1);
            }
            _ => return false,
        }
    }
    pattern.get(place..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

fn following(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(address) => u128::from(address).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::{nets as nets_of, *};

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn shown(addresses: Vec<IpAddr>) -> Vec<String> {
        addresses.iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn what_was_found_out_comes_before_what_was_given_and_that_before_what_was_published() {
        let browser = Attempt { via: Via::Browser, ..Attempt::usual() };
        assert_eq!(nets_of(&browser, None), None);
        assert_eq!(nets_of(&browser, Some("eu-west-1")), Some(nets(&["18.202.216.48/29"])));
        assert_eq!(nets_of(&Attempt { via: Via::Public, ..browser.clone() }, Some("eu-west-1")), None);
        let known_sources = nets(&["192.0.2.0/29", "192.0.2.8/29"]);
        assert_eq!(
            nets_of(&Attempt { known_sources: known_sources.clone(), ..browser }, None),
            Some(known_sources.clone())
        );
        // An endpoint's own address is what the instance sees, whoever comes through it.
        let client =
            Attempt { via: Via::Endpoint, source: Some("203.0.113.7/32".parse().unwrap()), ..Attempt::usual() };
        assert_eq!(nets_of(&client, None), Some(nets(&["203.0.113.7/32"])));
        assert_eq!(nets_of(&Attempt { known_sources: known_sources.clone(), ..client }, None), Some(known_sources));
    }

    #[test]
    fn each_part_that_rules_could_judge_differently_is_represented() {
        let from = nets(&["10.0.0.0/8"]);
        assert_eq!(shown(representatives(&from, &nets(&["192.168.0.0/16", "10.0.0.0/8"]))), ["10.0.0.0"]);
        let found = shown(representatives(&from, &nets(&["10.0.0.0/16", "10.0.1.0/24", "10.255.0.0/16"])));
        assert_eq!(found, ["10.0.0.0", "10.1.0.0", "10.0.1.0", "10.0.2.0", "10.255.0.0"]);
        let found = shown(representatives(&nets(&["2001:db8::/32"]), &nets(&["2001:db8:1::/48", "::/0"])));
        assert_eq!(found, ["2001:db8::", "2001:db8:1::", "2001:db8:2::"]);
    }

    #[test]
    fn few_addresses_are_listed_and_many_are_not() {
        assert_eq!(shown(each(&nets(&["203.0.113.8/30", "2001:db8::1/128"])).unwrap()).len(), 5);
        assert_eq!(each(&nets(&["10.0.0.0/8"])), None);
        assert_eq!(each(&nets(&["2001:db8::/56"])), None);
    }

    #[test]
    fn patterns_fit_as_sshd_has_them() {
        for (text, pattern, expected) in [
            ("ec2-user", "ec2-*", true),
            ("ec2-user", "*user", true),
            ("ec2-user", "ec?-user", true),
            ("ec2-user", "ec2", false),
            ("", "*", true),
            ("", "", true),
            ("a", "", false),
            ("aaab", "*a*b", true),
            ("aaa", "*a*b", false),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn wildcards_at_the_end_of_octets_are_networks() {
        let found = |pattern| of_wildcard(pattern).map(|net| net.to_string());
        assert_eq!(found("10.*").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(found("192.0.2.*").as_deref(), Some("192.0.2.0/24"));
        for other in ["*", "10.1*", "010.*", "1.2.3.4.*", "a.*", "10.*.*"] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
