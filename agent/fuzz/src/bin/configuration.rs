//! The agent's configuration file, and the addresses in it.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::config;

eic_doctor_fuzz::target!(|bytes| {
    if let Err(error) = config::parse_configuration(bytes) {
        assert!(error.to_string().chars().count() < 2_000);
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = config::address(&text);
    let _ = config::interval(&text);
    let _ = config::proxy_for("eic.example", Some(&text), Some(&text));
});
