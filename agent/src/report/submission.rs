//! Reports on their way: the messages that hold one, written without taking the report apart, and what was acknowledged.

use prost::Message as _;

use eic_doctor_proto::wire::v1::SubmitReportRequest;

use crate::identity::{Name, State, StateError};

use super::pass::Pass;

/// A report in full at least so often, in milliseconds.
const FULL_EVERY_MS: u64 = 24 * 3600 * 1000;
const DIGEST_LIMIT: usize = 64;

/// What the coordinator holds of this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub fingerprint: [u8; 32],
    /// When the full report was gathered, in milliseconds since 1970.
    pub full_at_ms: u64,
    /// What the coordinator calls it.
    pub digest: Vec<u8>,
}

impl Acknowledged {
    /// Nothing has changed since, and it is not too long ago.
    pub fn covers(&self, pass: &Pass) -> bool {
        let age = pass.gathered_at_ms.checked_sub(self.full_at_ms);
        self.fingerprint == pass.fingerprint && age.is_some_and(|age| age < FULL_EVERY_MS)
    }

    pub fn read(state: &State) -> Option<Self> {
        // What cannot be read costs a full report, no more.
        let bytes = state.read(Name::Acknowledged).ok()??;
        let (fingerprint, rest) = bytes.split_first_chunk::<32>()?;
        let (full_at, digest) = rest.split_first_chunk::<8>()?;
        let is_digest = (1..=DIGEST_LIMIT).contains(&digest.len());
        is_digest.then(|| Self {
            fingerprint: *fingerprint,
            full_at_ms: u64::from_be_bytes(*full_at),
            digest: digest.to_vec(),
        })
    }

    pub fn write(&self, state: &State) -> Result<(), StateError> {
        let bytes = [&self.fingerprint[..], &self.full_at_ms.to_be_bytes(), &self.digest].concat();
        state.write(Name::Acknowledged, &bytes)
    }
}

/// A `v1.SubmitReportRequest`, in full unless the coordinator holds the same already; whether it is in full.
pub(super) fn request(pass: &Pass, sequence: u64, acknowledged: Option<&Acknowledged>) -> (Vec<u8>, bool) {
    let covered = acknowledged.filter(|acknowledged| acknowledged.covers(pass));
    let words = SubmitReportRequest {
        report: None,
        sequence,
        unchanged: covered.map(|acknowledged| acknowledged.digest.clone()).unwrap_or_default(),
        gathered_at_ms: pass.gathered_at_ms,
    };
    let mut bytes = words.encode_to_vec();
    if covered.is_none() {
        bytes.extend(field(1, &pass.report));
    }
    (bytes, covered.is_none())
}

/// What the coordinator may be told to have acknowledged a pass with; none where it wants it in full again.
pub(super) fn acknowledged(fingerprint: [u8; 32], full_at_ms: u64, digest: &[u8]) -> Option<Acknowledged> {
    let is_digest = (1..=DIGEST_LIMIT).contains(&digest.len());
    is_digest.then(|| Acknowledged { fingerprint, full_at_ms, digest: digest.to_vec() })
}

/// A `v1.AgentMessage` that holds a `v1.SubmitReportRequest`.
pub(super) fn report_message(request: &[u8]) -> Vec<u8> {
    field(1, request)
}

/// A `v1.AgentMessage` that holds a `v1.CheckAnswer`; without a report when there is none to give.
pub(super) fn answer_message(request_id: &str, report: Option<&[u8]>) -> Vec<u8> {
    let mut answer = field(1, request_id.as_bytes());
    if let Some(report) = report {
        answer.extend(field(2, report));
    }
    field(2, &answer)
}

/// One field of protobuf's wire type 2 (length-delimited).
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::with_capacity(bytes.len() + 11);
    field.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend_from_slice(bytes);
    field
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::wire::v1;

    use super::*;

    fn pass(size: usize) -> Pass {
        let report = v1::AgentReport { agent_version: "x".repeat(size), catalogue: 7, ..v1::AgentReport::default() };
        Pass { fingerprint: [1; 32], gathered_at_ms: 1_000, report: report.encode_to_vec() }
    }

    #[test]
    fn what_is_written_by_hand_is_what_the_library_reads() {
        for size in [0, 1, 100, 127, 128, 16_384, 500_000] {
            let pass = pass(size);
            let (bytes, full) = request(&pass, 9, None);
            assert!(full);
            let message = v1::AgentMessage::decode(report_message(&bytes).as_slice()).unwrap();
            let Some(v1::agent_message::Message::Report(read)) = message.message else { panic!("no report") };
            assert_eq!((read.sequence, read.gathered_at_ms, read.unchanged.len()), (9, 1_000, 0));
            assert_eq!(read.report.unwrap().agent_version.len(), size);
            let answer = v1::AgentMessage::decode(answer_message("id", Some(&pass.report)).as_slice()).unwrap();
            let Some(v1::agent_message::Message::Answer(read)) = answer.message else { panic!("no answer") };
            assert_eq!((read.request_id.as_str(), read.report.unwrap().catalogue), ("id", 7));
        }
        let answer = v1::AgentMessage::decode(answer_message("id", None).as_slice()).unwrap();
        let Some(v1::agent_message::Message::Answer(read)) = answer.message else { panic!("no answer") };
        assert_eq!(read.report, None);
    }

    #[test]
    fn an_unchanged_report_names_the_digest_and_nothing_else() {
        let held = Acknowledged { fingerprint: [1; 32], full_at_ms: 1_000, digest: vec![5; 32] };
        let (bytes, full) = request(&pass(100), 9, Some(&held));
        assert!(!full && bytes.len() < 64);
        let read = SubmitReportRequest::decode(bytes.as_slice()).unwrap();
        assert_eq!((read.report, read.unchanged), (None, vec![5; 32]));
    }

    #[test]
    fn a_change_a_day_or_a_clock_that_went_back_is_a_full_report() {
        let held = Acknowledged { fingerprint: [1; 32], full_at_ms: 1_000, digest: vec![5; 32] };
        assert!(held.covers(&pass(1)));
        assert!(!held.covers(&Pass { fingerprint: [2; 32], ..pass(1) }));
        assert!(!held.covers(&Pass { gathered_at_ms: 1_000 + FULL_EVERY_MS, ..pass(1) }));
        assert!(!held.covers(&Pass { gathered_at_ms: 999, ..pass(1) }));
    }
}
