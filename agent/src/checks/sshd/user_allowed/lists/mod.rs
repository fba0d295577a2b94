//! sshd's four lists, and what they say of a user from an address.

use std::net::IpAddr;

use eic_doctor_proto::{Evidence, Fact, Untrusted, Verdict};
use ipnet::IpNet;

use crate::checks::account::EFFECTIVE;
use crate::facts::{Account, EffectiveConfig, OsFacts};
use crate::source;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    Yes,
    No,
    /// It hangs on where the connection comes from, or on a name that DNS tells.
    Unsure,
}

impl Fits {
    pub(super) fn of(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unsure, _) | (_, Self::Unsure) => Self::Unsure,
            (Self::No, Self::No) => Self::No,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Allowed,
    Refused(Refusal),
    Unsure(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A pattern of DenyUsers fits.
    Denied(String),
    NotListed,
    /// A pattern of DenyGroups fits the group.
    GroupDenied {
        pattern: String,
        group: String,
    },
    NoGroupListed,
    NoGroups,
}

impl Refusal {
    pub(super) fn keyword(&self) -> &'static str {
        match self {
            Self::Denied(_) => "DenyUsers",
            Self::NotListed => "AllowUsers",
            Self::GroupDenied { .. } => "DenyGroups",
            Self::NoGroupListed | Self::NoGroups => "AllowGroups",
        }
    }
}

/// sshd's four lists, and what their patterns are held against.
pub(super) struct Lists<'a> {
    pub(super) account: &'a Account,
    /// `None`: nobody could look them up.
    pub(super) groups: Option<Vec<&'a str>>,
    pub(super) deny_users: Vec<&'a str>,
    pub(super) allow_users: Vec<&'a str>,
    pub(super) deny_groups: Vec<&'a str>,
    pub(super) allow_groups: Vec<&'a str>,
    pub(super) uses_dns: bool,
}

impl<'a> Lists<'a> {
    /// As they are in effect.
    pub(super) fn of(facts: &'a OsFacts, config: &'a EffectiveConfig, account: &'a Account) -> Self {
        Self::from(facts, config, account, |keyword| config.keywords.get(keyword).into_iter().flatten().collect())
    }

    /// Of the patterns that `values` has for each of their keywords.
    pub(super) fn from(
        facts: &'a OsFacts,
        config: &'a EffectiveConfig,
        account: &'a Account,
        values: impl Fn(&'static str) -> Vec<&'a Untrusted>,
    ) -> Self {
        let values = |keyword| {
            let values = values(keyword).into_iter().map(Untrusted::raw);
            values.filter(|value| !value.is_empty()).collect()
        };
        Self {
            account,
            groups: match &facts.account.groups {
                Fact::Known(groups) => Some(groups.iter().map(|group| group.name.raw()).collect()),
                Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => None,
            },
            deny_users: values("denyusers"),
            allow_users: values("allowusers"),
            deny_groups: values("denygroups"),
            allow_groups: values("allowgroups"),
            uses_dns: config.first("usedns").is_some_and(|value| value.raw() == "yes"),
        }
    }

    fn named(&self) -> [(&'static str, &[&'a str]); 4] {
        [
            ("DenyUsers", &self.deny_users),
            ("AllowUsers", &self.allow_users),
            ("DenyGroups", &self.deny_groups),
            ("AllowGroups", &self.allow_groups),
        ]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named().iter().all(|(_, patterns)| patterns.is_empty())
    }

    pub(super) fn evidence(&self) -> Vec<Evidence> {
        let named = self.named().into_iter().filter(|(_, patterns)| !patterns.is_empty());
        let mut evidence: Vec<Evidence> = named
            .map(|(keyword, patterns)| Evidence::new(format!("{keyword} {}", patterns.join(" ")), EFFECTIVE))
            .collect();
        if let Some(groups) =
            self.groups.as_ref().filter(|_| !self.deny_groups.is_empty() || !self.allow_groups.is_empty())
        {
            evidence.push(Evidence::new(format!("in the groups {}", groups.join(", ")), "group"));
        }
        evidence
    }

    pub(super) fn seen(&self, verdict: Verdict) -> Verdict {
        self.evidence().into_iter().fold(verdict, |verdict, evidence| verdict.seen(evidence.seen, evidence.at))
    }

    fn hosts(&self) -> impl Iterator<Item = &'a str> {
        let patterns = self.deny_users.iter().chain(&self.allow_users);
        patterns.filter_map(|pattern| Some(pattern.rsplit_once('@')?.1)).flat_map(|hosts| hosts.split(','))
    }

    /// Addresses that stand for all of the source; each one of it where a pattern wants to see it.
    pub(super) fn addresses(&self, from: Option<&[IpNet]>) -> Vec<Option<IpAddr>> {
        let Some(from) = from else { return vec![None] };
        let hosts: Vec<&str> = self.hosts().map(|host| host.strip_prefix('!').unwrap_or(host)).collect();
        if hosts.iter().any(|host| *host != "*" && network(host).is_none())
            && let Some(each) = source::each(from)
        {
            return each.into_iter().map(Some).collect();
        }
        let borders: Vec<IpNet> = hosts.into_iter().filter_map(network).collect();
        source::representatives(from, &borders).into_iter().map(Some).collect()
    }

    pub(super) fn answer(&self, address: Option<IpAddr>) -> Answer {
        let fits = |pattern: &str| self.fits_user(pattern, address);
        let mut doubt = None;
        for pattern in &self.deny_users {
            match fits(pattern) {
                Fits::Yes => return Answer::Refused(Refusal::Denied((*pattern).to_owned())),
                Fits::Unsure => doubt = Some("DenyUsers"),
                Fits::No => {}
            }
        }
        if !self.allow_users.is_empty() {
            match self.allow_users.iter().map(|pattern| fits(pattern)).fold(Fits::No, Fits::or) {
                Fits::Yes => {}
                Fits::No => return Answer::Refused(Refusal::NotListed),
                Fits::Unsure => doubt = doubt.or(Some("AllowUsers")),
            }
        }
        if let Some(groups) =
            self.groups.as_ref().filter(|_| !self.deny_groups.is_empty() || !self.allow_groups.is_empty())
        {
            if groups.is_empty() {
                return Answer::Refused(Refusal::NoGroups);
            }
            let hit = |patterns: &[&str]| {
                groups.iter().find_map(|group| {
                    let pattern = patterns.iter().find(|pattern| source::is_like(group, pattern))?;
                    Some(((*pattern).to_owned(), (*group).to_owned()))
                })
            };
            if let Some((pattern, group)) = hit(&self.deny_groups) {
                return Answer::Refused(Refusal::GroupDenied { pattern, group });
            }
            if !self.allow_groups.is_empty() && hit(&self.allow_groups).is_none() {
                return Answer::Refused(Refusal::NoGroupListed);
            }
        }
        doubt.map_or(Answer::Allowed, Answer::Unsure)
    }

    fn fits_user(&self, pattern: &str, address: Option<IpAddr>) -> Fits {
        let name = self.account.name.raw();
        match pattern.rsplit_once('@') {
            None => Fits::of(source::is_like(name, pattern)),
            Some((user, _)) if !source::is_like(name, user) => Fits::No,
            Some((_, hosts)) => self.fits_host(hosts, address),
        }
    }

    /// A list with `!`: one that is excluded excludes, whatever else fits.
    fn fits_host(&self, hosts: &str, address: Option<IpAddr>) -> Fits {
        let mut found = Fits::No;
        for host in hosts.split(',') {
            let (is_excluded, host) = match host.strip_prefix('!') {
                Some(host) => (true, host),
                None => (false, host),
            };
            let fits = match (address, network(host)) {
                _ if host == "*" => Fits::Yes,
                (Some(address), Some(network)) => Fits::of(network.contains(&address)),
                (Some(address), None) if source::is_like(&address.to_string(), &host.to_ascii_lowercase()) => Fits::Yes,
                // What sshd calls the other side is its address, unless it asks DNS.
                (Some(_), None) if !self.uses_dns => Fits::No,
                (Some(_), None) | (None, _) => Fits::Unsure,
            };
            match (fits, is_excluded) {
                (Fits::Yes, true) => return Fits::No,
                (Fits::Unsure, true) => found = if found == Fits::No { Fits::No } else { Fits::Unsure },
                (fits, false) => found = found.or(fits),
                (Fits::No, true) => {}
            }
        }
        found
    }
}

/// An address, a network, or `192.0.2.*`.
pub(super) fn network(host: &str) -> Option<IpNet> {
    if let Some(network) = source::of_wildcard(host) {
        return Some(network);
    }
    host.parse().ok().or_else(|| host.parse::<IpAddr>().ok().map(IpNet::from))
}
