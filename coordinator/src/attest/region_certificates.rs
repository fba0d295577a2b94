//! The certificates with which AWS signs instance identity documents, one a Region, each held against a fingerprint that was known
//! beforehand.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use serde::Deserialize;
use x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION;
use x509_parser::pem::Pem;

use super::document::is_region;
use crate::store::Millis;

/// A certificate's file may be this long: AWS's are 1,500 bytes.
const MAX_FILE: u64 = 64 * 1024;

/// SHA-256 of a certificate, DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// That a certificate with this fingerprint speaks for a Region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub region: String,
    pub sha256: Fingerprint,
}

/// One Region's.
#[derive(Clone, Debug)]
pub struct RegionCertificate {
    pub sha256: Fingerprint,
    pub not_before: Millis,
    pub not_after: Millis,
    /// PKCS #1 `RSAPublicKey`, DER.
    pub(super) public_key: Vec<u8>,
}

/// All that were loaded. A Region has more than one only while AWS, or whoever added a pin, changes from one to another.
#[derive(Clone, Debug, Default)]
pub struct RegionCertificates {
    directory: PathBuf,
    by_region: BTreeMap<String, Vec<RegionCertificate>>,
}

/// Why the directory cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum RegionCertificatesError {
    #[error("read the directory of Region certificates {path}")]
    ReadDirectory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("read the Region certificate {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not named for a Region, as `eu-west-1.pem` is")]
    Name { path: PathBuf },
    #[error("{path} holds no certificate in PEM, or something besides")]
    Pem { path: PathBuf },
    #[error("the certificate in {path} has no RSA key of 2,048 bits or more")]
    Key { path: PathBuf },
    #[error(
        "the certificate in {path} has the fingerprint {found}, which is not known for {region}: it is not AWS's, or needs a pin of its own in the configuration"
    )]
    NotPinned { path: PathBuf, region: String, found: Fingerprint },
}

impl RegionCertificates {
    /// Reads each `REGION.pem` of `directory`; one file may hold several certificates. Other names are left alone.
    ///
    /// # Errors
    /// When a file is not what its name says, or its certificate is neither in AWS's published list, as it is shipped, nor in `own`.
    pub fn load(directory: &Path, own: &[Pin]) -> Result<RegionCertificates, RegionCertificatesError> {
        let unreadable = |source| RegionCertificatesError::ReadDirectory { path: directory.to_owned(), source };
        let mut pins = published();
        pins.extend_from_slice(own);
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "pem") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut by_region = BTreeMap::new();
        for path in paths {
            let region = path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| is_region(stem));
            let Some(region) = region.map(str::to_owned) else {
                return Err(RegionCertificatesError::Name { path });
            };
            let certificates = read_file(&path, &region, &pins)?;
            by_region.insert(region, certificates);
        }
        Ok(RegionCertificates { directory: directory.to_owned(), by_region })
    }

    /// Those of one Region; empty: none was loaded.
    pub fn of(&self, region: &str) -> &[RegionCertificate] {
        self.by_region.get(region).map_or(&[], Vec::as_slice)
    }

    /// The Regions that a document may come from.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.by_region.keys().map(String::as_str)
    }

    /// Where the certificate of a Region would have to lie.
    pub fn path_of(&self, region: &str) -> PathBuf {
        self.directory.join(format!("{region}.pem"))
    }
}

/// What AWS publishes, as the product ships it.
pub fn published() -> Vec<Pin> {
    #[derive(Deserialize)]
    struct Shipped {
        rsa2048: BTreeMap<String, Fingerprint>,
    }
    let shipped: Shipped =
        toml::from_str(include_str!("region_certificates.toml")).expect("a test reads the file that is compiled in");
    shipped.rsa2048.into_iter().map(|(region, sha256)| Pin { region, sha256 }).collect()
}

fn read_file(path: &Path, region: &str, pins: &[Pin]) -> Result<Vec<RegionCertificate>, RegionCertificatesError> {
    let unreadable = |source| RegionCertificatesError::Read { path: path.to_owned(), source };
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() || about.len() > MAX_FILE {
        return Err(RegionCertificatesError::Pem { path: path.to_owned() });
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    let mut certificates = Vec::new();
    for pem in Pem::iter_from_buffer(&text) {
        let pem = pem.map_err(|_| RegionCertificatesError::Pem { path: path.to_owned() })?;
        certificates.push(read_certificate(path, region, pins, &pem)?);
    }
    if certificates.is_empty() { Err(RegionCertificatesError::Pem { path: path.to_owned() }) } else { Ok(certificates) }
}

fn read_certificate(
    path: &Path,
    region: &str,
    pins: &[Pin],
    pem: &Pem,
) -> Result<RegionCertificate, RegionCertificatesError> {
    let path = || path.to_owned();
    if pem.label != "CERTIFICATE" {
        return Err(RegionCertificatesError::Pem { path: path() });
    }
    let found = Fingerprint::of(&pem.contents);
    if !pins.iter().any(|pin| pin.region == region && pin.sha256 == found) {
        return Err(RegionCertificatesError::NotPinned { path: path(), region: region.to_owned(), found });
    }
    let (rest, certificate) = x509_parser::parse_x509_certificate(&pem.contents)
        .map_err(|_| RegionCertificatesError::Pem { path: path() })?;
    let key = certificate.public_key();
    let bits = key.parsed().map_or(0, |key| key.key_size());
    if !rest.is_empty() || key.algorithm.algorithm != OID_PKCS1_RSAENCRYPTION || !(2048..=8192).contains(&bits) {
        return Err(RegionCertificatesError::Key { path: path() });
    }
    let validity = certificate.validity();
    let millis = |seconds: i64| Millis::try_from(seconds).unwrap_or(0).saturating_mul(1000);
    Ok(RegionCertificate {
        sha256: found,
        not_before: millis(validity.not_before.timestamp()),
        not_after: millis(validity.not_after.timestamp()),
        public_key: key.subject_public_key.data.to_vec(),
    })
}

impl Fingerprint {
    pub fn of(der: &[u8]) -> Fingerprint {
        Fingerprint(digest(&SHA256, der).as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = NoFingerprint;

    /// 64 hexadecimal digits, with or without colons between the bytes, as `openssl x509 -fingerprint -sha256` prints them.
    fn from_str(text: &str) -> Result<Fingerprint, NoFingerprint> {
        let digits: Vec<u8> =
            text.chars().filter(|c| *c != ':').filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
        if digits.len() != 64 || text.chars().any(|c| c != ':' && !c.is_ascii_hexdigit()) {
            return Err(NoFingerprint);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(Fingerprint(bytes))
    }
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a SHA-256 fingerprint has 64 hexadecimal digits")]
pub struct NoFingerprint;

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Fingerprint, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
