//! Makes a report small enough to travel, in steps, saying what was left out.

use eic_doctor_proto::{CheckResult, Evidence};
use serde_json::Value as Json;

/// The results' texts are shortened.
const SHORT_RESULTS: usize = 1;
/// The results keep id and status: the coordinator judges anew from the facts.
const BARE_RESULTS: usize = 2;
/// From here on known facts of more than so many characters become unreadable, the longest first.
const FACT_LIMITS: [usize; 9] = [16_384, 8_192, 6_144, 4_096, 2_048, 1_024, 512, 256, 64];
pub(super) const LAST_STEP: usize = BARE_RESULTS + FACT_LIMITS.len();

const TEXT_KEPT: usize = 200;
const EVIDENCE_KEPT: usize = 2;

/// Facts, as the tree that travels, and results at one step; step 0 is everything. `courier` is for whom it is too long.
pub(super) fn shortened(facts: &Json, results: &[CheckResult], step: usize, courier: &str) -> (Json, Vec<CheckResult>) {
    let results = results.iter().map(|result| match step {
        0 => result.clone(),
        SHORT_RESULTS => short(result, courier),
        _ => bare(result),
    });
    let mut facts = facts.clone();
    if let Some(limit) = step.checked_sub(BARE_RESULTS + 1).and_then(|index| FACT_LIMITS.get(index)) {
        replace(&mut facts, *limit, courier);
    }
    (facts, results.collect())
}

fn short(result: &CheckResult, courier: &str) -> CheckResult {
    let mut result = result.clone();
    let left_out = result.evidence.len().saturating_sub(EVIDENCE_KEPT);
    result.evidence.truncate(EVIDENCE_KEPT);
    for evidence in &mut result.evidence {
        *evidence = Evidence::new(short_text(&evidence.seen), short_text(&evidence.at));
    }
    if left_out > 0 {
        result.evidence.push(Evidence::new(format!("{left_out} more left out"), courier));
    }
    result.why = short_text(&result.why);
    // Half a command would be worse than none.
    if let Some(remedy) = &mut result.remedy {
        remedy.text = short_text(&remedy.text);
        remedy.command = remedy.command.take().filter(|command| command.chars().count() <= TEXT_KEPT * 2);
        remedy.verify = short_text(&remedy.verify);
    }
    result
}

fn bare(result: &CheckResult) -> CheckResult {
    CheckResult {
        title: String::new(),
        evidence: Vec::new(),
        remedy: None,
        blocked_by: Vec::new(),
        why: String::new(),
        missing_action: None,
        ..result.clone()
    }
}

fn short_text(text: &str) -> String {
    if text.chars().count() <= TEXT_KEPT {
        return text.to_owned();
    }
    format!("{}… (shortened)", text.chars().take(TEXT_KEPT).collect::<String>())
}

/// In the tree a known fact is `{"known": …}`, so that a new fact needs no line here. An inner fact goes before the one that holds it.
/// The shape is kept: every fact may be unreadable.
fn replace(value: &mut Json, limit: usize, courier: &str) {
    match value {
        Json::Array(values) => values.iter_mut().for_each(|value| replace(value, limit, courier)),
        Json::Object(values) => values.values_mut().for_each(|value| replace(value, limit, courier)),
        _ => return,
    }
    let size = match value.as_object() {
        Some(object) if object.len() == 1 => object.get("known").map(|known| known.to_string().chars().count()),
        _ => None,
    };
    if let Some(size) = size.filter(|size| *size > limit) {
        let reason = format!("known on the instance, but too long for {courier} ({size} characters)");
        *value = serde_json::json!({ "unreadable": { "reason": reason } });
    } else if let Some(reason) = value.pointer_mut("/unreadable/reason") {
        let text = reason.as_str().map(short_text);
        if let Some(text) = text {
            *reason = Json::String(text);
        }
    }
}
