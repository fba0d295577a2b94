//! A whole answer of the probe script: gathered, judged and written down.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::gather::{Recorded, gather};
use eic_doctor_agent::render::{Style, human};
use eic_doctor_agent::{checks, report};
use eic_doctor_proto::block::SSM_STDOUT_LIMIT;
use eic_doctor_proto::{Attempt, Selection, judge};

eic_doctor_fuzz::target!(cost 50, |bytes| {
    let Ok(recorded) = Recorded::from_bytes(bytes) else { return };
    let attempt = Attempt::usual();
    let facts = gather(&recorded, &attempt);
    let results = judge(checks::entries(&facts, &attempt), &Selection::default());
    if let Ok(block) = report::encode_report(&facts, &attempt, &results) {
        assert!(block.len() <= SSM_STDOUT_LIMIT);
    }
    let whole = report::local_report(&facts, &attempt, results, report::rfc3339(0), true);
    let mut text = Vec::new();
    assert!(human(&whole, &mut text, Style { color: false, verbose: true }).is_ok());
    // Nothing that a terminal would obey.
    assert!(!text.iter().any(|byte| *byte < b' ' && *byte != b'\n'));
});
