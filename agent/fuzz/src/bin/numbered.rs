//! access.conf(5), limits.conf(5), time.conf(5), shells(5), lists of names.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| eic_doctor_fuzz::is_bounded(&parse::parse_numbered(bytes, true)));
