//! A file of systemd's journal.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse::{JournalQuery, parse_journal};

eic_doctor_fuzz::target!(cost 10, |bytes| {
    let query = JournalQuery { identifiers: &["sshd", "ec2-instance-connect"], since: 0, entries: 50 };
    if let Ok(tail) = parse_journal(&bytes, &query) {
        assert!(tail.entries.len() <= 50);
    }
});
