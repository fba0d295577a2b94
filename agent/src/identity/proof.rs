//! That whoever enrols holds the key now, for this instance: words of `enrolment.proto`.

use ring::digest::{SHA256, digest};

use super::{Key, KeyError};

const WORDS: &[u8] = b"eic-doctor enrolment v1\0";

/// A signature over the coordinator's fresh challenge and the identity document.
pub fn proof(key: &Key, challenge: &[u8], document: &[u8]) -> Result<Vec<u8>, KeyError> {
    key.sign(&[WORDS, challenge, digest(&SHA256, document).as_ref()].concat())
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_proof_holds_for_its_challenge_and_document_alone() {
        let key = Key::generate().unwrap();
        let proof = proof(&key, &[7; 32], b"{}").unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public());
        let words = |challenge: &[u8], document: &[u8]| {
            [b"eic-doctor enrolment v1\0", challenge, digest(&SHA256, document).as_ref()].concat()
        };
        assert!(public.verify(&words(&[7; 32], b"{}"), &proof).is_ok());
        assert!(public.verify(&words(&[8; 32], b"{}"), &proof).is_err());
        assert!(public.verify(&words(&[7; 32], b"{ }"), &proof).is_err());
    }
}
