//! The certificate request, and the proof that the agent holds its key, now, for this document.

use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::store::KeyId;

/// In bytes, DER. The agent's has about 200.
pub const MAX_SIZE: usize = 4 * 1024;
/// Before challenge and digest in what `proof` signs, so that no other signature by the key can stand for it.
pub const PROOF_CONTEXT: &[u8] = b"eic-doctor enrolment v1\0";

/// A SubjectPublicKeyInfo of P-256 up to the point, uncompressed: the one form that is accepted.
const P256_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
const P256_SIZE: usize = P256_PREFIX.len() + 64;
/// ecdsa-with-SHA256.
const ECDSA_WITH_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// An ECDSA P-256 key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// SubjectPublicKeyInfo, DER.
    info: [u8; P256_SIZE],
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("the certificate request has {0} bytes, more than {MAX_SIZE}")]
    TooLong(usize),
    #[error("the certificate request is not PKCS #10")]
    Malformed,
    #[error("the certificate request's key is not ECDSA P-256")]
    Key,
    #[error("the certificate request is not signed by its own key")]
    Signature,
}

/// The key of a PKCS #10 request. Its subject and the extensions that it asks for count for nothing: the certificate's come from the
/// identity document.
///
/// # Errors
/// When it is no such request, its key is of another kind, or its signature is not by that key.
pub fn key_of(request: &[u8]) -> Result<PublicKey, RequestError> {
    if request.len() > MAX_SIZE {
        return Err(RequestError::TooLong(request.len()));
    }
    let (rest, parsed) = X509CertificationRequest::from_der(request).map_err(|_| RequestError::Malformed)?;
    if !rest.is_empty() {
        return Err(RequestError::Malformed);
    }
    let info = &parsed.certification_request_info;
    let key = PublicKey::parse(info.subject_pki.raw).ok_or(RequestError::Key)?;
    if parsed.signature_algorithm.algorithm.as_bytes() != ECDSA_WITH_SHA256 {
        return Err(RequestError::Signature);
    }
    if key.verifies(info.raw, &parsed.signature_value.data) { Ok(key) } else { Err(RequestError::Signature) }
}

/// What `EnrolRequest.proof` signs.
pub fn proof_message(challenge: &[u8; 32], document: &[u8]) -> Vec<u8> {
    [PROOF_CONTEXT, challenge, digest(&SHA256, document).as_ref()].concat()
}

impl PublicKey {
    /// From a SubjectPublicKeyInfo, DER; none: it is not of P-256, or not in its usual form.
    pub fn parse(info: &[u8]) -> Option<PublicKey> {
        let info: [u8; P256_SIZE] = info.try_into().ok()?;
        info.starts_with(&P256_PREFIX).then_some(PublicKey { info })
    }

    /// SubjectPublicKeyInfo, DER.
    pub fn info(&self) -> &[u8] {
        &self.info
    }

    pub fn id(&self) -> KeyId {
        digest(&SHA256, &self.info).as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// Whether the signature (ECDSA with SHA-256, ASN.1) is by this key over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        // The point begins with the byte that says it is not compressed.
        let point = &self.info[P256_PREFIX.len() - 1..];
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, PublicKeyData as _};

    use super::*;

    fn request(key: &KeyPair) -> Vec<u8> {
        CertificateParams::new(vec![]).unwrap().serialize_request(key).unwrap().der().to_vec()
    }

    #[test]
    fn the_key_of_a_good_request_is_told_by_its_digest() {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = key_of(&request(&pair)).unwrap();
        assert_eq!(key.info(), pair.subject_public_key_info());
        assert_eq!(key.id(), digest(&SHA256, &pair.subject_public_key_info()).as_ref());
    }

    #[test]
    fn what_a_request_asks_for_changes_nothing() {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut wish = CertificateParams::new(vec!["coordinator.example".into()]).unwrap();
        wish.distinguished_name.push(DnType::CommonName, "i-0fedcba9876543210");
        wish.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        wish.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let wished = wish.serialize_request(&pair).unwrap();
        assert_eq!(key_of(wished.der()), key_of(&request(&pair)));
    }

    #[test]
    fn keys_of_other_kinds_are_refused() {
        for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
            let pair = KeyPair::generate_for(algorithm).unwrap();
            assert_eq!(key_of(&request(&pair)), Err(RequestError::Key));
        }
    }

    #[test]
    fn a_request_that_anyone_changed_is_refused() {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let good = request(&pair);
        let key = key_of(&good).unwrap();
        let (_, parsed) = X509CertificationRequest::from_der(&good).unwrap();
        let signed = parsed.certification_request_info.raw.as_ptr_range();
        for at in 0..good.len() {
            for bit in [0x01, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= bit;
                // Around what is signed, the parser lets some bytes be others; that changes no key.
                let is_free = !signed.contains(&good[at..].as_ptr());
                assert!(key_of(&bad).map_or(true, |found| is_free && found == key), "byte {at}");
            }
            assert!(key_of(&good[..at]).is_err(), "the first {at} bytes");
        }
        assert_eq!(key_of(&[&good[..], &[0]].concat()), Err(RequestError::Malformed));
        assert_eq!(key_of(&vec![0x30; MAX_SIZE + 1]), Err(RequestError::TooLong(MAX_SIZE + 1)));
    }

    #[test]
    fn the_key_of_another_cannot_be_claimed() {
        let (own, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut forged = request(&own);
        let at = forged.windows(65).position(|window| window == own.public_key_raw()).unwrap();
        forged[at..at + 65].copy_from_slice(other.public_key_raw());
        assert_eq!(key_of(&forged), Err(RequestError::Signature));
    }
}
