//! Would the packets of an attempt pass the rules of this host? Follows the kernel: base chains in the order of their hooks and
//! priorities, rules from the first, a verdict where one is certain, and every possible one where a test is not understood.

use std::collections::HashMap;

use eic_doctor_proto::{Fact, Untrusted, Verdict};

use crate::facts::{AddressSet, Base, Chain, Field, Hook, OsFacts, Rule, Ruleset, TableFamily, Target, Test, Value};

use super::arrival::Arrival;
use super::source::{Source, Span};

pub mod owner;
mod packet;

use packet::Packet;
pub use packet::{Passage, Tri};

/// Rules looked at in one run; a ruleset of thousands of rules and a source of hundreds of portions stay below.
const STEPS: usize = 400_000;
/// The kernel's own limit (`NFT_JUMP_STACK_SIZE`).
const DEPTH: usize = 16;

/// What is asked of the rules.
pub struct Question<'a> {
    pub rulesets: Vec<&'a Ruleset>,
    pub source: &'a Source,
    pub arrival: &'a Arrival<'a>,
    pub port: u16,
}

/// The rules of both kinds that the kernel has; none: nothing filters.
pub fn rulesets(facts: &OsFacts) -> Result<Vec<&Ruleset>, Verdict> {
    let nf_tables = facts.firewall.nf_tables.present("the rules of nftables")?;
    let ip_tables = facts.firewall.ip_tables.present("the rules of iptables")?;
    Ok(nf_tables.into_iter().chain(ip_tables).collect())
}

/// Where a packet met its end, or may have.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub ruleset: &'a Ruleset,
    /// The base chain that it came by.
    pub base: &'a Chain,
    pub chain: &'a Chain,
    /// `None`: no rule, but the base chain's policy.
    pub rule: Option<&'a Rule>,
}

#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    Refused(Place<'a>),
    /// Another port or address gets the packet.
    Redirected(Place<'a>),
    /// A verdict hangs on what cannot be told from here, in these words.
    Undecided(Place<'a>, String),
}

/// What becomes of the packets from one portion of the source; nothing to tell means that they pass.
#[derive(Clone, Debug)]
pub struct Portion<'a> {
    pub span: Span,
    pub outcomes: Vec<(Passage, Outcome<'a>)>,
}

impl Portion<'_> {
    pub fn is_refused(&self) -> bool {
        self.outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Refused(_)))
    }
}

pub struct Answer<'a> {
    pub portions: Vec<Portion<'a>>,
    /// Rules that refuse only while a rate is exceeded or the like.
    pub usually_silent: Vec<Place<'a>>,
}

/// The answer, or why there are too many rules for one. Rules for which `is_left_out` says so are passed over as if they were not there.
pub fn ask<'a>(
    question: &'a Question<'a>,
    is_left_out: &dyn Fn(&Chain, &Rule) -> bool,
) -> Result<Answer<'a>, &'static str> {
    let cuts = question.rulesets.iter().flat_map(|ruleset| cuts(ruleset));
    let spans = question.source.portions(cuts).ok_or("the rules tell more sources apart than are followed")?;
    let mut answer = Answer { portions: Vec::new(), usually_silent: Vec::new() };
    let mut steps = STEPS;
    for span in spans {
        let mut outcomes = Vec::new();
        for passage in Passage::ALL {
            for ruleset in &question.rulesets {
                let packet = Packet::of(question, passage, span);
                let mut walk = Walk {
                    ruleset,
                    packet,
                    is_left_out,
                    known: HashMap::new(),
                    steps: &mut steps,
                    usually_silent: &mut answer.usually_silent,
                };
                outcomes.extend(walk.base_chains().into_iter().map(|outcome| (passage, outcome)));
            }
            if steps == 0 {
                return Err("there are more rules than are followed");
            }
        }
        answer.portions.push(Portion { span, outcomes });
    }
    Ok(answer)
}

/// Every address or net that a rule or a set names.
fn cuts(ruleset: &Ruleset) -> Vec<Span> {
    let in_rules =
        ruleset.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.tests).flat_map(|test| match test {
            Test::Is { any_of, .. } | Test::IsNot { any_of, .. } => any_of.iter().collect(),
            Test::Are { any_of, .. } | Test::AreNot { any_of, .. } => any_of.iter().flatten().collect(),
            Test::In { .. } | Test::NotIn { .. } | Test::Usually(_) | Test::NotUnderstood(_) => Vec::new(),
        });
    let in_sets = ruleset.sets.iter().filter_map(|set| set.elements.known()).flatten().flatten();
    in_rules.chain(in_sets).filter_map(Span::of_value).collect()
}

/// All that may become of a packet in a chain.
#[derive(Clone, Default)]
struct Ends<'a> {
    accepted: Option<Place<'a>>,
    refused: Option<Place<'a>>,
    /// The first of `refused` has it if the packet comes so far; here it certainly ends.
    certain: Option<Place<'a>>,
    redirected: Option<Place<'a>>,
    /// What could not be decided, at the first place where a verdict hangs on it.
    doubt: Option<(Place<'a>, String)>,
    /// It comes out at the end of the chain.
    goes_on: bool,
}

struct Walk<'a, 'b> {
    ruleset: &'a Ruleset,
    packet: Packet<'a>,
    is_left_out: &'b dyn Fn(&Chain, &Rule) -> bool,
    /// Chains that were walked already, by their place in the ruleset: the same packet ends there in the same way.
    known: HashMap<usize, Ends<'a>>,
    steps: &'b mut usize,
    usually_silent: &'b mut Vec<Place<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn base_chains(&mut self) -> Vec<Outcome<'a>> {
        let mut chains: Vec<(usize, &Chain, &Base)> = Vec::new();
        for (index, chain) in self.ruleset.chains.iter().enumerate() {
            if let Some(base) = &chain.base
                && self.packet.comes_by(chain.family, base)
            {
                chains.push((index, chain, base));
            }
        }
        chains.sort_by_key(|(_, _, base)| (base.hook, base.priority));
        let mut outcomes = Vec::new();
        for (index, chain, base) in chains {
            self.packet.enter(base);
            self.known.clear();
            let mut ends = self.chain(index, chain, chain, 0);
            if ends.goes_on {
                let place = Place { ruleset: self.ruleset, base: chain, chain, rule: None };
                if base.drops {
                    ends.refused.get_or_insert(place);
                    ends.certain.get_or_insert(place);
                } else {
                    ends.accepted.get_or_insert(place);
                }
            }
            // On another interface the chain does not even begin.
            if self.packet.is_on(base) == Tri::Maybe && ends.accepted.is_none() {
                let place = Place { ruleset: self.ruleset, base: chain, chain, rule: None };
                ends.accepted = Some(place);
                ends.doubt.get_or_insert((place, "the interface by which packets arrive".to_owned()));
            }
            outcomes.extend(outcome(ends));
        }
        outcomes
    }

    fn chain(&mut self, index: usize, chain: &'a Chain, base: &'a Chain, depth: usize) -> Ends<'a> {
        if let Some(ends) = self.known.get(&index) {
            return ends.clone();
        }
        let mut ends = Ends::default();
        let is_over = self.rules(chain, base, depth, &mut ends);
        ends.goes_on |= !is_over;
        self.known.insert(index, ends.clone());
        ends
    }

    /// Whether the packet certainly got no further than some rule.
    fn rules(&mut self, chain: &'a Chain, base: &'a Chain, depth: usize, ends: &mut Ends<'a>) -> bool {
        for rule in &chain.rules {
            let Some(left) = self.steps.checked_sub(1) else { return false };
            *self.steps = left;
            if (self.is_left_out)(chain, rule) {
                continue;
            }
            let place = Place { ruleset: self.ruleset, base, chain, rule: Some(rule) };
            let (matches, doubt) = self.matches(chain, rule, place);
            if matches == Tri::No {
                continue;
            }
            if rule.untracks {
                self.packet.untrack(matches);
            }
            let mut may_go_on = false;
            let mut inner = Ends::default();
            match &rule.target {
                Target::Continue => continue,
                Target::Accept => inner.accepted = Some(place),
                Target::Drop | Target::Reject => {
                    inner.refused = Some(place);
                    inner.certain = Some(place);
                }
                Target::Redirect if self.packet.is_opening() => inner.redirected = Some(place),
                Target::Redirect => inner.accepted = Some(place),
                Target::Unknown => {
                    inner.accepted = Some(place);
                    inner.refused = Some(place);
                    inner.doubt = Some((place, "what its target does with the packet".to_owned()));
                }
                Target::Return => ends.goes_on = true,
                Target::Jump(name) | Target::Goto(name) => {
                    inner = self.jump(chain, base, name, depth);
                    let is_goto = matches!(rule.target, Target::Goto(_));
                    ends.goes_on |= is_goto && inner.goes_on;
                    may_go_on = !is_goto && inner.goes_on;
                }
            }
            if matches == Tri::Maybe {
                may_go_on = true;
                // A verdict hangs on it, or what comes after. What only counts or logs changes nothing.
                let decides = inner.accepted.or(inner.refused).or(inner.redirected).is_some()
                    || matches!(rule.target, Target::Return | Target::Goto(_));
                inner.doubt = inner.doubt.or(doubt.filter(|_| decides).map(|words| (place, words)));
            }
            ends.accepted = ends.accepted.or(inner.accepted);
            ends.refused = ends.refused.or(inner.refused);
            if matches == Tri::Yes {
                ends.certain = ends.certain.or(inner.certain);
            }
            ends.redirected = ends.redirected.or(inner.redirected);
            if ends.doubt.is_none() {
                ends.doubt = inner.doubt;
            }
            if !may_go_on {
                return true;
            }
        }
        false
    }

    fn jump(&mut self, from: &'a Chain, base: &'a Chain, name: &Untrusted, depth: usize) -> Ends<'a> {
        let is_named = |chain: &Chain| {
            chain.family == from.family && chain.table == from.table && chain.name == *name && chain.base.is_none()
        };
        let goes_on = Ends { goes_on: true, ..Ends::default() };
        // Chains without rules are not kept, nor does the kernel go deeper.
        if depth >= DEPTH {
            return goes_on;
        }
        match self.ruleset.chains.iter().position(is_named) {
            Some(index) => match self.ruleset.chains.get(index) {
                Some(chain) => self.chain(index, chain, base, depth + 1),
                None => goes_on,
            },
            None => goes_on,
        }
    }

    /// And, where that is in doubt, what it hangs on.
    fn matches(&mut self, chain: &Chain, rule: &'a Rule, place: Place<'a>) -> (Tri, Option<String>) {
        let mut doubt = None;
        let mut is_unusual = false;
        for test in &rule.tests {
            if *test == Test::Usually(false) {
                is_unusual = true;
                continue;
            }
            match self.test(chain, test) {
                Tri::Yes => {}
                Tri::No => return (Tri::No, None),
                Tri::Maybe => {
                    doubt.get_or_insert_with(|| words_of_doubt(test));
                }
            }
        }
        if is_unusual {
            if rule.target != Target::Continue && !self.usually_silent.iter().any(|known| known.is(&place)) {
                self.usually_silent.push(place);
            }
            return (Tri::No, None);
        }
        (if doubt.is_some() { Tri::Maybe } else { Tri::Yes }, doubt)
    }

    fn test(&self, chain: &Chain, test: &Test) -> Tri {
        match test {
            Test::Is { field, any_of } => any(any_of.iter().map(|value| self.value(*field, value))),
            Test::IsNot { field, any_of } => any(any_of.iter().map(|value| self.value(*field, value))).not(),
            Test::Are { fields, any_of } => any(any_of.iter().map(|values| self.tuple(fields, values))),
            Test::AreNot { fields, any_of } => any(any_of.iter().map(|values| self.tuple(fields, values))).not(),
            Test::In { fields, set } => self.set(chain, fields, set),
            Test::NotIn { fields, set } => self.set(chain, fields, set).not(),
            Test::Usually(true) => Tri::Yes,
            Test::Usually(false) => Tri::No,
            Test::NotUnderstood(_) => Tri::Maybe,
        }
    }

    fn set(&self, chain: &Chain, fields: &[Field], name: &Untrusted) -> Tri {
        let is_named = |set: &&AddressSet| {
            let is_ipset = set.table.raw().is_empty();
            set.name == *name && (is_ipset || (set.family == chain.family && set.table == chain.table))
        };
        let Some(set) = self.ruleset.sets.iter().find(is_named) else { return Tri::Maybe };
        let Fact::Known(elements) = &set.elements else { return Tri::Maybe };
        let found = any(elements.iter().map(|values| self.tuple(fields, values)));
        // What is not listed here is not about a source that is known.
        let is_whole = !set.has_more || self.packet.has_known_source();
        if found == Tri::No && !is_whole { Tri::Maybe } else { found }
    }

    /// A set of tuples may have more values than the rule has fields only by mistake; then nobody knows.
    fn tuple(&self, fields: &[Field], values: &[Value]) -> Tri {
        if fields.len() != values.len() {
            return Tri::Maybe;
        }
        let mut all = Tri::Yes;
        for (field, value) in fields.iter().zip(values) {
            all = all.and(self.value(*field, value));
        }
        all
    }

    fn value(&self, field: Field, value: &Value) -> Tri {
        match value {
            Value::Any => Tri::Yes,
            Value::NotUnderstood(_) => Tri::Maybe,
            Value::Net(_) | Value::Addresses(..) | Value::Numbers(..) | Value::Word(_) => {
                if let Field::Mark(_) = field
                    && self.ruleset.chains.iter().flat_map(|chain| &chain.rules).any(|rule| rule.marks)
                {
                    return Tri::Maybe;
                }
                self.packet.value(field, value)
            }
        }
    }
}

fn any(values: impl Iterator<Item = Tri>) -> Tri {
    let mut found = Tri::No;
    for value in values {
        match value {
            Tri::Yes => return Tri::Yes,
            Tri::Maybe => found = Tri::Maybe,
            Tri::No => {}
        }
    }
    found
}

fn outcome(ends: Ends<'_>) -> Option<Outcome<'_>> {
    let Ends { accepted, refused, certain, redirected, doubt, .. } = ends;
    match (accepted, refused, redirected) {
        (_, None, None) => None,
        (None, Some(place), None) => Some(Outcome::Refused(certain.unwrap_or(place))),
        (None, None, Some(place)) => Some(Outcome::Redirected(place)),
        (Some(place), _, _) | (None, Some(place), Some(_)) => {
            let (place, words) = doubt.unwrap_or((place, "which of its rules holds".to_owned()));
            Some(Outcome::Undecided(place, words))
        }
    }
}

fn words_of_doubt(test: &Test) -> String {
    match test {
        Test::NotUnderstood(text) => format!("`{text}`"),
        Test::In { set, .. } | Test::NotIn { set, .. } => format!("the set `{set}`"),
        Test::Is { field, .. } | Test::IsNot { field, .. } => format!("the {}", words_of_field(*field)),
        Test::Are { fields, .. } | Test::AreNot { fields, .. } => {
            let words: Vec<&str> = fields.iter().map(|field| words_of_field(*field)).collect();
            format!("the {}", words.join(" and the "))
        }
        Test::Usually(_) => "how often it happens".to_owned(),
    }
}

fn words_of_field(field: Field) -> &'static str {
    match field {
        Field::Family => "address family",
        Field::SourceAddress => "source address",
        Field::DestinationAddress => "destination address",
        Field::Protocol => "protocol",
        Field::SourcePort => "source port",
        Field::DestinationPort => "destination port",
        Field::TcpFlags(_) => "TCP flags",
        Field::InputInterface => "interface by which packets arrive",
        Field::OutputInterface => "interface by which replies leave",
        Field::ConnectionState => "connection's state",
        Field::ConnectionDirection => "connection's direction",
        Field::ConnectionStatus => "connection's status",
        Field::Mark(_) => "packet's mark",
        Field::SourceType | Field::DestinationType => "address's type",
        Field::PacketType => "packet's type",
        Field::SocketUser => "user of sshd's socket",
    }
}

impl Place<'_> {
    /// It is this rule of this chain.
    pub fn is_rule(&self, chain: &Chain, rule: &Rule) -> bool {
        std::ptr::eq(self.chain, chain) && self.rule.is_some_and(|own| own.number == rule.number)
    }

    /// The same rule of the same chain.
    pub fn is(&self, other: &Self) -> bool {
        let number = |place: &Self| place.rule.map(|rule| rule.number);
        std::ptr::eq(self.chain, other.chain) && number(self) == number(other)
    }

    /// `ip saddr 203.0.113.0/24 drop`, or `the policy drop`.
    pub fn words(&self) -> String {
        self.rule.map_or_else(|| "policy drop".to_owned(), |rule| rule.text.to_string())
    }

    /// `nft: chain inet filter input, rule handle 7`.
    pub fn at(&self) -> String {
        let Chain { table, name, program, .. } = self.chain;
        let family = match (self.chain.family, program.raw()) {
            // iptables' two programs are the two families.
            (_, program) if program != "nft" => "",
            (TableFamily::Ip, _) => "ip ",
            (TableFamily::Ip6, _) => "ip6 ",
            (TableFamily::Inet, _) => "inet ",
            (TableFamily::Netdev, _) => "netdev ",
        };
        match (self.rule, program.raw()) {
            (None, _) => format!("{program}: chain {family}{table} {name}"),
            (Some(rule), "nft") => format!("{program}: chain {family}{table} {name}, rule handle {}", rule.number),
            (Some(rule), _) => format!("{program}: chain {table} {name}, rule {}", rule.number),
        }
    }
}

/// Where packets in and out come by, first to last.
pub const fn is_inbound(hook: Hook) -> bool {
    matches!(hook, Hook::Ingress | Hook::Prerouting | Hook::Input)
}

/// Rulesets for tests, through the parsers.
#[cfg(test)]
pub mod testing {
    use eic_doctor_proto::Fact;

    use crate::facts::{Ruleset, TableFamily};
    use crate::parse;

    pub fn iptables(save: &str) -> Fact<Ruleset> {
        let parsed = parse::parse_iptables_save(save.as_bytes(), TableFamily::Ip, "iptables");
        assert_eq!(parsed.not_understood, []);
        Fact::Known(parsed.value)
    }

    pub fn nft(objects: &str) -> Fact<Ruleset> {
        let parsed = parse::parse_nft(format!(r#"{{"nftables": [{objects}]}}"#).as_bytes(), false);
        assert_eq!(parsed.not_understood, []);
        Fact::Known(parsed.value.unwrap().ruleset)
    }

    /// As fail2ban's action `nftables` writes it.
    pub fn nft_set(name: &str, elements: &[&str]) -> Fact<Ruleset> {
        let elements: Vec<String> = elements.iter().map(|element| format!("\"{element}\"")).collect();
        nft(&format!(
            r#"{{"set": {{"family": "inet", "name": "{name}", "table": "f2b-table", "type": "ipv4_addr", "handle": 2, "elem": [{}]}}}},
            {{"chain": {{"family": "inet", "table": "f2b-table", "name": "f2b-chain", "handle": 1, "type": "filter", "hook": "input", "prio": -1, "policy": "accept"}}}},
            {{"rule": {{"family": "inet", "table": "f2b-table", "chain": "f2b-chain", "handle": 3, "expr": [
                {{"match": {{"op": "==", "left": {{"payload": {{"protocol": "tcp", "field": "dport"}}}}, "right": 22}}}},
                {{"match": {{"op": "==", "left": {{"payload": {{"protocol": "ip", "field": "saddr"}}}}, "right": "@{name}"}}}},
                {{"reject": {{"type": "icmp", "expr": "port-unreachable"}}}}]}}}}"#,
            elements.join(", ")
        ))
    }
}
