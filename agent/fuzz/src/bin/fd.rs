//! Where the links of `/proc/PID/fd` lead.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    let _ = parse::parse_socket_inode(&String::from_utf8_lossy(bytes));
});
