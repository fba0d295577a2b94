//! What agents and operators are given to trust: the authorities' certificates, and nothing that is secret.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Authority, AuthorityError};

/// The file that goes into images, beside the embedded authority's own, which never does: that one holds the key.
pub const PUBLISHED: &str = "for-agents.pem";

impl Authority {
    /// The certificates of all that are trusted, PEM.
    pub fn trusted_pem(&self) -> String {
        self.trusted().iter().map(|certificate| pem(certificate)).collect()
    }

    /// Writes them to [`PUBLISHED`] in the embedded authority's directory, whole or not at all.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn publish(&self, directory: &Path) -> Result<PathBuf, AuthorityError> {
        let path = directory.join(PUBLISHED);
        let written = self.write(&path);
        written.map(|()| path.clone()).map_err(|source| AuthorityError::Make { path, source })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile_in(directory)?;
        file.1.write_all(self.trusted_pem().as_bytes())?;
        file.1.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.1.sync_all()?;
        std::fs::rename(&file.0, path)
    }
}

fn tempfile_in(directory: &Path) -> io::Result<(PathBuf, std::fs::File)> {
    let path = directory.join(format!(".{PUBLISHED}.{}", std::process::id()));
    let file = std::fs::File::create(&path)?;
    Ok((path, file))
}

fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let base64 = STANDARD.encode(der);
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: any place is between two characters.
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::read_certificates;

    #[test]
    fn what_is_published_is_what_is_trusted_and_holds_no_key() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::embedded(directory.path(), 1_800_000_000_000).unwrap();
        let path = authority.publish(directory.path()).unwrap();
        assert_eq!(authority.publish(directory.path()).unwrap(), path, "again, over the one before");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("PRIVATE"), "{text}");
        assert_eq!(read_certificates(&path).unwrap(), authority.trusted());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
}
