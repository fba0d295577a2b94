//! The hash of a certificate's name.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    if let Some(hash) = parse::certificate_name_hash(bytes) {
        assert!(hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
});
