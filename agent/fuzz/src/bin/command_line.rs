//! `/proc/PID/cmdline` of sshd, and sshd's options in it.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    let line = parse::parse_command_line(bytes);
    eic_doctor_fuzz::is_bounded(&line);
    let _ = line.value.is_listener();
    eic_doctor_fuzz::is_bounded(&parse::parse_sshd_arguments(&line.value));
});
