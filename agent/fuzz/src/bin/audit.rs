//! Denials in the log of auditd(8).
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| eic_doctor_fuzz::is_bounded(&parse::parse_audit(bytes)));
