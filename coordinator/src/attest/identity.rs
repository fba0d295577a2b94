//! Whether an instance identity document is AWS's: its `rsa2048` signature, PKCS #7, by the certificate that is pinned for the Region.
//!
//! Invariants: the key is the pinned certificate's and nothing that the message brings; what is signed is the document, byte for byte;
//! a message's bytes are never used to tell two messages apart, for parts of them are not signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{Any, Decode, Encode, Tagged};
use ring::digest::{SHA256, digest};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use x509_cert::attr::Attributes;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::ber::{self, BerError};
use super::region_certificates::RegionCertificate;

/// Of the base64 text, in bytes.
pub const MAX_TEXT: usize = ber::MAX_SIZE * 4 / 3 + 512;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_WITH_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

/// Why a document is not taken for AWS's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("the signature has {0} bytes, more than {MAX_TEXT}")]
    TooLong(usize),
    #[error("the signature is not base64")]
    Base64,
    #[error("the signature is not BER")]
    Ber(#[source] BerError),
    #[error("the signature is not PKCS #7 signed data")]
    NotSignedData,
    #[error("the signature is over other content than the document")]
    OtherContent,
    #[error("the signature has {0} signers instead of one")]
    Signers(usize),
    #[error("the signature uses another algorithm than RSA with SHA-256")]
    Algorithm,
    #[error("the signer signed no `{0}`, or more than one")]
    Attribute(&'static str),
    #[error("the signed digest is not the document's")]
    Digest,
    #[error("the signature is not by a certificate of the Region")]
    Signature,
}

/// Holds the document against its signature (as IMDS serves it: base64 in lines) and the Region's pinned certificates. Answers which of
/// them it was.
///
/// # Errors
/// Unless there is exactly one signature, over exactly this document, by the key of one of these certificates.
pub fn verify<'a>(
    document: &[u8],
    signature: &[u8],
    certificates: &'a [RegionCertificate],
) -> Result<&'a RegionCertificate, IdentityError> {
    verify_message(document, &message_of(signature)?, certificates)
}

/// The same for the message itself, in BER.
pub(super) fn verify_message<'a>(
    document: &[u8],
    message: &[u8],
    certificates: &'a [RegionCertificate],
) -> Result<&'a RegionCertificate, IdentityError> {
    let signed_data = parse(message)?;
    let signer = only_signer(&signed_data)?;
    hold_content(&signed_data, document)?;
    if signer.digest_alg.oid != SHA_256 || !has_plain(&signer.signature_algorithm) {
        return Err(IdentityError::Algorithm);
    }
    let attributes = signer.signed_attrs.as_ref().ok_or(IdentityError::Attribute("messageDigest"))?;
    let content_type = only_value(attributes, CONTENT_TYPE, "contentType")?;
    if content_type.decode_as::<ObjectIdentifier>() != Ok(DATA) {
        return Err(IdentityError::Attribute("contentType"));
    }
    let message_digest = only_value(attributes, MESSAGE_DIGEST, "messageDigest")?;
    let signed_digest =
        message_digest.decode_as::<OctetStringRef<'_>>().map_err(|_| IdentityError::Attribute("messageDigest"))?;
    if signed_digest.as_bytes() != digest(&SHA256, document).as_ref() {
        return Err(IdentityError::Digest);
    }
    // RFC 5652, section 5.4: what is signed is the attributes as a SET OF in DER, whatever tag and order they came in.
    let signed = attributes.to_der().map_err(|_| IdentityError::NotSignedData)?;
    let is_by = |certificate: &&RegionCertificate| {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &certificate.public_key)
            .verify(&signed, signer.signature.as_bytes())
            .is_ok()
    };
    certificates.iter().find(is_by).ok_or(IdentityError::Signature)
}

fn message_of(text: &[u8]) -> Result<Vec<u8>, IdentityError> {
    if text.len() > MAX_TEXT {
        return Err(IdentityError::TooLong(text.len()));
    }
    let mut text = text.to_vec();
    text.retain(|byte| !matches!(byte, b'\n' | b'\r' | b' '));
    STANDARD.decode(text).map_err(|_| IdentityError::Base64)
}

fn parse(message: &[u8]) -> Result<SignedData, IdentityError> {
    let message = ber::to_der(message).map_err(IdentityError::Ber)?;
    let content = ContentInfo::from_der(&message).map_err(|_| IdentityError::NotSignedData)?;
    if content.content_type != SIGNED_DATA {
        return Err(IdentityError::NotSignedData);
    }
    content.content.decode_as().map_err(|_| IdentityError::NotSignedData)
}

fn only_signer(signed_data: &SignedData) -> Result<&SignerInfo, IdentityError> {
    match signed_data.signer_infos.0.as_slice() {
        [signer] => Ok(signer),
        signers => Err(IdentityError::Signers(signers.len())),
    }
}

fn hold_content(signed_data: &SignedData, document: &[u8]) -> Result<(), IdentityError> {
    let content = &signed_data.encap_content_info;
    let value = content.econtent.as_ref().ok_or(IdentityError::OtherContent)?;
    let octets = value.decode_as::<OctetStringRef<'_>>().map_err(|_| IdentityError::OtherContent)?;
    if content.econtent_type == DATA && octets.as_bytes() == document {
        Ok(())
    } else {
        Err(IdentityError::OtherContent)
    }
}

/// RSA named as CMS or as PKCS #1 name it, without parameters or with the empty ones.
fn has_plain(algorithm: &AlgorithmIdentifierOwned) -> bool {
    let parameters = algorithm.parameters.as_ref();
    matches!(algorithm.oid, RSA | RSA_WITH_SHA_256)
        && parameters.is_none_or(|any| any.tag() == der::Tag::Null && any.value().is_empty())
}

fn only_value<'a>(
    attributes: &'a Attributes,
    oid: ObjectIdentifier,
    name: &'static str,
) -> Result<&'a Any, IdentityError> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
    match (found.next().map(|attribute| attribute.values.as_slice()), found.next()) {
        (Some([value]), None) => Ok(value),
        _ => Err(IdentityError::Attribute(name)),
    }
}
