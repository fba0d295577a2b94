//! The loader's cache: where a library's files are.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    for file in parse::parse_ld_cache(bytes, "libc.so.6") {
        assert!(file.len() <= 3 * 4096, "{}", file.len());
    }
});
