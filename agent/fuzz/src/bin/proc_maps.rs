//! Which files a process has in its memory.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    for path in parse::parse_proc_maps(bytes) {
        assert!(path.starts_with('/') && !path.contains('\n'), "{path:?}");
    }
});
