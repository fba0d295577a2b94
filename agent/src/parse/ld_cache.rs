//! `/etc/ld.so.cache`, in which the loader looks for libraries (ld.so(8); glibc, `dl-cache.h`).

use super::text;

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// Some thousand libraries on a large system.
const ENTRIES: usize = 65_536;
const LENGTH: usize = 4_096;

/// The files that the cache has for a library's name, in the loader's order; none where this is no such cache. Before glibc 2.32 the part
/// that is read stands behind an older one.
pub fn parse_ld_cache(bytes: &[u8], library: &str) -> Vec<String> {
    let Some(start) = bytes.windows(MAGIC.len()).position(|window| window == MAGIC) else { return Vec::new() };
    let cache = bytes.get(start..).unwrap_or_default();
    let number = |at: usize| Some(u32::from_le_bytes(cache.get(at..at + 4)?.try_into().ok()?) as usize);
    let string = |at: usize| {
        let rest = cache.get(at..)?;
        rest.get(..rest.iter().take(LENGTH).position(|byte| *byte == 0)?)
    };
    // Without looking for the end of each name: the loop is over all of them.
    let wanted = [library.as_bytes(), &[0]].concat();
    let is_wanted = |at: usize| cache.get(at..at.saturating_add(wanted.len())) == Some(wanted.as_slice());
    let count = number(MAGIC.len()).unwrap_or_default().min(ENTRIES);
    let mut found = Vec::new();
    for entry in (0..count).map(|index| HEADER + index * ENTRY) {
        let (Some(name), Some(file)) = (number(entry + 4), number(entry + 8)) else { break };
        if is_wanted(name)
            && let Some(file) = string(file)
        {
            found.push(text(file).into_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(before: &[u8], entries: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((entries.len() as u32).to_le_bytes());
        bytes.resize(HEADER, 0);
        let mut strings = Vec::new();
        let base = HEADER + entries.len() * ENTRY;
        for (name, file) in entries {
            let at = |strings: &[u8]| ((base + strings.len()) as u32).to_le_bytes();
            let mut entry = vec![3, 3, 0, 0];
            entry.extend(at(&strings));
            strings.extend(name.bytes().chain([0]));
            entry.extend(at(&strings));
            strings.extend(file.bytes().chain([0]));
            entry.resize(ENTRY, 0);
            bytes.extend(entry);
        }
        [before, &bytes, &strings].concat()
    }

    const ENTRIES: [(&str, &str); 3] = [
        ("libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"),
        ("libcurl.so.4", "/usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libcurl.so.4"),
        ("libcurl.so.4", "/usr/lib/x86_64-linux-gnu/libcurl.so.4"),
    ];

    #[test]
    fn a_library_is_found_behind_an_older_part_too() {
        for before in [&b""[..], b"ld.so-1.7.0\0and an older list"] {
            let bytes = cache(before, &ENTRIES);
            assert_eq!(parse_ld_cache(&bytes, "libc.so.6"), ["/lib/x86_64-linux-gnu/libc.so.6"]);
            assert_eq!(parse_ld_cache(&bytes, "libcurl.so.4").len(), 2);
            assert_eq!(parse_ld_cache(&bytes, "libcurl.so"), [""; 0]);
        }
    }

    #[test]
    fn a_cut_or_foreign_cache_has_nothing() {
        let bytes = cache(b"", &ENTRIES);
        for length in 0..bytes.len() {
            let _ = parse_ld_cache(&bytes[..length], "libc.so.6");
        }
        assert_eq!(parse_ld_cache(&bytes[..60], "libc.so.6"), [""; 0]);
        assert_eq!(parse_ld_cache(b"ld.so-1.7.0", "libc.so.6"), [""; 0]);
    }
}
