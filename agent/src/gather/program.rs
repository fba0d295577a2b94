//! What stands in a program's file. A program has 1 to 2 MB: it is read part by part, and of what it is known to be only what can hold
//! a text.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::slice;

use memchr::memmem;

use crate::parse;

use super::real;

/// sshd has 0.8 to 1.3 MB.
const PROGRAM_LIMIT: u64 = 16 * 1024 * 1024;
/// The longest text that is found whole.
const TEXT_LIMIT: usize = 256;
/// Read at once.
const PART: usize = 64 * 1024;
const TEXTS: usize = 32;
/// ELF's header and all program headers stand in the first page.
const PAGE: usize = 4096;

/// The NUL-terminated texts that begin so, up to the first that is enough. Whole texts only: what stands before them must be a NUL too.
pub(super) fn texts(program: &str, beginning: &str, is_enough: &dyn Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let finder = memmem::Finder::new(beginning.as_bytes());
    let look = |found: &mut Vec<String>, part: &[u8], is_last: bool| {
        let mut looked_at = 0;
        for start in finder.find_iter(part) {
            let text = part.get(start..).unwrap_or_default();
            // The rest of it may come with the next part.
            if text.len() < TEXT_LIMIT && !is_last {
                break;
            }
            looked_at = start + 1;
            let end = text.iter().take(TEXT_LIMIT).position(|byte| *byte == 0);
            if start > 0
                && part.get(start - 1) == Some(&0)
                && let Some(text) = end.and_then(|end| text.get(..end))
            {
                found.push(String::from_utf8_lossy(text).into_owned());
                if found.len() >= TEXTS || found.last().is_some_and(|text| is_enough(text)) {
                    return Looked::Enough;
                }
            }
        }
        Looked::Until(looked_at)
    };
    let program = Program::open(program)?;
    let mut found = Vec::new();
    program.read(&program.constants, TEXT_LIMIT + 1, |part, is_last| look(&mut found, part, is_last))?;
    if found.is_empty() {
        program.read(slice::from_ref(&WHOLE), TEXT_LIMIT + 1, |part, is_last| look(&mut found, part, is_last))?;
    }
    Ok(found)
}

/// Whether a regular file holds these bytes.
pub(super) fn contains(path: &str, bytes: &[u8]) -> io::Result<bool> {
    let finder = memmem::Finder::new(bytes);
    let mut is_there = false;
    let mut look = |part: &[u8], _| {
        is_there = finder.find(part).is_some();
        if is_there { Looked::Enough } else { Looked::Until(0) }
    };
    let program = Program::open(path)?;
    if !program.read(&program.constants, bytes.len(), &mut look)? {
        program.read(slice::from_ref(&WHOLE), bytes.len(), &mut look)?;
    }
    Ok(is_there)
}

const WHOLE: Range<u64> = 0..PROGRAM_LIMIT;

struct Program {
    file: File,
    /// Empty for a file of which that is not known.
    constants: Vec<Range<u64>>,
}

enum Looked {
    Enough,
    /// Before here nothing of this part is wanted any more.
    Until(usize),
}

impl Program {
    fn open(path: &str) -> io::Result<Self> {
        let file = real::open(path)?;
        let mut beginning = vec![0; PAGE];
        let read = read_at(&file, &mut beginning, 0)?;
        beginning.truncate(read);
        Ok(Self { file, constants: parse::parse_elf_constants(&beginning) })
    }

    /// Hands out part after part, each with the last `overlap` bytes of the one before it, and says which is the last. True when it was
    /// enough.
    fn read(
        &self,
        ranges: &[Range<u64>],
        overlap: usize,
        mut look: impl FnMut(&[u8], bool) -> Looked,
    ) -> io::Result<bool> {
        let mut buffer = vec![0; PART + overlap + 1];
        let mut left = PROGRAM_LIMIT;
        for range in ranges {
            // As if a NUL stood before the first byte.
            buffer.splice(..1, [0]);
            let mut kept = 1;
            let mut at = range.start;
            loop {
                let wanted = range.end.saturating_sub(at).min(left).min(PART as u64) as usize;
                let read = read_at(&self.file, buffer.get_mut(kept..kept + wanted).unwrap_or_default(), at)?;
                at = at.saturating_add(read as u64);
                left -= read as u64;
                let length = kept + read;
                match look(buffer.get(..length).unwrap_or_default(), read == 0) {
                    Looked::Enough => return Ok(true),
                    Looked::Until(_) if read == 0 => break,
                    Looked::Until(done) => {
                        let from = done.max(length.saturating_sub(overlap));
                        buffer.copy_within(from..length, 0);
                        kept = length - from;
                    }
                }
            }
        }
        Ok(false)
    }
}

/// Fills the buffer, or as much of it as there is.
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(read as u64)) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn every(path: &str, beginning: &str) -> Vec<String> {
        texts(path, beginning, &|_| false).unwrap()
    }

    #[test]
    fn whole_texts_of_a_program_are_found_wherever_the_border_between_two_parts_lies() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        for before in (PART - TEXT_LIMIT - 40..PART + 20).step_by(3) {
            let text = [&vec![b'.'; before][..], b"\0OpenSSH_9.2p1\0xOpenSSH_1\0OpenSSH_2*\0", &[b'.'; 900]].concat();
            fs::write(path, text).unwrap();
            assert_eq!(every(path, "OpenSSH_"), ["OpenSSH_9.2p1", "OpenSSH_2*"], "{before}");
            assert_eq!(texts(path, "OpenSSH_", &|text| text.ends_with("p1")).unwrap(), ["OpenSSH_9.2p1"]);
        }
        assert_eq!(every(path, "missing"), Vec::<String>::new());
        assert_eq!(texts("/dev/zero", "x", &|_| false).unwrap_err().to_string(), "not a regular file");
    }

    #[test]
    fn a_text_at_either_end_of_a_file_is_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        fs::write(path, b"OpenSSH_1\0...\0OpenSSH_2\0").unwrap();
        assert_eq!(every(path, "OpenSSH_"), ["OpenSSH_1", "OpenSSH_2"]);
    }

    #[test]
    fn the_loader_of_this_machines_own_shell_is_the_first_such_text() {
        let is_loader = |text: &str| text.contains("/ld-linux") || text.contains("/ld-musl");
        assert!(is_loader(texts("/bin/sh", "/lib", &is_loader).unwrap().last().unwrap()));
    }

    #[test]
    fn what_stands_outside_of_what_a_program_says_are_its_constants_is_found_too() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(1024, 0);
        // One program header: what is loaded read-only are eight bytes from 512 on.
        for (at, value) in [(32, 64), (54, 56), (56, 1), (64, 1), (68, 4), (73, 2), (96, 8)] {
            bytes[at] = value;
        }
        bytes.splice(513..519, *b"here_1");
        bytes.splice(700..707, *b"there_1");
        bytes.splice(800..806, *b"here_2");
        fs::write(path, bytes).unwrap();
        assert_eq!(every(path, "here_"), ["here_1"]);
        assert_eq!(every(path, "there_"), ["there_1"]);
        assert!(contains(path, b"here_1").unwrap() && contains(path, b"there_1").unwrap());
        assert!(!contains(path, b"nowhere").unwrap());
    }

    #[test]
    fn bytes_are_found_also_where_two_parts_meet() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        for before in [0, PART - 3, 2 * PART - 1] {
            fs::write(path, [vec![b'l'; before], b"libwrap.so.0".to_vec()].concat()).unwrap();
            assert!(contains(path, b"libwrap.so").unwrap(), "{before}");
        }
        assert!(!contains(path, b"libpam.so").unwrap());
        assert_eq!(contains("/nowhere", b"x").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
