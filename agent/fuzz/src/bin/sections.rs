//! The sections of the probe script's answer.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    if let Ok(parsed) = parse::parse_sections(bytes) {
        eic_doctor_fuzz::is_bounded(&parsed);
    }
});
