//! What `ip` and `ethtool` print.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::facts::AddressFamily;
use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    eic_doctor_fuzz::is_bounded(&parse::parse_ip_address(bytes));
    eic_doctor_fuzz::is_bounded(&parse::parse_ip_rule(bytes, AddressFamily::Ipv4));
    eic_doctor_fuzz::is_bounded(&parse::parse_ip_route(bytes, AddressFamily::Ipv6));
    eic_doctor_fuzz::is_bounded(&parse::parse_ethtool_statistics(bytes));
});
