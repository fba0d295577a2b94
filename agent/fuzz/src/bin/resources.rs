//! Files below `/proc` and `/sys` about memory, load and tasks.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    eic_doctor_fuzz::is_bounded(&parse::parse_meminfo(bytes));
    eic_doctor_fuzz::is_bounded(&parse::parse_loadavg(bytes));
    eic_doctor_fuzz::is_bounded(&parse::parse_pressure(bytes, "some"));
    eic_doctor_fuzz::is_bounded(&parse::parse_oom_kills(bytes));
    eic_doctor_fuzz::is_bounded(&parse::parse_processors(bytes));
    eic_doctor_fuzz::is_bounded(&parse::parse_task_groups(bytes));
});
