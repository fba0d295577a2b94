//! Where a program's constants stand in its file.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    assert!(parse::parse_elf_constants(bytes).len() <= 64);
});
