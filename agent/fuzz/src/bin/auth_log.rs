//! Lines of `/var/log/auth.log` and `/var/log/secure`, written at any time.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    for modified in [0, 1_795_543_036, u64::MAX] {
        eic_doctor_fuzz::is_bounded(&parse::parse_auth_log(bytes, modified, |_| true));
    }
});
