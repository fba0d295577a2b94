//! The addresses that an attempt may come from, and their cut into portions of which each is treated alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use eic_doctor_proto::{Attempt, Via};
use ipnet::IpNet;

use crate::facts::{OsFacts, Value};

/// More portions than any real ruleset makes of one source.
const PORTIONS: usize = 1_024;

/// From the first address to the last, both included, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first: u128,
    pub last: u128,
    pub is_ipv4: bool,
}

/// Where the connection comes from, as far as anybody said.
#[derive(Clone, Debug)]
pub struct Source {
    pub spans: Vec<Span>,
    pub is_ipv4: bool,
    /// `203.0.113.7`, `EC2 Instance Connect's range 18.202.216.48/29`, `a source that is not told`.
    pub words: String,
    /// The nets, where they are known.
    pub nets: Vec<IpNet>,
}

/// Every way means IPv4 unless an address or a source of the other family is named.
pub fn is_ipv4(attempt: &Attempt) -> bool {
    match (attempt.known_sources.first().or(attempt.source.as_ref()), attempt.address) {
        (Some(source), _) => source.addr().is_ipv4(),
        (None, Some(address)) => address.is_ipv4(),
        (None, None) => true,
    }
}

pub fn of(facts: &OsFacts, attempt: &Attempt) -> Source {
    let is_ipv4 = is_ipv4(attempt);
    if let Some(nets) = crate::source::of(facts, attempt) {
        let all: Vec<String> = nets.iter().map(shown).collect();
        let words = match (attempt.via, nets.len()) {
            (Via::Browser, 1) => format!("EC2 Instance Connect's range {}", all.concat()),
            (Via::Browser, _) => format!("EC2 Instance Connect's ranges {}", all.join(", ")),
            _ => all.join(", "),
        };
        return known(nets.iter().map(IpNet::trunc).collect(), is_ipv4, words);
    }
    // Whatever can be the source of a connection from another host.
    let nets: &[&str] = if is_ipv4 {
        &[
            "1.0.0.0-9.255.255.255",
            "10.0.0.0-126.255.255.255",
            "128.0.0.0-169.253.255.255",
            "169.255.0.0-223.255.255.255",
        ]
    } else {
        &["2000::-3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
    };
    let span = |text: &&str| {
        let (first, last) = text.split_once('-')?;
        Some(Span { first: number(first.parse().ok()?), last: number(last.parse().ok()?), is_ipv4 })
    };
    let words = "a source that the attempt does not name".to_owned();
    Source { spans: nets.iter().filter_map(span).collect(), is_ipv4, words, nets: Vec::new() }
}

fn known(nets: Vec<IpNet>, is_ipv4: bool, words: String) -> Source {
    Source { spans: nets.iter().map(Span::of_net).collect(), is_ipv4, words, nets }
}

impl Source {
    pub fn is_known(&self) -> bool {
        !self.nets.is_empty()
    }

    /// Cut wherever one of `cuts` begins or ends. `None` when that makes too many.
    pub fn portions(&self, cuts: impl Iterator<Item = Span>) -> Option<Vec<Span>> {
        let mut borders: Vec<u128> = cuts
            .filter(|cut| cut.is_ipv4 == self.is_ipv4)
            .flat_map(|cut| [Some(cut.first), cut.last.checked_add(1)])
            .flatten()
            .collect();
        borders.sort_unstable();
        borders.dedup();
        let mut portions = Vec::new();
        for span in &self.spans {
            let mut first = span.first;
            let begin = borders.partition_point(|border| *border <= first);
            for border in borders.get(begin..).unwrap_or_default().iter().take_while(|border| **border <= span.last) {
                portions.push(Span { first, last: border - 1, ..*span });
                first = *border;
                if portions.len() > PORTIONS {
                    return None;
                }
            }
            portions.push(Span { first, ..*span });
        }
        Some(portions)
    }
}

impl Span {
    pub fn of_net(net: &IpNet) -> Self {
        Self { first: number(net.network()), last: number(net.broadcast()), is_ipv4: net.addr().is_ipv4() }
    }

    pub fn of_address(address: IpAddr) -> Self {
        Self { first: number(address), last: number(address), is_ipv4: address.is_ipv4() }
    }

    pub fn of_value(value: &Value) -> Option<Self> {
        match value {
            Value::Net(net) => Some(Self::of_net(net)),
            Value::Addresses(first, last) if first.is_ipv4() == last.is_ipv4() => {
                Some(Self { first: number(*first), last: number(*last), is_ipv4: first.is_ipv4() })
            }
            _ => None,
        }
    }

    pub fn contains(&self, other: &Self) -> bool {
        self.is_ipv4 == other.is_ipv4 && self.first <= other.first && other.last <= self.last
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.is_ipv4 == other.is_ipv4 && self.first <= other.last && other.first <= self.last
    }

    /// `203.0.113.7`, `203.0.113.0/29` or `203.0.113.1-203.0.113.9`.
    pub fn words(&self) -> String {
        let (first, last) = (address(self.first, self.is_ipv4), address(self.last, self.is_ipv4));
        let longest = if self.is_ipv4 { 32 } else { 128 };
        let nets = (0..=longest).rev().filter_map(|length| IpNet::new(first, length).ok());
        let exact = nets.take_while(|net| net.network() == first).find(|net| net.broadcast() == last);
        exact.map_or_else(|| format!("{first}-{last}"), |net| shown(&net))
    }
}

/// Of many, the first few.
pub fn words(spans: &[Span]) -> String {
    const SHOWN: usize = 4;
    let mut words: Vec<String> = spans.iter().take(SHOWN).map(Span::words).collect();
    if let Some(more) = spans.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        words.push(format!("{more} more"));
    }
    words.join(", ")
}

/// An address alone without its length.
pub fn shown(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.trunc().to_string() }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn address(number: u128, is_ipv4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if is_ipv4 => Ipv4Addr::from(number).into(),
        _ => Ipv6Addr::from(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Span {
        Span::of_net(&text.parse().unwrap())
    }

    #[test]
    fn a_source_is_cut_where_a_net_begins_or_ends_inside_it() {
        let attempt = Attempt { source: Some("10.0.0.0/29".parse().unwrap()), ..Attempt::usual() };
        let source = of(&OsFacts::default(), &attempt);
        let cuts = ["10.0.0.2/32", "10.0.0.4/30", "0.0.0.0/0", "2001:db8::/32", "10.0.0.8/29"].map(span);
        let portions = source.portions(cuts.into_iter()).unwrap();
        let words: Vec<String> = portions.iter().map(Span::words).collect();
        assert_eq!(words, ["10.0.0.0/31", "10.0.0.2", "10.0.0.3", "10.0.0.4/30"]);
        assert_eq!(source.portions([].into_iter()).unwrap(), [span("10.0.0.0/29")]);
    }

    #[test]
    fn the_last_address_of_all_is_a_border_like_another() {
        let attempt = Attempt { source: Some("::/0".parse().unwrap()), ..Attempt::usual() };
        let portions = of(&OsFacts::default(), &attempt).portions([span("ff00::/8")].into_iter()).unwrap();
        assert_eq!(portions.len(), 2);
        assert_eq!(portions[1].words(), "ff00::/8");
    }

    #[test]
    fn the_browsers_source_is_the_regions_range_of_the_family_that_is_dialled() {
        let mut facts = OsFacts::default();
        let mut attempt = Attempt { via: Via::Browser, ..Attempt::usual() };
        assert!(!of(&facts, &attempt).is_known());
        let region = crate::facts::ImdsAnswer { status: 200, body: "eu-west-1".into(), ..Default::default() };
        facts.imds.as_root.region = eic_doctor_proto::Fact::Known(region);
        assert_eq!(of(&facts, &attempt).words, "EC2 Instance Connect's range 18.202.216.48/29");
        attempt.address = Some("2001:db8::1".parse().unwrap());
        assert_eq!(of(&facts, &attempt).words, "EC2 Instance Connect's range 2a05:d018:403:4e00::/56");
    }
}
