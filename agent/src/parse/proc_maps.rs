//! `/proc/PID/maps`: which files a process has in its memory (proc_pid_maps(5)).

use std::collections::BTreeSet;

use super::text;

/// Address, permissions, offset, device and inode stand before the path, which may have blanks in it.
const BEFORE_PATH: usize = 5;

/// The files' paths; that of what was deleted or replaced ends in ` (deleted)`, and a line feed in one is `\012`.
pub fn parse_proc_maps(bytes: &[u8]) -> BTreeSet<String> {
    let text = text(bytes);
    text.lines().filter_map(path).map(str::to_owned).collect()
}

fn path(line: &str) -> Option<&str> {
    let mut rest = line;
    for _ in 0..BEFORE_PATH {
        rest = rest.split_once(' ')?.1;
    }
    // What is no file is `[heap]`, `anon_inode:…` or nothing.
    Some(rest.trim_start_matches(' ')).filter(|path| path.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_once_and_what_is_no_file_is_not() {
        let maps = b"55d0c63a9000-55d0c63b5000 r--p 00000000 00:2f 4718631                    /usr/sbin/sshd\n\
            55d0c63b5000-55d0c6449000 r-xp 0001c000 00:2f 4718631                    /usr/sbin/sshd\n\
            55d0c7d4b000-55d0c7d6c000 rw-p 00000000 00:00 0                          [heap]\n\
            7f1b4f2f1000-7f1b4f2f5000 rw-p 00000000 00:00 0 \n\
            7f1b4f324000-7f1b4f3e9000 r--p 00000000 00:2f 4195530                    /usr/lib/libcrypto.so.3 (deleted)\n";
        let expected = ["/usr/lib/libcrypto.so.3 (deleted)", "/usr/sbin/sshd"];
        assert_eq!(parse_proc_maps(maps).into_iter().collect::<Vec<_>>(), expected);
        assert!(parse_proc_maps(b"7f1b4f2f1000-7f1b4f2f5000 rw-p\n\xff\n").is_empty());
    }
}
