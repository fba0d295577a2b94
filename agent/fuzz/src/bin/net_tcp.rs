//! `/proc/net/tcp` and `/proc/net/tcp6`.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    let _ = parse::is_past_listening(bytes);
    eic_doctor_fuzz::is_bounded(&parse::parse_net_tcp(bytes));
});
