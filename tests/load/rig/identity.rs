//! Who the agents are: a key each, and a certificate that the coordinator's own authority signed beforehand.

use std::sync::Arc;
use std::time::Duration;

use eic_doctor::attest::request::PublicKey;
use eic_doctor::authority::Authority;
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ClientConfig, RootCertStore};

/// Longer than any run.
const LIFE: Duration = Duration::from_hours(24);

/// An instance that has enrolled.
pub struct Identity {
    pub instance_id: String,
    pub tls: Arc<ClientConfig>,
}

/// As many as asked for; the store learns of each by its certificate, as after a backup was restored.
pub fn identities(authority: &Authority, number: usize, now: u64) -> Vec<Identity> {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in authority.trusted() {
        roots.add(certificate.clone()).unwrap();
    }
    let roots = Arc::new(roots);
    let one = |index: usize| {
        let instance_id = format!("i-{index:017x}");
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let public = PublicKey::parse(&key.subject_public_key_info()).unwrap();
        let issued = authority.issue_agent(&public, "111122223333", "eu-west-1", &instance_id, now, LIFE).unwrap();
        let mut tls = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(issued.chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        tls.resumption = Resumption::disabled();
        Identity { instance_id, tls: Arc::new(tls) }
    };
    (0..number).map(one).collect()
}
