//! For tests: a Region's certificate and an attacker's with their keys, a document, and PKCS #7 messages of any kind, well or ill made.

pub mod mutate;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use eic_doctor_proto::wire::v1::EnrolRequest;
use rcgen::{CertificateParams, KeyPair, SigningKey as _};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

use super::request::proof_message;
use super::{Pin, RegionCertificates};

pub const DOCUMENT: &[u8] = include_bytes!("document.json");
pub const REGION_PEM: &[u8] = include_bytes!("region.pem");
pub const REGION_KEY: &[u8] = include_bytes!("region.key");
pub const REGION_SHA256: &str = "21a4dea373f081879dc78bdd610e890859438c62e06474646ac9b530f729d4e5";
/// As openssl signs, in the shape that AWS's has.
pub const REGION_SIGNATURE: &[u8] = include_bytes!("region.rsa2048");
pub const ATTACKER_PEM: &[u8] = include_bytes!("attacker.pem");
pub const ATTACKER_KEY: &[u8] = include_bytes!("attacker.key");
pub const ATTACKER_SHA256: &str = "d1730358b16d7d535c4ecd099621985e5a8b3df6da955c03344b6425c3e74810";
pub const ATTACKER_SIGNATURE: &[u8] = include_bytes!("attacker.rsa2048");
pub const ATTACKER_SIGNATURE_WITH_CERTIFICATE: &[u8] = include_bytes!("attacker-certificate.rsa2048");

/// The test Region's certificate stands for eu-west-1.
pub fn certificates() -> RegionCertificates {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("eu-west-1.pem"), REGION_PEM).unwrap();
    let own = Pin { region: "eu-west-1".into(), sha256: REGION_SHA256.parse().unwrap() };
    RegionCertificates::load(directory.path(), &[own]).unwrap()
}

pub fn rsa(pem: &[u8]) -> RsaKeyPair {
    let pem = x509_parser::pem::Pem::iter_from_buffer(pem).next().unwrap().unwrap();
    RsaKeyPair::from_pkcs8(&pem.contents).unwrap()
}

/// An honest request, by this key for this challenge.
pub fn request(key: &KeyPair, challenge: &[u8; 32], document: &[u8], signature: &[u8]) -> EnrolRequest {
    EnrolRequest {
        certificate_request: certificate_request(key),
        identity_document: document.to_vec(),
        identity_signature: signature.to_vec(),
        proof: key.sign(&proof_message(challenge, document)).unwrap(),
        caller_identity: None,
        agent_version: "0.1.0".into(),
    }
}

pub fn certificate_request(key: &KeyPair) -> Vec<u8> {
    CertificateParams::new(vec![]).unwrap().serialize_request(key).unwrap().der().to_vec()
}

pub fn p256() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

/// One element of DER.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [head, content.to_vec()].concat()
}

pub const SIGNED_DATA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
pub const DATA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
pub const SHA_256: &[u8] = &[0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
pub const SHA_1: &[u8] = &[0x06, 5, 0x2b, 0x0e, 3, 2, 0x1a];
pub const RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
pub const RSA_PSS: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
const CONTENT_TYPE: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
const MESSAGE_DIGEST: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
const SIGNING_TIME: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 5];
const NULL: &[u8] = &[5, 0];

pub fn content_type(value: &[u8]) -> Vec<u8> {
    tlv(0x30, &[CONTENT_TYPE, &tlv(0x31, value)].concat())
}

pub fn message_digest(of: &[u8]) -> Vec<u8> {
    tlv(0x30, &[MESSAGE_DIGEST, &tlv(0x31, &tlv(4, digest(&SHA256, of).as_ref()))].concat())
}

pub fn two_digests(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut both = [first, second].map(|of| tlv(4, digest(&SHA256, of).as_ref()));
    both.sort();
    tlv(0x30, &[MESSAGE_DIGEST, &tlv(0x31, &both.concat())].concat())
}

pub fn signing_time() -> Vec<u8> {
    tlv(0x30, &[SIGNING_TIME, &tlv(0x31, &tlv(0x17, b"261101000000Z"))].concat())
}

/// One SignerInfo; what it signs is by default what a good one would.
pub struct Signer<'a> {
    pub key: &'a RsaKeyPair,
    /// Each in DER; none: the content is signed itself.
    pub attributes: Option<Vec<Vec<u8>>>,
    pub digest_algorithm: &'a [u8],
    pub signature_algorithm: Vec<u8>,
    pub serial: u8,
}

impl<'a> Signer<'a> {
    pub fn good(key: &'a RsaKeyPair, content: &[u8]) -> Signer<'a> {
        Signer {
            key,
            attributes: Some(vec![content_type(DATA), signing_time(), message_digest(content)]),
            digest_algorithm: SHA_256,
            signature_algorithm: [RSA, NULL].concat(),
            serial: 1,
        }
    }

    pub fn with(self, attributes: Vec<Vec<u8>>) -> Self {
        Signer { attributes: Some(attributes), ..self }
    }

    fn encode(&self, content: &[u8]) -> Vec<u8> {
        // What is signed is in DER's order; what is sent, in the order that it has here.
        let signed = self.attributes.as_ref().map_or_else(
            || content.to_vec(),
            |attributes| {
                let mut attributes = attributes.clone();
                attributes.sort();
                tlv(0x31, &attributes.concat())
            },
        );
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &signed, &mut signature).unwrap();
        let attributes = self.attributes.as_ref().map_or(vec![], |attributes| tlv(0xa0, &attributes.concat()));
        let issuer = tlv(0x30, &[tlv(0x30, &[]), tlv(2, &[self.serial])].concat());
        let digest_algorithm = tlv(0x30, &[self.digest_algorithm, NULL].concat());
        let signature_algorithm = tlv(0x30, &self.signature_algorithm);
        let parts = [tlv(2, &[1]), issuer, digest_algorithm, attributes, signature_algorithm, tlv(4, &signature)];
        tlv(0x30, &parts.concat())
    }
}

/// A PKCS #7 message in DER.
pub struct Message<'a> {
    pub content_type: &'a [u8],
    /// None: detached.
    pub content: Option<&'a [u8]>,
    /// DER of the set's members.
    pub certificates: Vec<u8>,
    pub signers: Vec<Signer<'a>>,
}

impl<'a> Message<'a> {
    pub fn good(key: &'a RsaKeyPair, content: &'a [u8]) -> Message<'a> {
        Message {
            content_type: DATA,
            content: Some(content),
            certificates: vec![],
            signers: vec![Signer::good(key, content)],
        }
    }

    pub fn der(&self) -> Vec<u8> {
        let content = self.content.map_or(vec![], |content| tlv(0xa0, &tlv(4, content)));
        let content = tlv(0x30, &[self.content_type, &content].concat());
        let certificates = if self.certificates.is_empty() { vec![] } else { tlv(0xa0, &self.certificates) };
        let mut signers: Vec<Vec<u8>> =
            self.signers.iter().map(|signer| signer.encode(self.content.unwrap_or_default())).collect();
        signers.sort();
        let digests = tlv(0x31, &tlv(0x30, &[SHA_256, NULL].concat()));
        let signed = [tlv(2, &[1]), digests, content, certificates, tlv(0x31, &signers.concat())].concat();
        tlv(0x30, &[SIGNED_DATA, &tlv(0xa0, &tlv(0x30, &signed))].concat())
    }

    pub fn base64(&self) -> Vec<u8> {
        base64(&self.der())
    }
}

pub fn base64(der: &[u8]) -> Vec<u8> {
    STANDARD.encode(der).into_bytes()
}
