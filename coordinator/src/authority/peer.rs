//! The certificate that a peer came with, read back into who it is. That it is signed by a trusted authority and in its time, rustls
//! has found out before.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use super::issue::SCHEME;
use crate::attest::request::PublicKey;
use crate::store::{KeyId, Millis};

/// An agent, by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    pub account_id: String,
    pub region: String,
    pub instance_id: String,
    pub key: KeyId,
    /// For the next certificate, which is for the same key.
    pub public_key: PublicKey,
    /// Lower-case hexadecimal.
    pub serial: String,
    pub not_before: Millis,
    pub not_after: Millis,
}

/// Why a certificate names no agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    #[error("the certificate cannot be read")]
    Malformed,
    #[error("the certificate names no instance, as agents' do: `{SCHEME}ACCOUNT/REGION/INSTANCE_ID`")]
    NoInstance,
    #[error("the certificate's key is not ECDSA P-256, as agents' are")]
    Key,
}

impl PeerIdentity {
    /// # Errors
    /// When the certificate is not of an agent: an operator's, say, which the same authority may have signed.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<PeerIdentity, PeerError> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|_| PeerError::Malformed)?;
        let names = parsed.subject_alternative_name().map_err(|_| PeerError::Malformed)?;
        let names = names.map_or(&[][..], |names| &names.value.general_names);
        let [GeneralName::URI(uri)] = names else { return Err(PeerError::NoInstance) };
        let parts: Vec<&str> = uri.strip_prefix(SCHEME).ok_or(PeerError::NoInstance)?.split('/').collect();
        let [account_id, region, instance_id] = parts[..] else { return Err(PeerError::NoInstance) };
        if parts.iter().any(|part| part.is_empty()) {
            return Err(PeerError::NoInstance);
        }
        let public_key = PublicKey::parse(parsed.public_key().raw).ok_or(PeerError::Key)?;
        let millis = |seconds: i64| Millis::try_from(seconds).unwrap_or(0).saturating_mul(1000);
        Ok(PeerIdentity {
            account_id: account_id.to_owned(),
            region: region.to_owned(),
            instance_id: instance_id.to_owned(),
            key: public_key.id(),
            public_key,
            serial: parsed.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            not_before: millis(parsed.validity().not_before.timestamp()),
            not_after: millis(parsed.validity().not_after.timestamp()),
        })
    }
}
