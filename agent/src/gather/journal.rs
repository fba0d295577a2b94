//! The files of systemd-journald(8) on this very machine. No `journalctl`: it costs more than all the rest of a run.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use eic_doctor_proto::Fact;

use crate::parse::{JournalEntry, JournalQuery, JournalTail, ReadAt, parse_journal};

use super::host::Host;
use super::real;

/// Kept over a boot, and not kept. Early in a boot, and where `/var` cannot be written, only the second is written to.
const FOLDERS: [&str; 2] = ["/var/log/journal", "/run/log/journal"];

struct Journal(File);

impl ReadAt for Journal {
    fn read_at(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut read = 0;
        while read < length {
            match self.0.read_at(bytes.get_mut(read..)?, offset.checked_add(read as u64)?) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        bytes.truncate(read);
        Some(bytes)
    }
}

/// The newest entries of the system's own journal; absent when there is none.
pub(super) fn query(host: &dyn Host, query: &JournalQuery<'_>) -> Fact<Vec<JournalEntry>> {
    let machine = match host.read("/etc/machine-id") {
        Fact::Known(bytes) => String::from_utf8_lossy(bytes.trim_ascii()).into_owned(),
        Fact::Absent | Fact::NotGathered => return Fact::Absent,
        Fact::Unreadable(why) => return Fact::Unreadable(why),
    };
    if machine.is_empty() || !machine.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Fact::unreadable("`/etc/machine-id` is not one");
    }
    let mut entries = Vec::new();
    let mut trouble = Fact::Absent;
    for folder in FOLDERS.map(|folder| format!("{folder}/{machine}")) {
        match in_folder(host, &folder, query) {
            Fact::Known(found) => {
                entries.extend(found);
                trouble = Fact::Known(());
            }
            Fact::Unreadable(why) if trouble.known().is_none() => trouble = Fact::Unreadable(why),
            _ => {}
        }
    }
    entries.sort_by_key(|entry| entry.realtime);
    entries.drain(..entries.len().saturating_sub(query.entries));
    trouble.map(|()| entries)
}

fn in_folder(host: &dyn Host, folder: &str, query: &JournalQuery<'_>) -> Fact<Vec<JournalEntry>> {
    let tail = match in_file(&format!("{folder}/system.journal"), query) {
        Fact::Known(tail) => tail,
        Fact::Absent => return Fact::Absent,
        Fact::Unreadable(why) => return Fact::Unreadable(why),
        Fact::NotGathered => return Fact::NotGathered,
    };
    if tail.begins <= query.since {
        return Fact::Known(tail.entries);
    }
    // A new file was begun since; what was written before stands in the one that was put away last.
    let names = host.list(folder);
    let archived = names.known().and_then(|names| names.iter().filter_map(|name| Some((begins(name)?, name))).max());
    let before = archived.map(|(_, name)| in_file(&format!("{folder}/{name}"), query));
    match before {
        Some(Fact::Known(before)) => Fact::Known([before.entries, tail.entries].concat()),
        // Better the newest alone than nothing.
        _ => Fact::Known(tail.entries),
    }
}

/// When the first entry of `system@SEQUENCE-NUMBER-TIME.journal` was written, in microseconds.
fn begins(name: &str) -> Option<u64> {
    let (_, time) = name.strip_prefix("system@")?.strip_suffix(".journal")?.rsplit_once('-')?;
    u64::from_str_radix(time, 16).ok()
}

fn in_file(path: &str, query: &JournalQuery<'_>) -> Fact<JournalTail> {
    let opened = real::fact(real::open(path));
    let read = opened.map(|file| parse_journal(&Journal(file), query));
    match read {
        Fact::Known(Ok(tail)) => Fact::Known(tail),
        Fact::Known(Err(error)) => Fact::unreadable(format!("{path}: {error}")),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: JournalQuery<'static> = JournalQuery { identifiers: &["sshd"], since: 0, entries: 20 };

    #[test]
    fn a_journal_is_read_where_it_lies_and_anything_else_in_its_place_is_said_to_be_none() {
        let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/recorded/log/compact.journal");
        let tail = in_file(recorded, &QUERY);
        assert_eq!(tail.known().unwrap().entries.len(), 20);
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        assert_eq!(in_file(&path("missing"), &QUERY), Fact::Absent);
        assert_eq!(in_file(folder.path().to_str().unwrap(), &QUERY), Fact::unreadable("not a regular file"));
        std::fs::write(path("text"), "x".repeat(10_000)).unwrap();
        let Fact::Unreadable(why) = in_file(&path("text"), &QUERY) else { panic!("taken for a journal") };
        assert!(why.reason.ends_with("not a journal file"), "{}", why.reason);
    }

    #[test]
    fn the_file_that_was_put_away_last_is_told_by_its_name() {
        let time = begins("system@f9892d528e904055bed80aac37b0829d-0000000000000001-00066108b2274a28.journal");
        assert_eq!(time, Some(0x0006_6108_b227_4a28));
        assert_eq!(begins("system@0006-4a28.journal~"), None);
        assert_eq!(begins("user-1000.journal"), None);
    }
}
