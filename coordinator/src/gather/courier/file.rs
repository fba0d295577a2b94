//! `--os-facts FILE`: an `os.json`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use eic_doctor_agent::facts::OsFacts;

/// A whole instance's facts have some 20 kB.
const LIMIT: u64 = 4 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum OsFileError {
    #[error("read OS facts from {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} has more than {LIMIT} bytes, so it is no os.json", path.display())]
    TooLarge { path: PathBuf },
    #[error("{} is no os.json", path.display())]
    Shape {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

pub fn read_os_file(path: &Path) -> Result<OsFacts, OsFileError> {
    let failed = |source| OsFileError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // Opening a FIFO would wait for somebody to write.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(std::io::Error::other("it is not a regular file")));
    }
    File::open(path).map_err(failed)?.take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        return Err(OsFileError::TooLarge { path: path.to_owned() });
    }
    serde_json::from_slice(&bytes).map_err(|source| OsFileError::Shape { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        assert!(matches!(read_os_file(Path::new("/dev/null")), Err(OsFileError::Read { .. })));
    }

    #[test]
    fn a_file_that_is_cut_or_too_large_or_missing_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("os.json");
        assert!(matches!(read_os_file(&path), Err(OsFileError::Read { .. })));
        std::fs::write(&path, br#"{"uid": {"known": 0}"#).unwrap();
        assert!(matches!(read_os_file(&path), Err(OsFileError::Shape { .. })));
        std::fs::write(&path, vec![b' '; LIMIT as usize + 1]).unwrap();
        assert!(matches!(read_os_file(&path), Err(OsFileError::TooLarge { .. })));
        std::fs::write(&path, br#"{"uid": {"known": 0}}"#).unwrap();
        assert_eq!(read_os_file(&path).unwrap().uid.known(), Some(&0));
    }
}
