//! D-Bus messages of systemd.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    let _ = parse::dbus_message_length(bytes);
    eic_doctor_fuzz::is_bounded(&parse::parse_dbus_replies(bytes));
});
