//! The kernel's TCP sockets in state LISTEN.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    eic_doctor_fuzz::is_bounded(&parse::parse_netlink_sockets(bytes));
});
