//! Where an authority comes from: made once in a directory of the coordinator's, or given by files.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use x509_parser::pem::Pem;

use super::issue::{Life, random_serial, set_life};
use super::{Authority, AuthorityError};
use crate::store::Millis;

/// The one file of an embedded authority: certificate and key together, so that there is never one without the other.
pub const FILE: &str = "authority.pem";
/// Certificates of other authorities that are trusted too, `*.pem`, below the embedded authority's directory.
pub const TRUSTED: &str = "trusted";
/// Of the authority's certificate: ten years.
const LIFE: Millis = 10 * 365 * 86_400_000;
/// No authority's file is longer.
const MAX_FILE: u64 = 1 << 20;

impl Authority {
    /// The authority in `directory`, made there if there is none yet. Of several coordinators that start at once on one directory, one
    /// makes it and all use it.
    ///
    /// # Errors
    /// When the directory cannot be used, or what lies there is no authority or can be read by others.
    pub fn embedded(directory: &Path, now: Millis) -> Result<Authority, AuthorityError> {
        if let Some(authority) = Self::existing(directory)? {
            return Ok(authority);
        }
        let path = directory.join(FILE);
        make(directory, &path, now)?;
        Self::of(directory, &path)
    }

    /// The authority that has been made in `directory`, if one has.
    ///
    /// # Errors
    /// As of [`Authority::embedded`], but nothing is made.
    pub fn existing(directory: &Path) -> Result<Option<Authority>, AuthorityError> {
        let path = directory.join(FILE);
        let is_there = path.try_exists().map_err(|source| AuthorityError::Read { path: path.clone(), source })?;
        is_there.then(|| Self::of(directory, &path)).transpose()
    }

    fn of(directory: &Path, path: &Path) -> Result<Authority, AuthorityError> {
        let mut authority = Authority::from_files(path, path)?;
        authority.trust(read_trusted(&directory.join(TRUSTED))?);
        Ok(authority)
    }

    /// The authority whose certificate (with those between it and its root, if it is not one itself) and key lie in these files.
    ///
    /// # Errors
    /// When they cannot be read, do not belong together, or the key's file can be read by others.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Authority, AuthorityError> {
        let pair = read_key(key)?;
        let chain = read_certificates(certificate)?;
        let [own, ..] = chain.as_slice() else {
            return Err(AuthorityError::Lacks { path: certificate.to_owned(), what: "certificate" });
        };
        hold(own, &pair, certificate, key)?;
        let issuer = Issuer::from_ca_cert_der(own, pair)
            .map_err(|source| AuthorityError::Unusable { path: certificate.to_owned(), source })?;
        // Whoever is given a certificate by it has to find the end of its chain among what is trusted: that is its own.
        Ok(Authority { issuer, trusted: vec![own.clone()], chain })
    }
}

/// The certificates in a PEM file; keys in it are passed over.
///
/// # Errors
/// When it cannot be read or is not PEM.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
    let text = read(path)?;
    let mut certificates = Vec::new();
    for pem in Pem::iter_from_buffer(&text) {
        let pem = pem.map_err(|_| AuthorityError::Lacks { path: path.to_owned(), what: "certificate" })?;
        if pem.label == "CERTIFICATE" {
            certificates.push(pem.contents.into());
        }
    }
    Ok(certificates)
}

fn read_trusted(directory: &Path) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
    let unreadable = |source| AuthorityError::Read { path: directory.to_owned(), source };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(unreadable(error)),
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let certificates = read_certificates(&path)?;
        let bad = certificates.iter().any(|certificate| !is_authority(certificate));
        if bad || certificates.is_empty() {
            return Err(AuthorityError::NoAuthority { path });
        }
        found.extend(certificates);
    }
    Ok(found)
}

fn hold(own: &CertificateDer<'_>, pair: &KeyPair, certificate: &Path, key: &Path) -> Result<(), AuthorityError> {
    if !is_authority(own) {
        return Err(AuthorityError::NoAuthority { path: certificate.to_owned() });
    }
    let is_its_key = x509_parser::parse_x509_certificate(own)
        .is_ok_and(|(_, parsed)| parsed.public_key().raw == pair.subject_public_key_info());
    if is_its_key {
        Ok(())
    } else {
        Err(AuthorityError::OtherKey { key: key.to_owned(), certificate: certificate.to_owned() })
    }
}

fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(certificate).is_ok_and(|(_, parsed)| {
        let signs = parsed.key_usage().ok().flatten().is_none_or(|usage| usage.value.key_cert_sign());
        signs && parsed.basic_constraints().ok().flatten().is_some_and(|basic| basic.value.ca)
    })
}

fn read_key(path: &Path) -> Result<KeyPair, AuthorityError> {
    let unreadable = |source| AuthorityError::Read { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(AuthorityError::OpenToOthers { path: path.to_owned(), mode });
    }
    let text = read(path)?;
    let key = Pem::iter_from_buffer(&text)
        .filter_map(Result::ok)
        .find(|pem| pem.label == "PRIVATE KEY")
        .ok_or_else(|| AuthorityError::Lacks { path: path.to_owned(), what: "private key (PKCS #8)" })?;
    KeyPair::try_from(key.contents).map_err(|source| AuthorityError::Unusable { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, AuthorityError> {
    let unreadable = |source| AuthorityError::Read { path: path.to_owned(), source };
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut text)).map_err(unreadable)?;
    Ok(text)
}

/// Written whole beside its place and then linked to it, which fails where another has been quicker: then that one's is used.
fn make(directory: &Path, path: &Path, now: Millis) -> Result<(), AuthorityError> {
    let failed = |source| AuthorityError::Make { path: path.to_owned(), source };
    if !directory.is_dir() {
        std::fs::create_dir_all(directory).map_err(failed)?;
        std::fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(failed)?;
    }
    let text = generate(now)?;
    let own = random_serial()?.iter().fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
    let temporary = directory.join(format!(".{FILE}.{own}"));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| match std::fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let removed = std::fs::remove_file(&temporary);
    written.and(removed).and_then(|()| File::open(directory)?.sync_all()).map_err(failed)
}

fn generate(now: Millis) -> Result<String, AuthorityError> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Issue)?;
    let serial = random_serial()?;
    let mut params = CertificateParams::default();
    // Two authorities of one fleet are told apart by their names.
    let name = format!("EIC Doctor authority {:02x}{:02x}{:02x}{:02x}", serial[1], serial[2], serial[3], serial[4]);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial.to_vec().into());
    set_life(&mut params, Life { not_before: now, not_after: now.saturating_add(LIFE) });
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(AuthorityError::Issue)?;
    Ok(certificate.pem() + &key.serialize_pem())
}
