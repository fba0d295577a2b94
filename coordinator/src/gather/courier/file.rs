//! `--os-facts FILE`: an `os.json`.

use std::io;
use std::path::{Path, PathBuf};

use eic_doctor_agent::facts::OsFacts;

use crate::gather::regular_file::read_regular_file;

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
    let bytes = read_regular_file(path, LIMIT).map_err(failed)?;
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
