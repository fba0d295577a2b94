//! X.509 certificates in PEM (RFC 7468), as far as it takes to tell whether a chain can end in one of them (RFC 5280, 4.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eic_doctor_proto::Untrusted;
use sha1::{Digest as _, Sha1};

use super::der::{Der, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, SET, context};
use super::{Parsed, text};

/// A bundle holds some 150.
const CERTIFICATES: usize = 2_048;
/// One has 1 to 2 kB.
const LENGTH: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The whole certificate.
    pub der: Vec<u8>,
    /// The names as DER: a chain's issuer and the subject of what signed it are the same bytes (RFC 5280, 4.1.2.4).
    pub subject: Vec<u8>,
    pub issuer: Vec<u8>,
    /// Seconds since 1970.
    pub not_before: i64,
    pub not_after: i64,
}

impl Certificate {
    /// The common name of the subject, of the issuer, empty where there is none.
    pub fn common_names(&self) -> (Untrusted, Untrusted) {
        (common_name(&self.subject), common_name(&self.issuer))
    }

    /// Its fingerprint as `openssl x509 -fingerprint -sha1` has it, in small letters and without colons.
    pub fn sha1(&self) -> String {
        Sha1::digest(&self.der).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Each certificate of a bundle or a chain, in its order; what stands between them is nobody's business.
pub fn parse_certificates(bytes: &[u8]) -> Parsed<Vec<Certificate>> {
    let mut parsed = Parsed::<Vec<Certificate>>::default();
    let mut base64: Option<String> = None;
    for line in text(bytes).lines() {
        match (line.trim(), &mut base64) {
            ("-----BEGIN CERTIFICATE-----", _) => base64 = Some(String::new()),
            ("-----END CERTIFICATE-----", Some(found)) => {
                match STANDARD.decode(&found).ok().and_then(certificate) {
                    Some(certificate) if parsed.value.len() < CERTIFICATES => parsed.value.push(certificate),
                    _ => parsed.pass_over(found),
                }
                base64 = None;
            }
            (line, Some(found)) if found.len() < LENGTH => found.push_str(line),
            _ => {}
        }
    }
    parsed
}

/// One certificate in DER.
pub fn parse_certificate(der: &[u8]) -> Option<Certificate> {
    certificate(der.to_vec())
}

fn certificate(der: Vec<u8>) -> Option<Certificate> {
    let mut body = Der(&der).expect(SEQUENCE)?.expect(SEQUENCE)?;
    let _version = body.optional(context(0));
    let _serial = body.expect(INTEGER)?;
    let _algorithm = body.expect(SEQUENCE)?;
    let issuer = body.expect(SEQUENCE)?.0.to_vec();
    let mut validity = body.expect(SEQUENCE)?;
    let (not_before, not_after) = (validity.time()?, validity.time()?);
    let subject = body.expect(SEQUENCE)?.0.to_vec();
    Some(Certificate { subject, issuer, not_before, not_after, der })
}

/// id-at-commonName, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const NAME_LENGTH: usize = 128;

fn common_name(name: &[u8]) -> Untrusted {
    let mut name = Der(name);
    while let Some(mut set) = name.expect(SET) {
        let Some(mut attribute) = set.expect(SEQUENCE) else { continue };
        if attribute.expect(OBJECT_IDENTIFIER).is_some_and(|kind| kind.0 == COMMON_NAME)
            && let Some((_, text)) = attribute.next()
        {
            return Untrusted::from_bytes(text.get(..NAME_LENGTH).unwrap_or(text));
        }
    }
    Untrusted::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Amazon Root CA 1, as every system's certificate authorities have it.
    const ROOT: &[u8] = include_bytes!("../gather/anchors/Amazon_Root_CA_1.pem");

    #[test]
    fn a_real_root_is_read() {
        let parsed = parse_certificates(ROOT);
        assert_eq!(parsed.not_understood, []);
        let [root] = parsed.value.as_slice() else { panic!("not one certificate") };
        assert_eq!(root.subject, root.issuer);
        assert_eq!(root.common_names().0.raw(), "Amazon Root CA 1");
        assert_eq!(root.sha1(), "8da7f965ec5efc37910f1c6e59fdc1cc6a6ede16");
        // May 26 2015 and Jan 17 2038.
        assert_eq!((root.not_before, root.not_after), (1_432_598_400, 2_147_299_200));
    }

    #[test]
    fn a_bundle_with_comments_and_a_broken_one_between_is_read() {
        let bundle =
            [b"# Amazon Root CA 1\r\n", ROOT, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ROOT]
                .concat();
        let parsed = parse_certificates(&bundle);
        assert_eq!((parsed.value.len(), parsed.not_understood.len()), (2, 1));
    }

    #[test]
    fn one_that_is_cut_anywhere_is_none() {
        let whole = parse_certificates(ROOT).value.remove(0).der;
        for length in 0..200 {
            assert_eq!(certificate(whole[..length].to_vec()), None);
        }
    }
}
