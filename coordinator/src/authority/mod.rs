//! The fleet's certificate authority: agents' client certificates, the coordinator's own server certificate, and whom to trust while
//! one authority gives way to another.
//!
//! Keys lie in files of mode 0600. Nothing here knows of the store: that a certificate is good says who speaks, not whether they may.

mod embedded;
mod issue;
mod peer;
mod published;
#[cfg(test)]
mod tests;
mod tls;

use std::io;
use std::path::PathBuf;

use rcgen::{Issuer, KeyPair};
use rustls::pki_types::CertificateDer;

pub use embedded::read_certificates;
pub use issue::{IssuedCertificate, Life, ServerIdentity};
pub use peer::{PeerError, PeerIdentity};
pub use published::PUBLISHED;
pub use tls::{ServerCertificate, TlsError, server_config};

/// Signs certificates, and knows which authorities' certificates are believed.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The authority's own certificate, and those between it and a root that is kept elsewhere.
    chain: Vec<CertificateDer<'static>>,
    /// Every certificate that ends a chain of a good agent: this authority's and, during a change, the one before or after it.
    trusted: Vec<CertificateDer<'static>>,
}

/// Why there is no authority to sign with.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("read the authority's file {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("make the authority's file {path}")]
    Make {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} can be read by others than its owner (mode {mode:o}): an authority's key must have mode 600")]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("{path} holds no {what} in PEM")]
    Lacks { path: PathBuf, what: &'static str },
    #[error("the key in {key} is not that of the certificate in {certificate}")]
    OtherKey { key: PathBuf, certificate: PathBuf },
    #[error("the certificate in {path} is no authority's: it may not sign certificates")]
    NoAuthority { path: PathBuf },
    #[error("use the authority's key or certificate in {path}")]
    Unusable {
        path: PathBuf,
        #[source]
        source: rcgen::Error,
    },
    #[error("issue a certificate")]
    Issue(#[source] rcgen::Error),
    #[error("the name `{name}` cannot stand in a certificate")]
    Name { name: String },
    #[error("the system gives no random numbers")]
    Random,
}

impl Authority {
    /// DER: what agents are told to trust, the signing authority's first.
    pub fn trusted(&self) -> &[CertificateDer<'static>] {
        &self.trusted
    }

    /// Trusts these too: the next authority before it signs, and the last one until its certificates have expired.
    pub fn trust(&mut self, others: impl IntoIterator<Item = CertificateDer<'static>>) {
        for other in others {
            if !self.trusted.contains(&other) {
                self.trusted.push(other);
            }
        }
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("trusted", &self.trusted.len()).finish_non_exhaustive()
    }
}
