//! TLS of the agents' port: our own authority's certificates on both sides, and nothing of the system's.
//!
//! A client certificate is asked for and may be missing, because an agent that enrols has none; a service that needs one looks for it
//! in the connection. One that is there and is not good ends the handshake.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use super::{Authority, Life, ServerIdentity};

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("use a trusted authority's certificate")]
    Trusted(#[source] rustls::Error),
    #[error("verify clients' certificates")]
    Verifier(#[source] VerifierBuilderError),
    #[error("serve with the coordinator's certificate")]
    Server(#[source] rustls::Error),
}

/// The coordinator's certificate of the moment: handshakes that begin later use what it was replaced with.
#[derive(Debug)]
pub struct ServerCertificate {
    now: RwLock<(Arc<CertifiedKey>, Life)>,
}

impl ServerCertificate {
    /// # Errors
    /// When the key does not go with the certificate.
    pub fn new(identity: ServerIdentity) -> Result<ServerCertificate, TlsError> {
        Ok(ServerCertificate { now: RwLock::new(certified(identity)?) })
    }

    /// # Errors
    /// When the key does not go with the certificate: then the one before stays.
    pub fn replace(&self, identity: ServerIdentity) -> Result<(), TlsError> {
        let next = certified(identity)?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// Of the certificate in use: renew it when half of it has gone.
    pub fn life(&self) -> Life {
        self.now.read().unwrap_or_else(PoisonError::into_inner).1
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner).0))
    }
}

/// TLS 1.3 with HTTP/2, for [`tokio_rustls::TlsAcceptor`]. Clients are believed by any of the authority's trusted certificates.
///
/// # Errors
/// When a trusted certificate is none.
pub fn server_config(authority: &Authority, own: Arc<ServerCertificate>) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in authority.trusted() {
        roots.add(certificate.clone()).map_err(TlsError::Trusted)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(TlsError::Verifier)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Server)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(own);
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session brings its client's certificate back without a look at its time. Each connection is long: none is resumed.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certified(identity: ServerIdentity) -> Result<(Arc<CertifiedKey>, Life), TlsError> {
    let ServerIdentity { chain, key, life } = identity;
    let provider: CryptoProvider = default_provider();
    let key = CertifiedKey::from_der(chain, PrivateKeyDer::from(key), &provider);
    Ok((Arc::new(key.map_err(TlsError::Server)?), life))
}
