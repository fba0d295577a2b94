//! What a program is linked with: the parts of its file, then names from the same bytes.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    if let Some(parts) = parse::parse_elf_parts(bytes) {
        let names = parse::parse_elf_names(&parts, bytes);
        assert!(names.needed.len() <= 64 && names.folders.len() <= 64);
    }
});
