//! One look at this instance, made by a child process: what it takes of memory goes with it, and one that crashes costs one report.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eic_doctor_proto::wire::{MESSAGE_LIMIT, v1};
use eic_doctor_proto::{Attempt, Selection, judge};
use prost::Message as _;

use crate::checks;
use crate::gather::{self, RealHost};

use super::fingerprint::fingerprint;
use super::ssm::{EncodeError, encode_within};

/// The hidden subcommand of `eic-doctor-agent` that prints one [`Pass`].
pub const PASS_COMMAND: &str = "pass";
/// What the words about a report need besides.
const REPORT_LIMIT: usize = MESSAGE_LIMIT - 4096;
const HEAD: &[u8] = b"eic-doctor pass 1\n";
/// For a child that does not keep its budget.
const GRACE: Duration = Duration::from_secs(5);

/// A report as it travels, and what it is compared with the last one by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    pub fingerprint: [u8; 32],
    /// Milliseconds since 1970 by the instance's clock.
    pub gathered_at_ms: u64,
    /// A `v1.AgentReport`.
    pub report: Vec<u8>,
}

impl Pass {
    pub fn to_bytes(&self) -> Vec<u8> {
        [HEAD, &self.fingerprint, &self.gathered_at_ms.to_be_bytes(), &self.report].concat()
    }

    /// `None` where it is none, or too large to be sent.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (fingerprint, rest) = bytes.strip_prefix(HEAD)?.split_first_chunk::<32>()?;
        let (gathered_at, report) = rest.split_first_chunk::<8>()?;
        let is_one = (1..=REPORT_LIMIT).contains(&report.len());
        is_one.then(|| Self {
            fingerprint: *fingerprint,
            gathered_at_ms: u64::from_be_bytes(*gathered_at),
            report: report.to_vec(),
        })
    }
}

/// What the child does.
pub fn look(attempt: &Attempt, budget: Duration, gathered_at_ms: u64) -> Result<Pass, EncodeError> {
    let facts = gather::gather(&RealHost::new(budget), attempt);
    let results = judge(checks::entries(&facts, attempt), &Selection::default());
    let report = encode_within(&facts, attempt, &results, REPORT_LIMIT)?;
    Ok(Pass { fingerprint: fingerprint(&results), gathered_at_ms, report })
}

/// The child's work, waited for on this thread.
pub fn look_in_child(attempt: &Attempt, budget: Duration) -> Result<Pass, String> {
    let arguments = [
        PASS_COMMAND.to_owned(),
        format!("--attempt={}", attempt_to_word(attempt)),
        format!("--budget-ms={}", budget.as_millis()),
    ];
    let printed = gather::run_ourselves(&arguments, budget + GRACE)?;
    Pass::from_bytes(&printed).ok_or_else(|| "our own program printed no report".to_owned())
}

fn attempt_to_word(attempt: &Attempt) -> String {
    STANDARD.encode(v1::Attempt::from(attempt).encode_to_vec())
}

/// The attempt of the child's arguments.
pub fn attempt_from_word(word: &str) -> Result<Attempt, String> {
    let bytes = STANDARD.decode(word).map_err(|error| error.to_string())?;
    let wire = v1::Attempt::decode(bytes.as_slice()).map_err(|error| error.to_string())?;
    Attempt::try_from(wire).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_comes_back_as_it_went_and_anything_else_is_none() {
        let pass = Pass { fingerprint: [7; 32], gathered_at_ms: 1_795_000_000_000, report: vec![1, 2, 3] };
        let bytes = pass.to_bytes();
        assert_eq!(Pass::from_bytes(&bytes), Some(pass.clone()));
        for cut in 0..bytes.len() - 2 {
            assert_eq!(Pass::from_bytes(&bytes[..cut]), None.or(Pass::from_bytes(&bytes[..cut]).filter(|_| cut > 58)));
        }
        assert_eq!(Pass::from_bytes(&bytes[..58]), None);
        assert_eq!(Pass::from_bytes(&Pass { report: vec![0; REPORT_LIMIT + 1], ..pass }.to_bytes()), None);
        assert_eq!(Pass::from_bytes(b"spool of old"), None);
    }

    #[test]
    fn an_attempt_reaches_the_child_as_it_was_asked() {
        let attempt = Attempt {
            os_user: "ubuntu".parse().unwrap(),
            source: Some("2001:db8::/32".parse().unwrap()),
            endpoint: Some("eice-0123456789abcdef0".to_owned()),
            port: 2222,
            ..Attempt::usual()
        };
        assert_eq!(attempt_from_word(&attempt_to_word(&attempt)), Ok(attempt));
        assert!(attempt_from_word("!").is_err());
        assert!(attempt_from_word("").is_err());
    }
}
