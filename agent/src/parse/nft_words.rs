//! Expressions and verdicts of nft's JSON (libnftables-json(5)).

use eic_doctor_proto::Untrusted;
use serde_json::Value as Json;

use crate::facts::{Field, Target, Test, Value};

use super::nft::only;
use super::packet_words;

/// What stands left of a comparison, and what it takes for granted: `tcp dport` is only in packets of TCP.
pub(super) struct Fields {
    pub fields: Vec<Field>,
    pub implied: Vec<Test>,
}

/// The set's element types whose values need it (`nft describe`).
pub(super) fn field_of_type(kind: &str) -> Option<Field> {
    Some(match kind {
        "ipv4_addr" | "ipv6_addr" => Field::SourceAddress,
        "inet_service" => Field::DestinationPort,
        "inet_proto" => Field::Protocol,
        "mark" => Field::Mark(u32::MAX),
        "ifname" | "iface_index" => Field::InputInterface,
        _ => return None,
    })
}

pub(super) fn verdict(kind: &str, body: &Json) -> Option<Target> {
    let target = || body.get("target").and_then(Json::as_str).map(Untrusted::from);
    Some(match kind {
        "accept" => Target::Accept,
        "drop" => Target::Drop,
        "reject" => Target::Reject,
        "return" => Target::Return,
        "continue" => Target::Continue,
        "jump" => Target::Jump(target()?),
        "goto" => Target::Goto(target()?),
        "redirect" | "dnat" | "tproxy" => Target::Redirect,
        "queue" | "synproxy" | "fwd" => Target::Unknown,
        _ => return None,
    })
}

/// A comparison: `{"op": "==", "left": …, "right": …}`.
pub(super) fn tests(comparison: &Json) -> Vec<Test> {
    understood(comparison).unwrap_or_else(|| vec![not_understood("match", comparison)])
}

fn understood(comparison: &Json) -> Option<Vec<Test>> {
    let operator = comparison.get("op").and_then(Json::as_str)?;
    let (left, right) = (comparison.get("left")?, comparison.get("right")?);
    if let Some(usually) = usually(operator, left, right) {
        return Some(vec![Test::Usually(usually)]);
    }
    if let Some(net) = masked_address(left, right) {
        let Fields { fields, mut implied } = fields(left.get("&")?.get(0)?)?;
        let (field, any_of) = (*fields.first()?, vec![net]);
        implied.push(if operator == "!=" { Test::IsNot { field, any_of } } else { Test::Is { field, any_of } });
        return Some(implied);
    }
    let Fields { fields, implied: mut tests } = fields(left)?;
    let is_not = match operator {
        "==" | "in" | "<" | ">" | "<=" | ">=" => false,
        "!=" | "!" => true,
        _ => return None,
    };
    let Some(field) = fields.first().copied() else { return Some(tests) };
    if let Some(set) = right.as_str().and_then(|name| name.strip_prefix('@')) {
        let set = set.into();
        tests.push(if is_not { Test::NotIn { fields, set } } else { Test::In { fields, set } });
        return Some(tests);
    }
    if fields.len() > 1 {
        let any_of = match right.get("set").and_then(Json::as_array) {
            Some(elements) => elements.iter().map(|element| tuple(&fields, element)).collect::<Option<_>>()?,
            None => vec![tuple(&fields, right)?],
        };
        tests.push(if is_not { Test::AreNot { fields, any_of } } else { Test::Are { fields, any_of } });
        return Some(tests);
    }
    let any_of = match (field, operator, right) {
        (Field::TcpFlags(_), "in" | "!", _) => {
            let Value::Numbers(bits, _) = value(Some(field), right)? else { return None };
            let (field, any_of) = (Field::TcpFlags(bits.try_into().ok()?), vec![Value::Numbers(0, 0)]);
            tests.push(if is_not { Test::Is { field, any_of } } else { Test::IsNot { field, any_of } });
            return Some(tests);
        }
        (_, "<" | ">" | "<=" | ">=", _) => {
            let Value::Numbers(number, _) = value(Some(field), right)? else { return None };
            vec![match operator {
                "<" => Value::Numbers(0, number.checked_sub(1)?),
                "<=" => Value::Numbers(0, number),
                ">" => Value::Numbers(number.checked_add(1)?, u32::MAX),
                _ => Value::Numbers(number, u32::MAX),
            }]
        }
        (Field::TcpFlags(_), _, right) if right.get("set").is_none() => vec![value(Some(field), right)?],
        (_, _, Json::Array(words)) => values(field, words)?,
        (_, _, right) => match right.get("set").and_then(Json::as_array) {
            Some(elements) => values(field, elements)?,
            None => vec![value(Some(field), right)?],
        },
    };
    tests.push(if is_not { Test::IsNot { field, any_of } } else { Test::Is { field, any_of } });
    Some(tests)
}

/// `10.0.0.1 . 22`
fn tuple(fields: &[Field], element: &Json) -> Option<Vec<Value>> {
    let element = element.get("elem").and_then(|elem| elem.get("val")).unwrap_or(element);
    let parts = element.get("concat")?.as_array()?;
    if parts.len() != fields.len() {
        return None;
    }
    fields.iter().zip(parts).map(|(field, part)| value(Some(*field), part)).collect()
}

fn values(field: Field, elements: &[Json]) -> Option<Vec<Value>> {
    elements.iter().map(|element| value(Some(field), element)).collect()
}

/// What holds for every ordinary packet: it is no fragment, and its source is routed to where it came from.
fn usually(operator: &str, left: &Json, right: &Json) -> Option<bool> {
    let is_not = operator == "!=";
    // A header of IPv6 that ordinary packets do not have; without it no comparison holds.
    if left.get("exthdr").is_some() {
        return Some(right == &Json::Bool(is_not));
    }
    if let Some(fib) = left.get("fib") {
        let asks_source = fib.get("flags")?.as_array()?.iter().any(|flag| flag == "saddr");
        let is_missing = right == &Json::Bool(false) || right == &Json::from(0) || right == &Json::from("0");
        let is_there = right == &Json::Bool(true);
        let result = fib.get("result").and_then(Json::as_str)?;
        return (asks_source && result != "type" && (is_missing || is_there)).then_some(is_missing == is_not);
    }
    let [masked, mask] = left.get("&")?.as_array()?.as_slice() else { return None };
    let is_fragment = masked.get("payload")?.get("field").and_then(Json::as_str) == Some("frag-off");
    (is_fragment && mask.as_u64() == Some(8_191) && right.as_u64() == Some(0)).then_some(!is_not)
}

/// `ip saddr & 255.255.0.0 == 10.1.0.0`
fn masked_address(left: &Json, right: &Json) -> Option<Value> {
    let [_, mask] = left.get("&")?.as_array()?.as_slice() else { return None };
    packet_words::addresses(&format!("{}/{}", right.as_str()?, mask.as_str().filter(|mask| mask.contains(['.', ':']))?))
}

pub(super) fn fields(left: &Json) -> Option<Fields> {
    if let Some(parts) = left.get("concat").and_then(Json::as_array) {
        let mut all = Fields { fields: Vec::new(), implied: Vec::new() };
        for part in parts {
            let Fields { fields: part, implied } = fields(part)?;
            all.fields.extend(part);
            all.implied.extend(implied);
        }
        return Some(all);
    }
    if let Some(parts) = left.get("&").and_then(Json::as_array) {
        let [masked, mask] = parts.as_slice() else { return None };
        let Fields { fields, implied } = fields(masked)?;
        let field = match fields.as_slice() {
            [Field::TcpFlags(_)] => {
                let Value::Numbers(bits, _) = value(Some(Field::TcpFlags(0xff)), mask)? else { return None };
                Field::TcpFlags(bits.try_into().ok()?)
            }
            [Field::Mark(_)] => Field::Mark(mask.as_u64()?.try_into().ok()?),
            _ => return None,
        };
        return Some(Fields { fields: vec![field], implied });
    }
    let (kind, body) = only(left)?;
    let word = |name: &str| body.get(name).and_then(Json::as_str);
    let simple = |field: Field| Some(Fields { fields: vec![field], implied: Vec::new() });
    match kind {
        "payload" => payload(word("protocol")?, word("field").unwrap_or_default()),
        "meta" => simple(match word("key")? {
            "nfproto" | "protocol" => Field::Family,
            "l4proto" => Field::Protocol,
            "iif" | "iifname" => Field::InputInterface,
            "oif" | "oifname" => Field::OutputInterface,
            "mark" => Field::Mark(u32::MAX),
            "skuid" => Field::SocketUser,
            "pkttype" => Field::PacketType,
            _ => return None,
        }),
        "ct" => simple(match word("key")? {
            "state" => Field::ConnectionState,
            "direction" => Field::ConnectionDirection,
            "status" => Field::ConnectionStatus,
            "mark" => Field::Mark(u32::MAX),
            "l3proto" => Field::Family,
            "protocol" => Field::Protocol,
            _ => return None,
        }),
        "fib" if word("result") == Some("type") => {
            let flags = body.get("flags")?.as_array()?;
            let asks = |what: &str| flags.iter().any(|flag| flag == what);
            simple(if asks("daddr") { Field::DestinationType } else { Field::SourceType })
        }
        _ => None,
    }
}

fn payload(protocol: &str, field: &str) -> Option<Fields> {
    let implied = |field: Field, number: u32| Test::Is { field, any_of: vec![Value::Numbers(number, number)] };
    let of_family =
        |found: Field, number: u32| Some(Fields { fields: vec![found], implied: vec![implied(Field::Family, number)] });
    let of_protocol =
        |fields: Vec<Field>, number: u32| Some(Fields { fields, implied: vec![implied(Field::Protocol, number)] });
    let family = if protocol == "ip" { 4 } else { 6 };
    match (protocol, field) {
        ("ip" | "ip6", "saddr") => of_family(Field::SourceAddress, family),
        ("ip" | "ip6", "daddr") => of_family(Field::DestinationAddress, family),
        ("ip", "protocol") | ("ip6", "nexthdr") => of_family(Field::Protocol, family),
        ("tcp", "flags") => of_protocol(vec![Field::TcpFlags(0xff)], 6),
        ("th", "dport") => Some(Fields { fields: vec![Field::DestinationPort], implied: Vec::new() }),
        ("th", "sport") => Some(Fields { fields: vec![Field::SourcePort], implied: Vec::new() }),
        ("tcp", "dport") => of_protocol(vec![Field::DestinationPort], 6),
        ("tcp", "sport") => of_protocol(vec![Field::SourcePort], 6),
        ("tcp" | "ip" | "ip6" | "th" | "ether" | "vlan", _) => None,
        ("arp", _) => Some(Fields { fields: Vec::new(), implied: vec![implied(Field::Family, 0)] }),
        // Another protocol's field is in no packet of ours, whatever its value.
        (other, _) => of_protocol(Vec::new(), packet_words::protocol(other)?),
    }
}

/// One value as a field has it; by its own look where the field is not known.
pub(super) fn value(field: Option<Field>, value: &Json) -> Option<Value> {
    let one = |number: u32| Value::Numbers(number, number);
    if let Some(inner) = value.get("elem").and_then(|elem| elem.get("val")) {
        return self::value(field, inner);
    }
    match value {
        Json::Number(number) => number.as_u64()?.try_into().ok().map(one),
        Json::String(word) if word == "*" => Some(Value::Any),
        Json::String(word) => match field {
            Some(Field::SourceAddress | Field::DestinationAddress) => packet_words::addresses(word),
            Some(Field::SourcePort | Field::DestinationPort) => packet_words::port(word).map(one),
            Some(Field::Protocol) => packet_words::protocol(word).map(one),
            Some(Field::Family) => Some(one(match word.as_str() {
                "ip" | "ipv4" => 4,
                "ip6" | "ipv6" => 6,
                _ => 0,
            })),
            Some(Field::TcpFlags(_)) => packet_words::tcp_flag(word).map(|bits| one(bits.into())),
            Some(Field::Mark(_) | Field::SocketUser) => packet_words::number(word).map(one),
            None => packet_words::addresses(word).or_else(|| Some(Value::Word(word.as_str().into()))),
            Some(_) => Some(Value::Word(word.as_str().into())),
        },
        // Flags joined: `["syn", "ack"]`.
        Json::Array(words) => joined(field, words),
        Json::Object(_) => match only(value)? {
            ("prefix", prefix) => {
                let address = prefix.get("addr")?.as_str()?;
                packet_words::addresses(&format!("{address}/{}", prefix.get("len")?.as_u64()?))
            }
            ("range", range) => {
                let [first, last] = range.as_array()?.as_slice() else { return None };
                match (self::value(field, first)?, self::value(field, last)?) {
                    (Value::Net(first), Value::Net(last)) => Some(Value::Addresses(first.addr(), last.addr())),
                    (Value::Numbers(first, _), Value::Numbers(last, _)) => Some(Value::Numbers(first, last)),
                    _ => None,
                }
            }
            ("|", words) => joined(field, words.as_array()?),
            _ => None,
        },
        Json::Null | Json::Bool(_) => None,
    }
}

fn joined(field: Option<Field>, words: &[Json]) -> Option<Value> {
    let Some(Field::TcpFlags(_)) = field else { return None };
    let mut bits = 0;
    for word in words {
        let Value::Numbers(more, _) = value(field, word)? else { return None };
        bits |= more;
    }
    Some(Value::Numbers(bits, bits))
}

pub(super) fn not_understood(kind: &str, body: &Json) -> Test {
    let text = if kind == "match" { shown_match(body) } else { format!("{kind} {}", shown_value(body)) };
    Test::NotUnderstood(text.chars().take(100).collect::<String>().into())
}

pub(super) fn short(value: &Json) -> Untrusted {
    shown_value(value).chars().take(100).collect::<String>().into()
}

/// A rule about as `nft list ruleset` writes it.
pub(super) fn shown(statements: &[Json]) -> String {
    let words: Vec<String> =
        statements.iter().filter_map(only).filter_map(|(kind, body)| shown_one(kind, body)).collect();
    words.join(" ")
}

fn shown_one(kind: &str, body: &Json) -> Option<String> {
    let word = |name: &str| body.get(name).and_then(Json::as_str);
    Some(match kind {
        "match" => shown_match(body),
        "counter" => return None,
        "jump" | "goto" => format!("{kind} {}", word("target").unwrap_or_default()),
        "reject" => "reject".to_owned(),
        "limit" => {
            let number = |name: &str| body.get(name).and_then(Json::as_u64).unwrap_or(0);
            let over = if body.get("inv") == Some(&Json::Bool(true)) { "over " } else { "" };
            format!("limit rate {over}{}/{}", number("rate"), word("per").unwrap_or("second"))
        }
        "vmap" => {
            let part = |name: &str| body.get(name).map(shown_value).unwrap_or_default();
            format!("{} vmap {}", part("key"), part("data"))
        }
        "xt" => format!("xt {} {}", word("type").unwrap_or_default(), word("name").unwrap_or_default()),
        _ if body.is_null() => kind.to_owned(),
        _ => format!("{kind} {}", shown_value(body)),
    })
}

fn shown_match(body: &Json) -> String {
    let part = |name: &str| body.get(name).map(shown_value).unwrap_or_default();
    match body.get("op").and_then(Json::as_str) {
        Some("==" | "in") | None => format!("{} {}", part("left"), part("right")),
        Some(operator) => format!("{} {operator} {}", part("left"), part("right")),
    }
}

/// Elements of a set that are shown; the others are counted.
const SHOWN: usize = 6;

fn shown_value(value: &Json) -> String {
    let list = |values: &[Json], between: &str| {
        let mut words: Vec<String> = values.iter().take(SHOWN).map(shown_value).collect();
        if let Some(more) = values.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            words.push(format!("and {more} more"));
        }
        words.join(between)
    };
    match value {
        Json::Null => String::new(),
        Json::Bool(boolean) => boolean.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(word) => word.clone(),
        Json::Array(values) => list(values, ","),
        Json::Object(_) => match only(value) {
            Some(("set", Json::Array(values))) => format!("{{ {} }}", list(values, ", ")),
            Some(("concat", Json::Array(values))) => list(values, " . "),
            Some(("range", Json::Array(values))) => list(values, "-"),
            Some(("&", Json::Array(values))) => list(values, " & "),
            Some(("|", Json::Array(values))) => list(values, "|"),
            Some((kind, body)) => {
                let words = ["protocol", "field", "key", "result", "addr", "name", "target"]
                    .into_iter()
                    .filter_map(|name| body.get(name))
                    .map(shown_value);
                let words: Vec<String> = words.collect();
                let length = body.get("len").and_then(Json::as_u64).map(|length| format!("/{length}"));
                let kind = if matches!(kind, "payload" | "prefix" | "elem") { "" } else { kind };
                format!("{kind} {}{}", words.join(" "), length.unwrap_or_default()).trim().to_owned()
            }
            None => "…".to_owned(),
        },
    }
}
