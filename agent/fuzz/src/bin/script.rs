//! What a script says of itself.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    let _ = parse::parse_interpreter(bytes);
    let _ = parse::parse_reads_openssl_3(bytes);
});
