//! A file that the user named, read whole and bounded.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// At most `limit` bytes and one more, so that the caller sees that there are too many.
///
/// # Errors
///
/// What cannot be read, and what is no regular file: opening a FIFO would wait for somebody to write, a device may never end.
pub fn read_regular_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
