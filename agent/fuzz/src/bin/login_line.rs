//! What one line of sshd, or of the keys command, says about a login.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse;

eic_doctor_fuzz::target!(|bytes| {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines() {
        let _ = parse::read_login_line("sshd", line);
        let _ = parse::read_login_line("ec2-instance-connect", line);
    }
});
