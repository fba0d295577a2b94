//! `/proc/net/route` and `/proc/net/ipv6_route`.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    eic_doctor_fuzz::is_bounded(&parse::parse_proc_route(bytes));
    eic_doctor_fuzz::is_bounded(&parse::parse_proc_ipv6_route(bytes));
});
