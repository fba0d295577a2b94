//! resolv.conf(5) and hosts(5).
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    let conf = parse::parse_resolv_conf(bytes);
    assert!(conf.servers.len() <= 3 && conf.search.len() <= 6);
    assert!(parse::parse_hosts(bytes, "localhost").len() <= 16);
});
