//! The beginning of a program: ELF's header and its program headers (elf(5)).

use std::ops::Range;

const PT_LOAD: u32 = 1;
/// What may be read, and neither run nor written.
const PF_R: u32 = 4;
/// A program has a dozen.
const HEADERS: usize = 64;

/// Where in a program's file its constants stand, when its linker has put them apart from the code; nothing when it has not, or when
/// this is no such beginning. Of 64 bits and little-endian only: that is what EC2 runs.
pub fn parse_elf_constants(beginning: &[u8]) -> Vec<Range<u64>> {
    constants(beginning).unwrap_or_default()
}

fn constants(bytes: &[u8]) -> Option<Vec<Range<u64>>> {
    let mut constants = Vec::new();
    for header in program_headers(bytes)? {
        if word(header, 0)? == PT_LOAD && word(header, 4)? == PF_R {
            let from = long(header, 8)?;
            constants.push(from..from.checked_add(long(header, 32)?)?);
        }
    }
    Some(constants)
}

/// Each with all that comes behind it.
pub(super) fn program_headers(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    // e_ident: the magic number, ELFCLASS64, ELFDATA2LSB.
    if bytes.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = usize::try_from(long(bytes, 32)?).ok()?;
    let size = usize::from(short(bytes, 54)?);
    let count = usize::from(short(bytes, 56)?);
    (0..count.min(HEADERS)).map(|index| bytes.get(table.checked_add(size.checked_mul(index)?)?..)).collect()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header and the program headers given as kind, flags, offset and size.
    fn program(headers: &[(u32, u32, u64, u64)]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64, 0);
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = headers.len() as u8;
        for (kind, flags, offset, size) in headers {
            bytes.extend(kind.to_le_bytes());
            bytes.extend(flags.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            bytes.extend([0; 16]);
            bytes.extend(size.to_le_bytes());
            bytes.extend([0; 16]);
        }
        bytes
    }

    #[test]
    fn constants_are_what_is_loaded_to_be_read_only() {
        let bytes = program(&[
            (6, 4, 64, 600),
            (1, 4, 0, 0x4000),
            (1, 5, 0x4000, 0x9000),
            (1, 4, 0xd000, 0x10),
            (1, 6, 0xe000, 9),
        ]);
        assert_eq!(parse_elf_constants(&bytes), [0..0x4000, 0xd000..0xd010]);
    }

    #[test]
    fn where_code_and_constants_are_not_told_apart_there_are_none() {
        assert_eq!(parse_elf_constants(&program(&[(1, 5, 0, 0x9000), (1, 6, 0x9000, 9)])), []);
        assert_eq!(parse_elf_constants(b"#!/bin/sh\n"), []);
        assert_eq!(parse_elf_constants(&program(&[(1, 4, u64::MAX, 2)])), []);
        assert_eq!(parse_elf_constants(&program(&[(1, 4, 0, 9)])[..80]), []);
    }
}
