//! Which way a reply takes: routing rules, tables, routes. Pure.

use std::net::IpAddr;

use eic_doctor_proto::Verdict;
use ipnet::IpNet;

use crate::checks::packet_filter::Tri;
use crate::checks::source::{Source, Span, shown};
use crate::facts::{AddressFamily, OwnAddress, Route, RouteKind, RoutingRule, RuleAction};

pub(super) const MAIN_TABLE: u32 = 254;
/// Stands for a source that nobody named: an address that nobody has (RFC 5737, RFC 3849), so that no route to a real net is for it.
pub(super) const NOBODY: [&str; 2] = ["203.0.113.1", "2001:db8::1"];
/// More rules than are asked for one reply: `goto` could go in circles.
pub(super) const STEPS: usize = 1_024;

pub(super) struct Way<'a> {
    pub(super) rules: &'a [RoutingRule],
    pub(super) routes: &'a [Route],
    pub(super) port: u16,
}

/// What is wrong with a reply's way.
#[derive(Clone, Debug)]
pub(super) enum Reply<'a> {
    LeavesBy(&'a Route),
    Refused(Option<&'a Route>),
    NoRoute,
}

impl Reply<'_> {
    pub(super) fn words(&self, own: &OwnAddress, to: &str) -> String {
        let from = format!("replies from {} ({}) to {to}", own.address.addr(), own.interface);
        match self {
            Self::LeavesBy(route) => {
                let names: Vec<String> = route.interfaces.iter().map(ToString::to_string).collect();
                format!("{from} leave by {}, by the route {}", names.join(" and "), route_words(route))
            }
            Self::Refused(Some(route)) => format!("{from} are refused by the route {}", route_words(route)),
            Self::Refused(None) => format!("{from} are refused by a routing rule"),
            Self::NoRoute => format!("{from} have no route: there is no default route that they could take"),
        }
    }
}

pub(super) fn route_words(route: &Route) -> String {
    let destination =
        if route.destination.prefix_len() == 0 { "default".to_owned() } else { shown(&route.destination) };
    let table = if route.table == MAIN_TABLE { String::new() } else { format!(" of table {}", route.table) };
    format!("`{destination}`{table}")
}

impl<'a> Way<'a> {
    /// The portions of the source to which replies do not leave as they should.
    pub(super) fn judge(&self, own: &OwnAddress, source: &Source) -> Result<Vec<(Span, Reply<'a>)>, Verdict> {
        let mut bad = Vec::new();
        for portion in self.portions(source)? {
            match self.reply(own, &portion) {
                Ok(None) => {}
                Ok(Some(reply)) => bad.push((portion, reply)),
                Err(what) => {
                    let why = format!("whether replies to {} leave by {} hangs on {what}", source.words, own.interface);
                    return Err(Verdict::unknown(why));
                }
            }
        }
        Ok(bad)
    }

    pub(super) fn portions(&self, source: &Source) -> Result<Vec<Span>, Verdict> {
        if !source.is_known() {
            let nobody = NOBODY.iter().filter_map(|address| address.parse::<IpAddr>().ok());
            return Ok(nobody.filter(|address| address.is_ipv4() == source.is_ipv4).map(Span::of_address).collect());
        }
        let nets = self
            .routes
            .iter()
            .map(|route| &route.destination)
            .chain(self.rules.iter().filter_map(|rule| rule.to.as_ref()));
        let many = "the routes tell more sources apart than are followed";
        source.portions(nets.map(Span::of_net)).ok_or_else(|| Verdict::unknown(many))
    }

    pub(super) fn is_whole(&self, source: &Source, spans: &[Span]) -> bool {
        self.portions(source).is_ok_and(|portions| portions.len() == spans.len())
    }

    /// What is wrong with a reply from this address, nothing, or what it hangs on.
    pub(super) fn reply(&self, own: &OwnAddress, to: &Span) -> Result<Option<Reply<'a>>, String> {
        let family = if own.address.addr().is_ipv4() { AddressFamily::Ipv4 } else { AddressFamily::Ipv6 };
        let rules: Vec<&RoutingRule> = self.rules.iter().filter(|rule| rule.family == family).collect();
        let mut possible: Vec<Option<Reply<'a>>> = Vec::new();
        let mut doubt = None;
        let (mut index, mut steps) = (0, 0);
        while let Some(rule) = rules.get(index) {
            index += 1;
            steps += 1;
            if steps > STEPS {
                return Err("routing rules that go in circles".to_owned());
            }
            let matches = self.matches(rule, own, to);
            if matches == Tri::No {
                continue;
            }
            let end = match rule.action {
                RuleAction::Nop => continue,
                RuleAction::Goto(priority) => {
                    if matches == Tri::Maybe {
                        return Err(format!("the routing rule of priority {}", rule.priority));
                    }
                    index = rules.iter().position(|rule| rule.priority >= priority).unwrap_or(rules.len());
                    continue;
                }
                RuleAction::Refuse => Some(Some(Reply::Refused(None))),
                RuleAction::Lookup(table) => self.lookup(table, rule.suppress_prefix_length, own, to)?,
            };
            let Some(end) = end else { continue };
            possible.push(end);
            if matches == Tri::Yes {
                return decided(possible, doubt);
            }
            doubt.get_or_insert_with(|| format!("the routing rule of priority {}", rule.priority));
        }
        possible.push(Some(Reply::NoRoute));
        decided(possible, doubt)
    }

    /// The most specific route of a table and, of several, the one of the lowest metric; `None`: the next rule is asked.
    fn lookup(
        &self,
        table: u32,
        suppressed: Option<u32>,
        own: &OwnAddress,
        to: &Span,
    ) -> Result<Option<Option<Reply<'a>>>, String> {
        let leads_there = |route: &&&Route| route.table == table && Span::of_net(&route.destination).contains(to);
        let rank = |route: &&Route| (std::cmp::Reverse(route.destination.prefix_len()), route.metric);
        let Some(best) = self.routes.iter().filter(|route| leads_there(&route)).min_by_key(rank) else {
            return Ok(None);
        };
        if suppressed.is_some_and(|length| u32::from(best.destination.prefix_len()) <= length) {
            return Ok(None);
        }
        match best.kind {
            RouteKind::Throw => return Ok(None),
            RouteKind::Refuse => return Ok(Some(Some(Reply::Refused(Some(best))))),
            RouteKind::Unicast => {}
        }
        let equal = self.routes.iter().filter(|route| leads_there(&route) && rank(route) == rank(&best));
        let mut others = equal.flat_map(|route| &route.interfaces).map(|interface| *interface == own.interface);
        match (others.next(), others.next()) {
            (Some(is_own), None) => Ok(Some((!is_own).then_some(Reply::LeavesBy(best)))),
            (Some(first), Some(second)) if first == second && others.all(|other| other == first) => {
                Ok(Some((!first).then_some(Reply::LeavesBy(best))))
            }
            _ => Err(format!("which of the next hops of the route {} is taken", route_words(best))),
        }
    }

    fn matches(&self, rule: &RoutingRule, own: &OwnAddress, to: &Span) -> Tri {
        let mut all = Tri::Yes;
        let mut and = |holds: Tri| all = all.and(holds);
        let of = |holds: bool| if holds { Tri::Yes } else { Tri::No };
        let inside = |net: &IpNet, span: &Span| {
            let net = Span::of_net(net);
            match (net.contains(span), net.overlaps(span)) {
                (true, _) => Tri::Yes,
                (false, false) => Tri::No,
                (false, true) => Tri::Maybe,
            }
        };
        if let Some(from) = &rule.from {
            and(inside(from, &Span::of_address(own.address.addr())));
        }
        if let Some(net) = &rule.to {
            and(inside(net, to));
        }
        if let Some(interface) = &rule.input_interface {
            // What this host sends itself comes from `lo`.
            and(of(interface.raw() == "lo"));
        }
        if rule.output_interface.is_some() {
            // sshd's sockets are bound to no interface.
            and(Tri::No);
        }
        if let Some((mark, mask)) = rule.mark {
            // A mark is zero until a packet filter sets one.
            and(of(mark & mask == 0));
        }
        if let Some((first, last)) = rule.users {
            and(of((first..=last).contains(&0)));
        }
        if let Some(protocol) = rule.protocol {
            and(of(protocol == 6));
        }
        if let Some((first, last)) = rule.source_ports {
            and(of((first..=last).contains(&self.port)));
        }
        if let Some((first, last)) = rule.destination_ports {
            and(if last < 1_024 {
                Tri::No
            } else if first <= 1_024 && last >= 65_534 {
                Tri::Yes
            } else {
                Tri::Maybe
            });
        }
        if rule.not_understood.is_some() {
            and(Tri::Maybe);
        }
        if rule.is_not { all.not() } else { all }
    }
}

/// All possible ends are alike, or nobody knows.
pub(super) fn decided<'a>(
    possible: Vec<Option<Reply<'a>>>,
    doubt: Option<String>,
) -> Result<Option<Reply<'a>>, String> {
    let is_bad: Vec<bool> = possible.iter().map(Option::is_some).collect();
    if is_bad.contains(&true) && is_bad.contains(&false) {
        return Err(doubt.unwrap_or_else(|| "its routing rules".to_owned()));
    }
    Ok(possible.into_iter().last().flatten())
}
