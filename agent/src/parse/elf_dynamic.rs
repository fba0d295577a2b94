//! What a program or a library is linked with: ELF's dynamic section (elf(5)), read in pieces, for libraries have megabytes.

use std::ops::Range;

use super::elf::{long, program_headers, word};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;
/// The longest that a dynamic section or an interpreter's path is taken for.
const LENGTH: u64 = 16 * 1024;
/// A program is linked with a dozen libraries at the most.
const NEEDED: usize = 64;

/// Where in the file the parts stand that say what it is linked with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElfParts {
    /// The loader's path; a library has none.
    pub interpreter: Option<Range<u64>>,
    pub dynamic: Range<u64>,
    /// Address, and where it stands in the file.
    loaded: Vec<(Range<u64>, u64)>,
}

/// Where in the file the names stand, each up to its NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElfNames {
    pub needed: Vec<u64>,
    /// Lists of folders, `:` between them.
    pub folders: Vec<u64>,
}

/// `None` for a file that is no ELF of 64 bits, or that is linked with nothing.
pub fn parse_elf_parts(beginning: &[u8]) -> Option<ElfParts> {
    let mut parts = ElfParts::default();
    for header in program_headers(beginning)? {
        let (offset, address, size) = (long(header, 8)?, long(header, 16)?, long(header, 32)?);
        let end = offset.checked_add(size)?;
        match word(header, 0)? {
            PT_LOAD => parts.loaded.push((address..address.checked_add(size)?, offset)),
            PT_DYNAMIC if size <= LENGTH => parts.dynamic = offset..end,
            PT_INTERP if size <= LENGTH => parts.interpreter = Some(offset..end),
            _ => {}
        }
    }
    (!parts.dynamic.is_empty()).then_some(parts)
}

/// From the bytes at [`ElfParts::dynamic`].
pub fn parse_elf_names(parts: &ElfParts, dynamic: &[u8]) -> ElfNames {
    let entries: Vec<(u64, u64)> =
        dynamic.chunks_exact(16).map_while(|entry| Some((long(entry, 0)?, long(entry, 8)?))).collect();
    let table = entries.iter().find(|(tag, _)| *tag == DT_STRTAB).and_then(|(_, address)| {
        let (range, offset) = parts.loaded.iter().find(|(range, _)| range.contains(address))?;
        offset.checked_add(address - range.start)
    });
    let Some(table) = table else { return ElfNames::default() };
    let named = |wanted: &[u64]| {
        let found = entries.iter().filter(|(tag, _)| wanted.contains(tag));
        found.filter_map(|(_, at)| table.checked_add(*at)).take(NEEDED).collect()
    };
    ElfNames { needed: named(&[DT_NEEDED]), folders: named(&[DT_RPATH, DT_RUNPATH]) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_running_test_is_linked_with_the_c_library() {
        let bytes = fs::read("/proc/self/exe").unwrap();
        let parts = parse_elf_parts(&bytes[..4096]).unwrap();
        let part = |range: &Range<u64>| &bytes[range.start as usize..range.end as usize];
        let interpreter = part(parts.interpreter.as_ref().unwrap());
        assert!(interpreter.starts_with(b"/lib"), "{interpreter:?}");
        let names = parse_elf_names(&parts, part(&parts.dynamic));
        let name = |at: u64| bytes[at as usize..].split(|byte| *byte == 0).next().unwrap().to_vec();
        assert!(names.needed.iter().any(|at| name(*at) == b"libc.so.6"));
    }

    #[test]
    fn what_is_cut_or_no_elf_has_no_parts() {
        let bytes = fs::read("/proc/self/exe").unwrap();
        for length in 0..200 {
            assert_eq!(parse_elf_parts(&bytes[..length]), None);
        }
        assert_eq!(parse_elf_parts(b"#!/bin/sh\n"), None);
        assert_eq!(parse_elf_names(&ElfParts::default(), &[0xff; 64]), ElfNames::default());
    }
}
