//! X.509 certificates in PEM.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    let parsed = parse::parse_certificates(bytes);
    eic_doctor_fuzz::is_bounded(&parsed);
    for certificate in &parsed.value {
        let _ = certificate.common_names();
    }
});
