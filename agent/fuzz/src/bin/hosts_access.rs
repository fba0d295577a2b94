//! hosts_access(5).
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    eic_doctor_fuzz::is_bounded(&parse::parse_hosts_access(bytes));
    eic_doctor_fuzz::is_bounded(&parse::parse_access_list(bytes));
});
