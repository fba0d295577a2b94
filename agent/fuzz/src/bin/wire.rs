//! A report in protobuf, and the facts in it.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::wire;

eic_doctor_fuzz::target!(|bytes| {
    if let Ok(report) = wire::decode_report(bytes)
        && let Some(facts) = report.facts
    {
        let _ = wire::facts_from_wire::<OsFacts>(facts);
    }
});
