//! Between our types and the generated protobuf messages, with the limits that hold for whatever comes from outside.
//!
//! What may change in v1 is written in `v1/README.md`.

#[expect(clippy::allow_attributes, clippy::doc_markdown, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("eic_doctor.v1");
}

use std::net::IpAddr;

use prost::Message as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::attempt::{Attempt, AttemptError, Via};
use crate::evidence::Evidence;
use crate::remedy::Remedy;
use crate::report::CheckResult;
use crate::status::Status;

/// Bytes of one message.
pub const MESSAGE_LIMIT: usize = 1024 * 1024;
/// Levels of a facts tree.
pub const DEPTH_LIMIT: usize = 16;
/// Values in a facts tree.
pub const VALUES_LIMIT: usize = 50_000;

#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("the message has {size} bytes; at most {MESSAGE_LIMIT} are taken")]
    MessageTooLarge { size: usize },
    #[error("decode the message")]
    Decode(#[source] prost::DecodeError),
    #[error("the facts are more than {DEPTH_LIMIT} levels deep")]
    TooDeep,
    #[error("the facts hold more than {VALUES_LIMIT} values")]
    TooMany,
    #[error("the message lacks `{0}`")]
    Missing(&'static str),
    #[error("the attempt's {what} `{}` is not one", crate::visible(.value))]
    Attempt { what: &'static str, value: String },
    #[error(transparent)]
    AttemptField(#[from] AttemptError),
    #[error("the facts do not have the shape of this catalogue")]
    Shape(#[source] serde_json::Error),
    #[error("write the facts as a tree")]
    Tree(#[source] serde_json::Error),
}

/// A report of the agent, decoded from bytes that may be hostile.
pub fn decode_report(bytes: &[u8]) -> Result<v1::AgentReport, WireError> {
    if bytes.len() > MESSAGE_LIMIT {
        return Err(WireError::MessageTooLarge { size: bytes.len() });
    }
    v1::AgentReport::decode(bytes).map_err(WireError::Decode)
}

/// Any facts as the tree that travels.
pub fn facts_to_wire<F: Serialize>(facts: &F) -> Result<v1::Facts, WireError> {
    tree_to_wire(facts_tree(facts)?)
}

/// Any facts as a tree: a known one is `{"known": …}`.
pub fn facts_tree<F: Serialize>(facts: &F) -> Result<Json, WireError> {
    serde_json::to_value(facts).map_err(WireError::Tree)
}

/// A tree that [`facts_tree`] made as the one that travels.
pub fn tree_to_wire(tree: Json) -> Result<v1::Facts, WireError> {
    match value_to_wire(tree).kind {
        Some(v1::value::Kind::Map(areas)) => Ok(v1::Facts { areas: Some(areas) }),
        _ => Err(WireError::Missing("areas")),
    }
}

/// Facts from the tree that travelled. Names that this catalogue does not know are passed over; names that it misses are *not gathered*.
pub fn facts_from_wire<F: DeserializeOwned>(facts: v1::Facts) -> Result<F, WireError> {
    let areas = facts.areas.ok_or(WireError::Missing("areas"))?;
    let mut left = VALUES_LIMIT;
    let tree = map_from_wire(areas, DEPTH_LIMIT, &mut left)?;
    serde_json::from_value(tree).map_err(WireError::Shape)
}

fn value_to_wire(value: Json) -> v1::Value {
    use v1::value::Kind;
    let kind = match value {
        Json::Null => Kind::None(true),
        Json::Bool(boolean) => Kind::Boolean(boolean),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Kind::Integer(integer),
            (None, Some(unsigned)) => Kind::Unsigned(unsigned),
            (None, None) => Kind::Number(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Kind::Text(text),
        Json::Array(values) => Kind::List(v1::List { values: values.into_iter().map(value_to_wire).collect() }),
        Json::Object(values) => Kind::Map(v1::Map {
            values: values.into_iter().map(|(name, value)| (name, value_to_wire(value))).collect(),
        }),
    };
    v1::Value { kind: Some(kind) }
}

fn map_from_wire(map: v1::Map, depth: usize, left: &mut usize) -> Result<Json, WireError> {
    let mut object = serde_json::Map::with_capacity(map.values.len().min(1024));
    for (name, value) in map.values {
        object.insert(name, value_from_wire(value, depth, left)?);
    }
    Ok(Json::Object(object))
}

fn value_from_wire(value: v1::Value, depth: usize, left: &mut usize) -> Result<Json, WireError> {
    use v1::value::Kind;
    *left = left.checked_sub(1).ok_or(WireError::TooMany)?;
    let deeper = || depth.checked_sub(1).ok_or(WireError::TooDeep);
    Ok(match value.kind {
        None | Some(Kind::None(_)) => Json::Null,
        Some(Kind::Boolean(boolean)) => Json::Bool(boolean),
        Some(Kind::Integer(integer)) => integer.into(),
        Some(Kind::Unsigned(unsigned)) => unsigned.into(),
        Some(Kind::Number(number)) => number.into(),
        Some(Kind::Text(text)) => Json::String(text),
        Some(Kind::List(list)) => {
            let depth = deeper()?;
            Json::Array(
                list.values.into_iter().map(|value| value_from_wire(value, depth, left)).collect::<Result<_, _>>()?,
            )
        }
        Some(Kind::Map(map)) => map_from_wire(map, deeper()?, left)?,
    })
}

impl From<&Attempt> for v1::Attempt {
    fn from(attempt: &Attempt) -> Self {
        Self {
            os_user: attempt.os_user.to_string(),
            principal: attempt.principal.clone(),
            via: attempt.via.word().to_owned(),
            source: attempt.source.map(|source| source.to_string()),
            address: attempt.address.map(|address| address.to_string()),
            port: u32::from(attempt.port),
            endpoint: attempt.endpoint.clone(),
            known_sources: attempt.known_sources.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<v1::Attempt> for Attempt {
    type Error = WireError;

    fn try_from(wire: v1::Attempt) -> Result<Self, Self::Error> {
        let not_one = |what, value: &str| WireError::Attempt { what, value: value.to_owned() };
        let source =
            wire.source.as_deref().map(|text| text.parse().map_err(|_| not_one("source", text))).transpose()?;
        let address: Option<IpAddr> =
            wire.address.as_deref().map(|text| text.parse().map_err(|_| not_one("address", text))).transpose()?;
        let known_sources =
            wire.known_sources.iter().map(|text| text.parse().map_err(|_| not_one("known source", text)));
        let port = u16::try_from(wire.port).ok().filter(|port| *port > 0);
        Ok(Self {
            os_user: wire.os_user.parse()?,
            principal: wire.principal,
            via: wire.via.parse::<Via>()?,
            source,
            address,
            port: port.ok_or_else(|| not_one("port", &wire.port.to_string()))?,
            endpoint: wire.endpoint,
            known_sources: known_sources.collect::<Result<_, _>>()?,
        })
    }
}

impl From<Status> for v1::Status {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => Self::Ok,
            Status::Warn => Self::Warn,
            Status::Fail => Self::Fail,
            Status::Unknown => Self::Unknown,
            Status::Blocked => Self::Blocked,
            Status::NotApplicable => Self::NotApplicable,
        }
    }
}

impl From<&CheckResult> for v1::CheckResult {
    fn from(result: &CheckResult) -> Self {
        let evidence = |evidence: &Evidence| v1::Evidence { seen: evidence.seen.clone(), at: evidence.at.clone() };
        let remedy = |remedy: &Remedy| v1::Remedy {
            text: remedy.text.clone(),
            command: remedy.command.clone(),
            verify: remedy.verify.clone(),
        };
        Self {
            id: result.id.clone(),
            title: result.title.clone(),
            status: v1::Status::from(result.status).into(),
            evidence: result.evidence.iter().map(evidence).collect(),
            remedy: result.remedy.as_ref().map(remedy),
            blocked_by: result.blocked_by.clone(),
            why: result.why.clone(),
            missing_action: result.missing_action.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::Fact;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Older {
        #[serde(default)]
        port: Fact<u16>,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Newer {
        #[serde(default)]
        port: Fact<u16>,
        #[serde(default)]
        inode: Fact<u64>,
    }

    #[test]
    fn a_newer_reader_takes_what_an_older_writer_lacks_as_not_gathered() {
        let wire = facts_to_wire(&Older { port: Fact::Known(22) }).unwrap();
        let facts: Newer = facts_from_wire(wire).unwrap();
        assert_eq!(facts, Newer { port: Fact::Known(22), inode: Fact::NotGathered });
    }

    #[test]
    fn an_older_reader_passes_over_what_a_newer_writer_adds() {
        let wire = facts_to_wire(&Newer { port: Fact::Known(22), inode: Fact::Known(u64::MAX) }).unwrap();
        let facts: Older = facts_from_wire(wire).unwrap();
        assert_eq!(facts.port, Fact::Known(22));
    }

    #[test]
    fn large_numbers_survive() {
        let facts = Newer { port: Fact::Absent, inode: Fact::Known(u64::MAX) };
        let back: Newer = facts_from_wire(facts_to_wire(&facts).unwrap()).unwrap();
        assert_eq!(back, facts);
    }

    #[test]
    fn a_tree_that_is_too_deep_or_too_wide_is_refused() {
        let mut deep = Json::Null;
        for _ in 0..=DEPTH_LIMIT {
            deep = Json::Array(vec![deep]);
        }
        let wire = facts_to_wire(&serde_json::json!({ "a": deep })).unwrap();
        assert!(matches!(facts_from_wire::<Json>(wire), Err(WireError::TooDeep)));
        let wire = facts_to_wire(&serde_json::json!({ "a": vec![0; VALUES_LIMIT] })).unwrap();
        assert!(matches!(facts_from_wire::<Json>(wire), Err(WireError::TooMany)));
    }

    #[test]
    fn an_attempt_comes_back_as_it_went_and_a_bad_one_is_refused() {
        let attempt = Attempt {
            source: Some("2001:db8::/32".parse().unwrap()),
            endpoint: Some("eice-0123456789abcdef0".to_owned()),
            known_sources: vec!["10.0.0.7/32".parse().unwrap()],
            ..Attempt::usual()
        };
        let wire = v1::Attempt::from(&attempt);
        assert_eq!(Attempt::try_from(wire.clone()).unwrap(), attempt);
        for port in [0, 65_536] {
            assert!(Attempt::try_from(v1::Attempt { port, ..wire.clone() }).is_err());
        }
        let known_sources = vec!["10.0.0.0/33".to_owned()];
        assert!(Attempt::try_from(v1::Attempt { known_sources, ..wire.clone() }).is_err());
        assert!(Attempt::try_from(v1::Attempt { os_user: "a;b".into(), ..wire }).is_err());
    }
}
