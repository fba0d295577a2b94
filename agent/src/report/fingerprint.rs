//! Whether anything changed from one report to the next: the results' words without their numbers, since times and counters always do.

use eic_doctor_proto::CheckResult;
use ring::digest::{Context, SHA256};

/// Over id, status, `why` and evidence of every result; the order of the evidence says nothing.
pub fn fingerprint(results: &[CheckResult]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    let mut put = |text: &str| {
        context.update(masked(text).as_bytes());
        context.update(&[0]);
    };
    for result in results {
        put(&result.id);
        put(result.status.word());
        put(&result.why);
        let mut evidence: Vec<_> =
            result.evidence.iter().map(|seen| masked(&format!("{}\0{}", seen.seen, seen.at))).collect();
        evidence.sort_unstable();
        evidence.iter().for_each(|seen| put(seen));
        put("");
    }
    // SHA-256 has 32 bytes.
    context.finish().as_ref().try_into().unwrap_or_default()
}

/// Each run of digits as one `#`.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' if masked.ends_with('#') => {}
            '0'..='9' => masked.push('#'),
            other => masked.push(other),
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Evidence, Status};

    use super::*;
    use crate::checks;
    use crate::facts::OsFacts;
    use eic_doctor_proto::{Attempt, Selection, judge};

    fn results() -> Vec<CheckResult> {
        let (facts, attempt) = (OsFacts::default(), Attempt::usual());
        judge(checks::entries(&facts, &attempt), &Selection::default())
    }

    #[test]
    fn numbers_and_the_order_of_evidence_change_nothing_and_words_and_statuses_do() {
        let seen = |one: &str, two: &str| {
            let mut results = results();
            results[0].evidence = vec![Evidence::new(one, "/a"), Evidence::new(two, "/b")];
            fingerprint(&results)
        };
        let first = seen("pid 12 since 09:00", "7 of 100");
        assert_eq!(first, seen("pid 9 since 10:15", "99 of 100"));
        assert_ne!(first, seen("pid 12 until 09:00", "7 of 100"));
        let mut turned = results();
        turned[0].evidence = vec![Evidence::new("7 of 100", "/b"), Evidence::new("pid 12 since 09:00", "/a")];
        assert_eq!(first, fingerprint(&turned));
        turned[1].status = Status::Fail;
        assert_ne!(first, fingerprint(&turned));
    }
}
