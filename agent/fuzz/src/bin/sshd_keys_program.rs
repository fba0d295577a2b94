//! A script that stands as AuthorizedKeysCommand.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| eic_doctor_fuzz::is_bounded(&parse::parse_keys_program(bytes)));
