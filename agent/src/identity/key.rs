//! The key pair of an enrolment: ECDSA on P-256, PKCS #8.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

/// A key pair that may sign.
pub struct Key {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    pkcs8: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("make a key pair: the kernel gives no random bytes, or the library refused them")]
    Generate,
    #[error("the private key is no P-256 key in PKCS #8")]
    Parse,
    #[error("sign with the private key")]
    Sign,
}

impl Key {
    pub fn generate() -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random);
        Self::from_pkcs8(pkcs8.map_err(|_| KeyError::Generate)?.as_ref())
    }

    /// From any bytes: what is no key is an error.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &random);
        Ok(Self { pair: pair.map_err(|_| KeyError::Parse)?, random, pkcs8: pkcs8.to_vec() })
    }

    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The uncompressed point: 65 bytes.
    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// ECDSA with SHA-256, ASN.1.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&self.random, message).map_err(|_| KeyError::Sign)?;
        Ok(signature.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_key_that_was_kept_signs_as_before() {
        let key = Key::generate().unwrap();
        let again = Key::from_pkcs8(key.pkcs8()).unwrap();
        assert_eq!(again.public(), key.public());
        let signature = again.sign(b"words").unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public());
        assert!(public.verify(b"words", &signature).is_ok());
        assert!(public.verify(b"other words", &signature).is_err());
    }

    #[test]
    fn what_is_no_key_or_was_damaged_is_refused() {
        let good = Key::generate().unwrap().pkcs8().to_vec();
        assert!(Key::from_pkcs8(b"").is_err());
        assert!(Key::from_pkcs8(&good[..good.len() - 1]).is_err());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            // Never a panic; the two halves must fit together.
            assert!(Key::from_pkcs8(&bad).is_err(), "byte {at}");
        }
    }
}
