//! What `nft -j list ruleset` prints.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| eic_doctor_fuzz::is_bounded(&parse::parse_nft(bytes, false)));
