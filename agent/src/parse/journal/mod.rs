//! The newest entries of a systemd journal file, read from its own index.
//!
//! Source: systemd's "Journal File Format" (systemd.io/JOURNAL_FILE_FORMAT). A file is a header and objects at multiples of eight bytes.
//! A hash table leads from `FIELD=value` to its data object, whose chain of arrays lists the entries that have it; so a file of any
//! size costs a few dozen reads. Every number in it may be wrong: the file is written while we read.

mod hash;
mod pages;

use pages::Pages;

/// A file that can be read anywhere.
pub trait ReadAt {
    /// At most `length` bytes from `offset` on, fewer at the end of the file; `None` when it cannot be read.
    fn read_at(&self, offset: u64, length: usize) -> Option<Vec<u8>>;
}

impl ReadAt for &[u8] {
    fn read_at(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let start = usize::try_from(offset).ok()?.min(self.len());
        Some(self[start..start.saturating_add(length).min(self.len())].to_vec())
    }
}

/// Which entries are wanted.
#[derive(Clone, Debug)]
pub struct JournalQuery<'a> {
    /// Values of `SYSLOG_IDENTIFIER`.
    pub identifiers: &'a [&'a str],
    /// Seconds since 1970.
    pub since: u64,
    /// At most so many, the newest.
    pub entries: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalEntry {
    /// Microseconds since 1970.
    pub realtime: u64,
    pub identifier: String,
    pub pid: u32,
    /// Who sent it, as the kernel told journald.
    pub uid: Option<u32>,
    /// What is not UTF-8 becomes U+FFFD.
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalTail {
    /// Oldest first.
    pub entries: Vec<JournalEntry>,
    /// Seconds since 1970 of the first entry that the file has; before it another file must be asked.
    pub begins: u64,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    #[error("not a journal file")]
    Signature,
    #[error("a journal file of a newer kind (flags {0:#x})")]
    Flags(u32),
    #[error("a journal file that leads nowhere at {0:#x}")]
    Broken(u64),
    #[error("a journal file that would take too long to read")]
    TooLong,
}

const SIGNATURE: &[u8] = b"LPKSHHRH";
/// The fields that every version has.
const HEADER: usize = 208;
const KEYED_HASH: u32 = 1 << 2;
const COMPACT: u32 = 1 << 4;
/// Compression by XZ, LZ4 and ZSTD besides.
const KNOWN_FLAGS: u32 = 0b1_1111;

const DATA: u8 = 1;
const ENTRY: u8 = 3;
const ENTRY_ARRAY: u8 = 6;
const COMPRESSED: u8 = 0b111;

/// Data objects of one bucket of the hash table; a healthy table has one or two.
const CHAIN: usize = 256;
/// Arrays of one data object: each has twice the room of the one before.
const ARRAYS: usize = 64;
/// Fields of an entry; sshd's have some 25.
const FIELDS: u64 = 128;
/// Bytes of a field that are read; sshd's messages have at most 1,024.
const FIELD: usize = 1_280;

pub fn parse_journal(file: &dyn ReadAt, query: &JournalQuery<'_>) -> Result<JournalTail, JournalError> {
    let mut journal = Journal::open(file)?;
    let since = query.since.saturating_mul(1_000_000);
    let mut lists = Vec::new();
    for identifier in query.identifiers {
        if let Some(data) = journal.find_data(format!("SYSLOG_IDENTIFIER={identifier}").as_bytes())? {
            lists.push(journal.last_entries(data, query.entries)?);
        }
    }
    let mut offsets = lists.concat();
    // Entries are appended, so a later one lies behind.
    offsets.sort_unstable_by(|one, other| other.cmp(one));
    offsets.truncate(query.entries);
    let mut entries = Vec::new();
    for offset in offsets {
        let (realtime, fields) = journal.entry(offset)?;
        if realtime < since {
            break;
        }
        entries.extend(journal.read_entry(realtime, &fields)?);
    }
    entries.reverse();
    Ok(JournalTail { entries, begins: journal.begins / 1_000_000 })
}

struct Journal<'a> {
    pages: Pages<'a>,
    is_compact: bool,
    /// The file's own id, where it is the key of the hashes.
    key: Option<[u8; 16]>,
    header_size: u64,
    table: u64,
    buckets: u64,
    begins: u64,
}

impl<'a> Journal<'a> {
    fn open(file: &'a dyn ReadAt) -> Result<Self, JournalError> {
        let mut pages = Pages::new(file);
        let header = pages.bytes(0, HEADER).map_err(|error| match error {
            JournalError::Broken(_) => JournalError::Signature,
            other => other,
        })?;
        if !header.starts_with(SIGNATURE) {
            return Err(JournalError::Signature);
        }
        let flags = u32_at(&header, 12);
        if flags & !KNOWN_FLAGS != 0 {
            return Err(JournalError::Flags(flags));
        }
        let mut id = [0; 16];
        id.copy_from_slice(&header[24..40]);
        Ok(Self {
            pages,
            is_compact: flags & COMPACT != 0,
            key: (flags & KEYED_HASH != 0).then_some(id),
            header_size: u64_at(&header, 88),
            table: u64_at(&header, 104),
            buckets: u64_at(&header, 112) / 16,
            begins: u64_at(&header, 184),
        })
    }

    /// The first 16 bytes of an object, which must be of this type, and its size.
    fn object(&mut self, offset: u64, kind: u8) -> Result<(u8, u64), JournalError> {
        if !offset.is_multiple_of(8) || offset < self.header_size {
            return Err(JournalError::Broken(offset));
        }
        let header = self.pages.bytes(offset, 16)?;
        let size = u64_at(&header, 8);
        if header[0] != kind || size < 16 {
            return Err(JournalError::Broken(offset));
        }
        Ok((header[1], size))
    }

    fn find_data(&mut self, payload: &[u8]) -> Result<Option<u64>, JournalError> {
        let hash = match &self.key {
            Some(key) => hash::siphash24(key, payload),
            None => hash::jenkins(payload),
        };
        if self.buckets == 0 {
            return Ok(None);
        }
        let bucket = self.table.saturating_add(hash % self.buckets * 16);
        let mut offset = u64_at(&self.pages.bytes(bucket, 8)?, 0);
        for _ in 0..CHAIN {
            if offset == 0 {
                return Ok(None);
            }
            let (_, size) = self.object(offset, DATA)?;
            let object = self.pages.bytes(offset, 32)?;
            let start = self.payload_start();
            if u64_at(&object, 16) == hash && size == start + payload.len() as u64 {
                let found = self.pages.bytes(offset.saturating_add(start), payload.len())?;
                if found == payload {
                    return Ok(Some(offset));
                }
            }
            offset = u64_at(&object, 24);
        }
        Err(JournalError::TooLong)
    }

    /// A data object's payload lies behind its fields, of which the compact kind has one more.
    fn payload_start(&self) -> u64 {
        if self.is_compact { 72 } else { 64 }
    }

    /// Where the last entries lie that have this data, at most `wanted`.
    fn last_entries(&mut self, data: u64, wanted: usize) -> Result<Vec<u64>, JournalError> {
        let object = self.pages.bytes(data, 64)?;
        let (first, mut array) = (u64_at(&object, 40), u64_at(&object, 48));
        let mut arrays = Vec::new();
        while array != 0 {
            if arrays.len() == ARRAYS {
                return Err(JournalError::TooLong);
            }
            let (_, size) = self.object(array, ENTRY_ARRAY)?;
            arrays.push((array, size.saturating_sub(24) / self.item()));
            array = u64_at(&self.pages.bytes(array, 24)?, 16);
        }
        // How many of all these places are taken; the last array is full only by chance.
        let mut taken = u64_at(&object, 56).saturating_sub(1);
        for (_, places) in &mut arrays {
            *places = (*places).min(taken);
            taken -= *places;
        }
        let mut found = Vec::new();
        let mut looked = 0;
        for (array, places) in arrays.into_iter().rev() {
            for place in (0..places).rev() {
                // A place that is still empty counts as one that was looked at.
                if looked == wanted {
                    return Ok(found);
                }
                looked += 1;
                let at = array.saturating_add(24 + place * self.item());
                let entry = self.offset_at(at)?;
                if entry != 0 {
                    found.push(entry);
                }
            }
        }
        if found.len() < wanted && first != 0 {
            found.push(first);
        }
        Ok(found)
    }

    /// The size of an offset in an array of entries.
    fn item(&self) -> u64 {
        if self.is_compact { 4 } else { 8 }
    }

    fn offset_at(&mut self, at: u64) -> Result<u64, JournalError> {
        if self.is_compact {
            Ok(u64::from(u32_at(&self.pages.bytes(at, 4)?, 0)))
        } else {
            Ok(u64_at(&self.pages.bytes(at, 8)?, 0))
        }
    }

    /// An entry's time, and where its fields lie.
    fn entry(&mut self, offset: u64) -> Result<(u64, Vec<u64>), JournalError> {
        let (_, size) = self.object(offset, ENTRY)?;
        let realtime = u64_at(&self.pages.bytes(offset, 64)?, 24);
        // The old kind keeps a hash beside each offset.
        let item = if self.is_compact { 4 } else { 16 };
        let count = (size.saturating_sub(64) / item).min(FIELDS);
        let mut fields = Vec::new();
        for place in 0..count {
            fields.push(self.offset_at(offset.saturating_add(64 + place * item))?);
        }
        Ok((realtime, fields))
    }

    /// `None` for an entry whose message is compressed: no message of sshd is long enough for that.
    fn read_entry(&mut self, realtime: u64, fields: &[u64]) -> Result<Option<JournalEntry>, JournalError> {
        let mut entry = JournalEntry { realtime, ..JournalEntry::default() };
        let (mut has_message, mut syslog_pid) = (false, None);
        for field in fields {
            let (flags, size) = self.object(*field, DATA)?;
            if flags & COMPRESSED != 0 {
                continue;
            }
            let start = self.payload_start();
            let length = usize::try_from(size.saturating_sub(start)).map_or(FIELD, |length| length.min(FIELD));
            let payload = self.pages.bytes(field.saturating_add(start), length)?;
            let Some(border) = payload.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = (&payload[..border], &payload[border + 1..]);
            let number = || std::str::from_utf8(value).ok()?.parse::<u32>().ok();
            match name {
                b"MESSAGE" => {
                    has_message = true;
                    entry.message = String::from_utf8_lossy(value).into_owned();
                }
                b"SYSLOG_IDENTIFIER" => entry.identifier = String::from_utf8_lossy(value).into_owned(),
                b"_PID" => entry.pid = number().unwrap_or_default(),
                b"SYSLOG_PID" => syslog_pid = number(),
                b"_UID" => entry.uid = number(),
                _ => {}
            }
        }
        if entry.pid == 0 {
            entry.pid = syslog_pid.unwrap_or_default();
        }
        Ok(has_message.then_some(entry))
    }
}

/// Little endian, as everything in the file is. The caller has read so many bytes.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    if let Some(found) = bytes.get(at..at + 8) {
        number.copy_from_slice(found);
    }
    u64::from_le_bytes(number)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    if let Some(found) = bytes.get(at..at + 4) {
        number.copy_from_slice(found);
    }
    u32::from_le_bytes(number)
}

#[cfg(test)]
mod tests;
