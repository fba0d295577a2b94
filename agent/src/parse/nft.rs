//! The answer of `nft -j list ruleset` (libnftables-json(5)): chains on the way of packets to this host and of its replies.

use std::collections::HashMap;
use std::fmt;

use eic_doctor_proto::{Fact, Untrusted};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use crate::facts::{AddressSet, Base, Chain, Field, Hook, Rule, Ruleset, TableFamily, Target, Test, Value};

use super::{CHARACTERS_KEPT, Parsed, nft_words};

/// Elements of one verdict map; each becomes a rule.
const BRANCHES: usize = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NftListing {
    pub ruleset: Ruleset,
    /// Tables in which rules of iptables hold what nft does not print.
    pub opaque: Vec<(TableFamily, String)>,
}

/// `None`: not a listing at all. `is_terse`: asked for without the elements of sets (`-t`).
pub fn parse_nft(bytes: &[u8], is_terse: bool) -> Parsed<Option<NftListing>> {
    let Ok(Document(builder)) = serde_json::from_slice::<Document>(bytes) else {
        return Parsed::default();
    };
    let mut listing = builder.listing;
    if is_terse {
        for set in &mut listing.ruleset.sets {
            set.elements = Fact::unreadable("it has too many elements to list");
        }
    }
    Parsed { value: Some(listing), not_understood: builder.leftovers.not_understood }
}

#[derive(Default)]
struct Builder {
    listing: NftListing,
    /// Where a chain stands, and the elements of verdict maps, by family, table and name.
    chains: HashMap<(String, String, String), usize>,
    maps: HashMap<(String, String, String), Vec<Json>>,
    leftovers: Parsed<()>,
}

/// `{"nftables": [OBJECT, …]}`, one object held at a time.
struct Document(Builder);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Outer)
    }
}

struct Outer;

impl<'de> Visitor<'de> for Outer {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `nftables`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == "nftables" {
                found = Some(map.next_value::<Objects>()?.0);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        found.map(Document).ok_or_else(|| serde::de::Error::missing_field("nftables"))
    }
}

struct Objects(Builder);

impl<'de> Deserialize<'de> for Objects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Inner).map(Objects)
    }
}

struct Inner;

impl<'de> Visitor<'de> for Inner {
    type Value = Builder;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut objects: A) -> Result<Builder, A::Error> {
        let mut builder = Builder::default();
        while let Some(object) = objects.next_element::<Json>()? {
            builder.add(&object);
        }
        Ok(builder)
    }
}

impl Builder {
    fn add(&mut self, object: &Json) {
        let understood = match only(object) {
            Some(("chain", chain)) => self.add_chain(chain),
            Some(("rule", rule)) => self.add_rule(rule),
            Some(("set", set)) => self.add_set(set),
            Some(("map", map)) => self.add_map(map),
            // Tables, counters, flow tables and the like decide nothing by themselves.
            Some(_) => Some(()),
            None => None,
        };
        if understood.is_none() {
            self.leftovers.pass_over(&object.to_string());
        }
    }

    fn add_chain(&mut self, chain: &Json) -> Option<()> {
        // Frames of a bridge and ARP are no packets to sshd.
        let Some(family) = family(word(chain, "family")?) else { return Some(()) };
        let hook = match word(chain, "hook") {
            None => None,
            Some("ingress") => Some(Hook::Ingress),
            Some("prerouting") => Some(Hook::Prerouting),
            Some("input") => Some(Hook::Input),
            Some("output") => Some(Hook::Output),
            Some("postrouting") => Some(Hook::Postrouting),
            // Forwarding, and a device's egress, which comes after everything else.
            Some("egress") => Some(Hook::Postrouting),
            Some(_) => return Some(()),
        };
        let devices = match chain.get("dev") {
            Some(Json::String(device)) => vec![Untrusted::from(device.as_str())],
            Some(Json::Array(devices)) => devices.iter().filter_map(Json::as_str).map(Untrusted::from).collect(),
            _ => Vec::new(),
        };
        let base = hook.map(|hook| Base {
            hook,
            priority: chain.get("prio").and_then(Json::as_i64).and_then(|prio| prio.try_into().ok()).unwrap_or(0),
            drops: word(chain, "policy") == Some("drop"),
            is_nat: word(chain, "type") == Some("nat"),
            devices,
        });
        let key =
            (word(chain, "family")?.to_owned(), word(chain, "table")?.to_owned(), word(chain, "name")?.to_owned());
        self.chains.insert(key, self.listing.ruleset.chains.len());
        self.listing.ruleset.chains.push(Chain {
            family,
            table: word(chain, "table")?.into(),
            name: word(chain, "name")?.into(),
            program: "nft".into(),
            base,
            rules: Vec::new(),
        });
        Some(())
    }

    fn add_set(&mut self, set: &Json) -> Option<()> {
        let Some(family) = family(word(set, "family")?) else { return Some(()) };
        let types: Vec<Option<Field>> = match set.get("type") {
            Some(Json::String(kind)) => vec![nft_words::field_of_type(kind)],
            Some(Json::Array(kinds)) => {
                kinds.iter().map(|kind| kind.as_str().and_then(nft_words::field_of_type)).collect()
            }
            _ => vec![None],
        };
        let elements = set.get("elem").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        self.listing.ruleset.sets.push(AddressSet {
            table: word(set, "table")?.into(),
            family,
            name: word(set, "name")?.into(),
            elements: Fact::Known(elements.iter().map(|element| element_values(&types, element)).collect()),
            has_more: false,
        });
        Some(())
    }

    fn add_map(&mut self, map: &Json) -> Option<()> {
        if word(map, "map") != Some("verdict") {
            return Some(());
        }
        let key = (word(map, "family")?.to_owned(), word(map, "table")?.to_owned(), word(map, "name")?.to_owned());
        self.maps.insert(key, map.get("elem").and_then(Json::as_array).cloned().unwrap_or_default());
        Some(())
    }

    fn add_rule(&mut self, rule: &Json) -> Option<()> {
        let family_word = word(rule, "family")?;
        let Some(family) = family(family_word) else { return Some(()) };
        let (table, name) = (word(rule, "table")?, word(rule, "chain")?);
        // A chain that was passed over: its rules go with it.
        let key = (family_word.to_owned(), table.to_owned(), name.to_owned());
        let Some(index) = self.chains.get(&key).copied() else { return Some(()) };
        let statements = rule.get("expr").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut text = nft_words::shown(statements);
        if let Some(comment) = word(rule, "comment") {
            text = format!("{text} comment \"{comment}\"");
        }
        let mut building = Building {
            rule: Rule {
                number: rule.get("handle").and_then(Json::as_u64).unwrap_or(0),
                text: text.chars().take(CHARACTERS_KEPT).collect::<String>().into(),
                ..Rule::default()
            },
            branches: None,
            is_opaque: false,
        };
        for statement in statements {
            let (kind, body) = only(statement)?;
            if kind == "vmap" {
                building.branches = Some(self.branches(family_word, table, body));
            } else {
                building.add(kind, body);
            }
        }
        if building.is_opaque && !self.listing.opaque.iter().any(|(at, of)| *at == family && of == table) {
            self.listing.opaque.push((family, table.to_owned()));
        }
        self.listing.ruleset.chains.get_mut(index)?.rules.extend(building.rules());
        Some(())
    }

    /// What a verdict map does with each of its keys.
    fn branches(&self, family: &str, table: &str, vmap: &Json) -> Vec<(Vec<Test>, Target)> {
        let unknown = || vec![(vec![nft_words::not_understood("vmap", vmap)], Target::Unknown)];
        let Some(fields) = vmap.get("key").and_then(nft_words::fields) else { return unknown() };
        let elements = match vmap.get("data") {
            Some(Json::String(name)) => {
                let key = (family.to_owned(), table.to_owned(), name.trim_start_matches('@').to_owned());
                self.maps.get(&key).map(Vec::as_slice)
            }
            Some(set) => set.get("set").and_then(Json::as_array).map(Vec::as_slice),
            None => None,
        };
        let Some(elements) = elements.filter(|elements| elements.len() <= BRANCHES) else { return unknown() };
        let branch = |element: &Json| {
            let [key, verdict] = element.as_array()?.as_slice() else { return None };
            let (kind, body) = only(verdict)?;
            let types: Vec<Option<Field>> = fields.fields.iter().map(|field| Some(*field)).collect();
            let mut tests = fields.implied.clone();
            for (field, value) in fields.fields.iter().zip(element_values(&types, key)) {
                tests.push(Test::Is { field: *field, any_of: vec![value] });
            }
            Some((tests, nft_words::verdict(kind, body)?))
        };
        elements.iter().map(|element| branch(element).unwrap_or_else(|| unknown().remove(0))).collect()
    }
}

struct Building {
    rule: Rule,
    branches: Option<Vec<(Vec<Test>, Target)>>,
    is_opaque: bool,
}

impl Building {
    fn add(&mut self, kind: &str, body: &Json) {
        if let Some(target) = nft_words::verdict(kind, body) {
            self.rule.target = target;
            return;
        }
        match kind {
            "match" => self.rule.tests.extend(nft_words::tests(body)),
            // A rate, a number of connections or an amount: kept unless `inv`, that is `over`.
            "limit" | "quota" | "ct count" => self.rule.tests.push(Test::Usually(!is_inverted(body))),
            // Adding to a set goes on, unless a rate that hangs on it does not hold.
            "set" | "meter" => {
                let statements = body.get("stmt").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
                for (kind, body) in statements.iter().filter_map(only) {
                    self.add(kind, body);
                }
            }
            "notrack" => self.rule.untracks = true,
            "mangle" => {
                let key = body.get("key").map(Json::to_string).unwrap_or_default();
                self.rule.marks |= key.contains("\"mark\"");
            }
            "xt" => {
                self.is_opaque = true;
                let name = word(body, "name").unwrap_or("?");
                if word(body, "type") == Some("match") {
                    self.rule.tests.push(Test::NotUnderstood(format!("iptables' match {name}").into()));
                } else {
                    match name {
                        "LOG" | "NFLOG" | "TCPMSS" | "CHECKSUM" | "AUDIT" => {}
                        "REJECT" => self.rule.target = Target::Reject,
                        _ => {
                            self.rule.tests.push(Test::NotUnderstood(format!("iptables' target {name}").into()));
                            self.rule.target = Target::Unknown;
                        }
                    }
                }
            }
            "counter" | "log" | "last" | "dup" | "comment" | "snat" | "masquerade" | "flow" | "ct helper"
            | "ct timeout" | "ct expectation" | "secmark" | "map" => {}
            _ => {
                self.rule.tests.push(nft_words::not_understood(kind, body));
                self.rule.target = Target::Unknown;
            }
        }
    }

    fn rules(self) -> Vec<Rule> {
        let Some(branches) = self.branches else { return vec![self.rule] };
        let branch = |(tests, target): (Vec<Test>, Target)| Rule {
            tests: self.rule.tests.iter().cloned().chain(tests).collect(),
            target,
            ..self.rule.clone()
        };
        branches.into_iter().map(branch).collect()
    }
}

fn is_inverted(body: &Json) -> bool {
    body.get("inv").and_then(Json::as_bool).unwrap_or(false)
}

fn element_values(types: &[Option<Field>], element: &Json) -> Vec<Value> {
    let element = element.get("elem").and_then(|inner| inner.get("val")).unwrap_or(element);
    let parts = element.get("concat").and_then(Json::as_array).map_or(std::slice::from_ref(element), Vec::as_slice);
    let value = |(index, part): (usize, &Json)| {
        let field = types.get(index).copied().flatten();
        nft_words::value(field, part).unwrap_or_else(|| Value::NotUnderstood(nft_words::short(part)))
    };
    parts.iter().enumerate().map(value).collect()
}

fn family(word: &str) -> Option<TableFamily> {
    Some(match word {
        "ip" => TableFamily::Ip,
        "ip6" => TableFamily::Ip6,
        "inet" => TableFamily::Inet,
        "netdev" => TableFamily::Netdev,
        _ => return None,
    })
}

fn word<'a>(object: &'a Json, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Json::as_str)
}

/// The one name and value of an object.
pub(super) fn only(object: &Json) -> Option<(&str, &Json)> {
    let mut entries = object.as_object()?.iter();
    let (name, value) = entries.next()?;
    entries.next().is_none().then_some((name.as_str(), value))
}
