//! A certificate request (PKCS #10, RFC 2986) for a P-256 key: a hundred lines of our own, where a library for certificates would cost the
//! agent some hundred kilobytes.

use super::der::{self, CONTEXT_0, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, SET, UTF8_STRING};
use super::{Key, KeyError};

/// id-ecPublicKey, 1.2.840.10045.2.1.
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// prime256v1, 1.2.840.10045.3.1.7.
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// ecdsa-with-SHA256, 1.2.840.10045.4.3.2.
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// id-at-commonName, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// DER. The name is a courtesy: what goes into the certificate is what the coordinator found proven.
pub fn certificate_request(key: &Key, instance_id: &str) -> Result<Vec<u8>, KeyError> {
    let name = der::value(UTF8_STRING, &[instance_id.as_bytes()]);
    let attribute = der::value(SEQUENCE, &[&der::value(OBJECT_IDENTIFIER, &[COMMON_NAME]), &name]);
    let subject = der::value(SEQUENCE, &[&der::value(SET, &[&attribute])]);
    let algorithm = der::value(
        SEQUENCE,
        &[&der::value(OBJECT_IDENTIFIER, &[EC_PUBLIC_KEY]), &der::value(OBJECT_IDENTIFIER, &[P256])],
    );
    let public = der::value(SEQUENCE, &[&algorithm, &der::bits(key.public())]);
    let version = der::value(INTEGER, &[&[0]]);
    let attributes = der::value(CONTEXT_0, &[]);
    let asked = der::value(SEQUENCE, &[&version, &subject, &public, &attributes]);
    let signature = key.sign(&asked)?;
    let signed_by = der::value(SEQUENCE, &[&der::value(OBJECT_IDENTIFIER, &[ECDSA_SHA256])]);
    Ok(der::value(SEQUENCE, &[&asked, &signed_by, &der::bits(&signature)]))
}

#[cfg(test)]
mod tests {
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::prelude::FromDer as _;

    use super::*;

    #[test]
    fn a_library_reads_the_request_and_its_signature_is_good() {
        let key = Key::generate().unwrap();
        let der = certificate_request(&key, "i-0123456789abcdef0").unwrap();
        let (rest, request) = X509CertificationRequest::from_der(&der).unwrap();
        assert!(rest.is_empty());
        request.verify_signature().unwrap();
        let asked = request.certification_request_info;
        assert_eq!(asked.subject.to_string(), "CN=i-0123456789abcdef0");
        assert_eq!(asked.subject_pki.subject_public_key.data.as_ref(), key.public());
    }
}
