//! The kernel's tables of interfaces, addresses, rules, routes and chains.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    let names = parse::parse_netlink_interfaces(bytes);
    eic_doctor_fuzz::is_bounded(&names);
    eic_doctor_fuzz::is_bounded(&parse::parse_netlink_addresses(bytes, &names.value));
    eic_doctor_fuzz::is_bounded(&parse::parse_netlink_rules(bytes));
    eic_doctor_fuzz::is_bounded(&parse::parse_netlink_routes(bytes, &names.value));
    eic_doctor_fuzz::is_bounded(&parse::parse_netlink_chains(bytes));
});
