//! What `iptables-save` and `ipset save` print.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::facts::TableFamily;
use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    eic_doctor_fuzz::is_bounded(&parse::parse_iptables_save(bytes, TableFamily::Ip, "iptables"));
    eic_doctor_fuzz::is_bounded(&parse::parse_ipset_save(bytes));
});
