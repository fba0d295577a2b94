//! Patterns of users, groups, hosts and addresses (OpenSSH `match.c`, `addrmatch.c`), also over whole networks.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

/// Addresses that are tried one by one; a larger network is compared as a whole.
const TRIED: usize = 64;

/// Whether something holds for all of what it is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    #[default]
    No,
    /// For some, or nobody can tell.
    Perhaps,
    Yes,
}

impl Holds {
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    fn from_all(answers: impl IntoIterator<Item = bool>) -> Self {
        let mut all: Option<Self> = None;
        for answer in answers {
            let answer = if answer { Self::Yes } else { Self::No };
            all = Some(match all {
                None => answer,
                Some(before) if before == answer => answer,
                Some(_) => Self::Perhaps,
            });
        }
        all.unwrap_or_default()
    }
}

/// `?` is one character, `*` any number of them.
pub fn matches(text: &str, pattern: &str) -> bool {
    // Byte by byte, as sshd does; the last `*` is where a wrong guess goes on from, so this takes at most the product of the lengths.
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (mut at, mut in_pattern) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                star = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(wanted) if *wanted == b'?' || Some(wanted) == text.get(at) => {
                at += 1;
                in_pattern += 1;
            }
            _ => match star {
                Some((place, from)) => {
                    star = Some((place, from + 1));
                    (at, in_pattern) = (from + 1, place + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(in_pattern).all(|rest| *rest == b'*')
}

/// A comma-separated list, `!` before a pattern excludes.
pub fn list_matches(text: &str, list: &str) -> bool {
    any_matches(&[text], list)
}

/// A list against a user's groups: one that is excluded excludes the user.
pub fn any_matches(texts: &[&str], list: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        let (is_negated, pattern) = negated(pattern);
        if texts.iter().any(|text| matches(text, pattern)) {
            if is_negated {
                return false;
            }
            found = true;
        }
    }
    found
}

/// What is wrong with a list of addresses: an empty entry, or a network with bits set behind its length.
pub fn address_list_error(list: &str) -> Option<String> {
    list.split(',').find_map(|entry| match negated(entry).1 {
        "" => Some(format!("an empty entry in `{list}`")),
        entry => {
            matches!(network(entry), Network::Inconsistent).then(|| format!("`{entry}` has bits set behind its length"))
        }
    })
}

/// A list of addresses, networks and patterns against every address of `from`.
pub fn addresses_match(from: &[IpNet], list: &str) -> Holds {
    let one_by_one: Option<Vec<IpAddr>> = from.iter().try_fold(Vec::new(), |mut all, net| {
        let hosts = net.max_prefix_len() - net.prefix_len();
        if hosts > 6 || all.len() > TRIED {
            return None;
        }
        all.extend(each_address(net));
        Some(all)
    });
    if let Some(addresses) = one_by_one {
        return Holds::from_all(addresses.iter().map(|address| address_matches(*address, list)));
    }
    // Each network against each entry; an entry that covers a part of it decides for a part.
    let of_net = |net: &IpNet| {
        let mut found = Holds::No;
        let mut excluded = Holds::No;
        for entry in list.split(',') {
            let (is_negated, entry) = negated(entry);
            let holds = covers(entry, net);
            if is_negated {
                excluded = excluded.max(holds);
            } else {
                found = found.max(holds);
            }
        }
        match excluded {
            Holds::Yes => Holds::No,
            Holds::Perhaps => found.min(Holds::Perhaps),
            Holds::No => found,
        }
    };
    let mut answers = from.iter().map(of_net);
    let Some(first) = answers.next() else { return Holds::No };
    answers.fold(first, |all, next| if all == next { all } else { Holds::Perhaps })
}

fn address_matches(address: IpAddr, list: &str) -> bool {
    let mut found = false;
    for entry in list.split(',') {
        let (is_negated, entry) = negated(entry);
        let holds = match network(entry) {
            Network::Is(net) => net.contains(&address),
            Network::Inconsistent => false,
            Network::NotOne => matches(&address.to_string(), entry),
        };
        if holds {
            if is_negated {
                return false;
            }
            found = true;
        }
    }
    found
}

fn covers(entry: &str, net: &IpNet) -> Holds {
    match network(entry) {
        Network::Is(entry) if entry.contains(net) => Holds::Yes,
        Network::Is(entry) if net.contains(&entry) => Holds::Perhaps,
        Network::Is(_) | Network::Inconsistent => Holds::No,
        Network::NotOne if !entry.is_empty() && entry.chars().all(|c| c == '*') => Holds::Yes,
        Network::NotOne => Holds::Perhaps,
    }
}

fn each_address(net: &IpNet) -> Vec<IpAddr> {
    net.subnets(net.max_prefix_len()).map_or_else(|_| vec![net.addr()], |single| single.map(|one| one.addr()).collect())
}

fn negated(pattern: &str) -> (bool, &str) {
    pattern.strip_prefix('!').map_or((false, pattern), |rest| (true, rest))
}

enum Network {
    Is(IpNet),
    /// `10.0.0.1/8`: sshd takes it for a mistake.
    Inconsistent,
    NotOne,
}

fn network(text: &str) -> Network {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let Some(address) = numeric(address) else { return Network::NotOne };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length.map(str::parse::<u8>) {
        None => most,
        Some(Ok(length)) if length <= most => length,
        Some(Ok(length)) if length <= 128 => return Network::Inconsistent,
        Some(_) => return Network::NotOne,
    };
    match IpNet::new(address, length) {
        Ok(net) if net.trunc() == net => Network::Is(net),
        Ok(_) => Network::Inconsistent,
        Err(_) => Network::NotOne,
    }
}

/// As getaddrinfo(3) reads a numeric host: also `10.1` for 10.0.0.1.
fn numeric(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let mut parts = Vec::new();
    for part in text.split('.') {
        let number = match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
            None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok()?,
            None if part.chars().all(|c| c.is_ascii_digit()) => part.parse().ok()?,
            None => return None,
        };
        parts.push(number);
    }
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let bits = 8 * (4 - u32::try_from(first.len()).ok()?);
    if bits < 32 && *last >= 1 << bits {
        return None;
    }
    let high = first.iter().fold((0, 32), |(sum, shift), part| (sum | part << (shift - 8), shift - 8)).0;
    Some(IpAddr::V4(Ipv4Addr::from(high | last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(from: &str, list: &str) -> Holds {
        addresses_match(&[from.parse().unwrap()], list)
    }

    #[test]
    fn stars_and_question_marks_match_as_in_openssh() {
        for (text, pattern, expected) in [
            ("ec2-user", "ec2-*", true),
            ("ec2-user", "*user", true),
            ("ec2-user", "ec?-user", true),
            ("ec2-user", "*", true),
            ("ec2-user", "EC2-user", false),
            ("", "*", true),
            ("", "", true),
            ("a", "", false),
            ("aab", "*ab", true),
            ("aab", "a?", false),
        ] {
            assert_eq!(matches(text, pattern), expected, "{text} {pattern}");
        }
        let long = "a".repeat(2_000);
        assert!(!matches(&long, &("a*".repeat(500) + "b")));
    }

    #[test]
    fn an_excluded_name_is_excluded_wherever_it_stands() {
        assert!(list_matches("ec2-user", "root,ec2-*"));
        assert!(!list_matches("ec2-user", "*,!ec2-user"));
        assert!(!list_matches("ec2-user", "!ec2-user"));
        assert!(!list_matches("ec2-user", "!root"));
        assert!(any_matches(&["wheel", "adm"], "adm"));
        assert!(!any_matches(&["wheel", "adm"], "adm,!wheel"));
    }

    #[test]
    fn an_address_is_matched_by_network_or_by_pattern() {
        for list in ["10.0.0.0/8", "10.1.2.3", "192.168.*,10.1.*", "!10.2.0.0/16,10.0.0.0/8", "10.66051"] {
            assert_eq!(holds("10.1.2.3/32", list), Holds::Yes, "{list}");
        }
        for list in ["10.0.0.0/8,!10.1.0.0/16", "!10.1.2.3", "2001:db8::/32", "10.1.2.30", ""] {
            assert_eq!(holds("10.1.2.3/32", list), Holds::No, "{list}");
        }
        assert_eq!(holds("2001:db8::7/128", "2001:db8::/32"), Holds::Yes);
    }

    #[test]
    fn a_network_of_which_a_part_matches_is_neither_in_nor_out() {
        assert_eq!(holds("10.0.0.0/8", "10.0.0.0/8"), Holds::Yes);
        assert_eq!(holds("10.0.0.0/8", "10.1.0.0/16"), Holds::Perhaps);
        assert_eq!(holds("10.0.0.0/8", "*,!10.1.0.0/16"), Holds::Perhaps);
        assert_eq!(holds("10.0.0.0/8", "192.168.0.0/16"), Holds::No);
        assert_eq!(holds("10.0.0.0/8", "!10.0.0.0/8,*"), Holds::No);
        assert_eq!(holds("18.202.216.48/29", "18.202.216.48/30"), Holds::Perhaps);
        assert_eq!(holds("18.202.216.48/29", "18.202.216.48/30,18.202.216.52/30"), Holds::Yes);
        assert_eq!(holds("0.0.0.0/0", "10.*"), Holds::Perhaps);
    }

    #[test]
    fn a_network_with_bits_behind_its_length_is_a_mistake() {
        assert!(address_list_error("10.0.0.1/8").is_some());
        assert!(address_list_error("10.0.0.0/8,").is_some());
        assert_eq!(address_list_error("10.0.0.0/8,!192.168.1.1,*.example.com,10.0.0.0/129"), None);
        assert!(address_list_error("10.0.0.0/33").is_some());
    }
}
