//! A change in words for programs: the same JSON to every target.

use eic_doctor_agent::report::rfc3339;
use serde_json::{Value, json};

use crate::gather::tell::Message;
use crate::store::{Millis, StoredChange};

/// Bytes of a message: EventBridge and SNS take 256 KiB with all that is around it.
pub const LIMIT: usize = 200 * 1024;

/// What a message keeps of one text when the whole would be too long.
const SHORT: usize = 2_000;

/// The change as JSON: what the instance is, the check, what it was and is and since when, and evidence and remedy as in a report. At most
/// [`LIMIT`] bytes: evidence that has no room is counted in `evidence_left_out`.
pub fn body(change: &StoredChange) -> String {
    let mut kept = change.change.is.evidence.len();
    loop {
        let text = with_evidence(change, kept, usize::MAX).to_string();
        if text.len() <= LIMIT {
            return text;
        }
        if kept == 0 {
            return with_evidence(change, 0, SHORT).to_string();
        }
        kept /= 2;
    }
}

fn with_evidence(change: &StoredChange, kept: usize, longest: usize) -> Value {
    let told = &change.change;
    let is = &told.is;
    let short = |text: &str| -> String { text.chars().take(longest).collect() };
    let remedy = is.remedy.as_ref().map(|remedy| {
        json!({
            "text": short(&remedy.text),
            "command": remedy.command.as_deref().map(short),
            "verify": short(&remedy.verify),
        })
    });
    json!({
        "schema": "https://eic-doctor.dev/schema/drift/v1",
        "number": change.number,
        "instance_id": change.instance_id,
        "check": short(&told.check_id),
        "title": short(&is.title),
        "was": told.was.word(),
        "is": is.status.word(),
        "since": time(told.since),
        "told": time(told.told_at),
        "why": short(&is.why),
        "evidence": is.evidence.iter().take(kept).collect::<Vec<_>>(),
        "evidence_left_out": is.evidence.len() - kept.min(is.evidence.len()),
        "remedy": remedy,
        "doc": short(&is.doc),
    })
}

fn time(at: Millis) -> String {
    rfc3339(at / 1000)
}

/// For SNS, whose subjects are short and plain.
pub(super) fn published(change: &StoredChange, text: String) -> Message {
    let told = &change.change;
    let subject = format!("{} {}: {} is now {}", change.instance_id, told.check_id, told.was, told.is.status);
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    Message {
        subject: subject.chars().map(plain).take(99).collect(),
        text,
        group: change.instance_id.chars().map(plain).filter(|c| *c != ' ').take(128).collect(),
        deduplication: change.number.to_string(),
        attributes: vec![
            ("instance_id".to_owned(), change.instance_id.clone()),
            ("check".to_owned(), told.check_id.clone()),
            ("is".to_owned(), told.is.status.word().to_owned()),
        ],
    }
}
