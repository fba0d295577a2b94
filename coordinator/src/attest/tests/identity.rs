//! The document's signature: AWS's shape is taken, every other is refused by the reason that it is refused for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_parser::pem::Pem;

use crate::attest::ber::{self, BerError};
use crate::attest::identity::{IdentityError, MAX_TEXT, verify};
use crate::attest::testing::*;

fn check(document: &[u8], signature: &[u8]) -> Result<(), IdentityError> {
    verify(document, signature, certificates().of("eu-west-1"))
        .map(|by| assert_eq!(by.sha256.to_string(), REGION_SHA256))
}

fn forged() -> Vec<u8> {
    let text = str::from_utf8(DOCUMENT).unwrap();
    text.replace("i-0123456789abcdef0", "i-0fedcba9876543210").into_bytes()
}

#[test]
fn a_signature_in_aws_s_shape_is_good() {
    let der = STANDARD.decode(String::from_utf8_lossy(REGION_SIGNATURE).replace('\n', "")).unwrap();
    assert_eq!(der[..2], [0x30, 0x80], "indefinite length, as AWS writes it");
    assert!(der.windows(4).any(|window| window == [0x24, 0x80, 0x04, 0x82]), "an octet string in pieces");
    check(DOCUMENT, REGION_SIGNATURE).unwrap();
    let lines = String::from_utf8_lossy(REGION_SIGNATURE).replace('\n', "\r\n");
    check(DOCUMENT, lines.as_bytes()).unwrap();
}

#[test]
fn messages_of_the_tests_own_making_are_good_when_nothing_is_wrong_with_them() {
    let key = rsa(REGION_KEY);
    let mut message = Message::good(&key, DOCUMENT);
    check(DOCUMENT, &message.base64()).unwrap();
    // RFC 5652 has the attributes sorted before they are signed, in whatever order they are sent.
    message.signers[0].attributes.as_mut().unwrap().reverse();
    check(DOCUMENT, &message.base64()).unwrap();
    message.signers[0].signature_algorithm = [RSA].concat();
    check(DOCUMENT, &message.base64()).unwrap();
}

#[test]
fn the_signature_of_another_key_is_refused_with_and_without_its_certificate() {
    assert_eq!(check(DOCUMENT, ATTACKER_SIGNATURE), Err(IdentityError::Signature));
    assert_eq!(check(DOCUMENT, ATTACKER_SIGNATURE_WITH_CERTIFICATE), Err(IdentityError::Signature));
    let key = rsa(ATTACKER_KEY);
    let own = Pem::iter_from_buffer(ATTACKER_PEM).next().unwrap().unwrap().contents;
    let aws = Pem::iter_from_buffer(REGION_PEM).next().unwrap().unwrap().contents;
    for certificates in [own.clone(), aws.clone(), [own, aws].concat()] {
        let message = Message { certificates, ..Message::good(&key, DOCUMENT) };
        assert_eq!(check(DOCUMENT, &message.base64()), Err(IdentityError::Signature));
    }
}

#[test]
fn an_embedded_certificate_neither_helps_nor_hurts() {
    let (key, embedded) = (rsa(REGION_KEY), Pem::iter_from_buffer(ATTACKER_PEM).next().unwrap().unwrap().contents);
    let message = Message { certificates: embedded, ..Message::good(&key, DOCUMENT) };
    check(DOCUMENT, &message.base64()).unwrap();
}

#[test]
fn a_good_signature_beside_forged_content_is_refused() {
    let (aws, forged) = (rsa(REGION_KEY), forged());
    // AWS's message for one document, another document beside it.
    assert_eq!(check(&forged, REGION_SIGNATURE), Err(IdentityError::OtherContent));
    assert_eq!(check(&[DOCUMENT, b"\n"].concat(), REGION_SIGNATURE), Err(IdentityError::OtherContent));
    assert_eq!(check(&DOCUMENT[..DOCUMENT.len() - 1], REGION_SIGNATURE), Err(IdentityError::OtherContent));
    // The content exchanged inside of the message, and then the digest too.
    let digest_stays = Message { signers: vec![Signer::good(&aws, DOCUMENT)], ..Message::good(&aws, &forged) };
    assert_eq!(check(&forged, &digest_stays.base64()), Err(IdentityError::Digest));
    let mut der = Message::good(&aws, DOCUMENT).der();
    for (from, to) in [(DOCUMENT.to_vec(), forged.clone()), (message_digest(DOCUMENT), message_digest(&forged))] {
        let at = der.windows(from.len()).position(|window| window == from).unwrap();
        der.splice(at..at + from.len(), to);
    }
    assert_eq!(check(&forged, &base64(&der)), Err(IdentityError::Signature));
    // Signed by the attacker, whole and well.
    let attacker = rsa(ATTACKER_KEY);
    assert_eq!(check(&forged, &Message::good(&attacker, &forged).base64()), Err(IdentityError::Signature));
}

#[test]
fn there_is_exactly_one_signer() {
    let (aws, attacker) = (rsa(REGION_KEY), rsa(ATTACKER_KEY));
    for serial in [0, 9] {
        let second = Signer { serial, ..Signer::good(&attacker, DOCUMENT) };
        let message = Message { signers: vec![Signer::good(&aws, DOCUMENT), second], ..Message::good(&aws, DOCUMENT) };
        assert_eq!(check(DOCUMENT, &message.base64()), Err(IdentityError::Signers(2)));
    }
    let none = Message { signers: vec![], ..Message::good(&aws, DOCUMENT) };
    assert_eq!(check(DOCUMENT, &none.base64()), Err(IdentityError::Signers(0)));
    let twice = vec![Signer::good(&aws, DOCUMENT), Signer::good(&aws, DOCUMENT)];
    let twice = Message { signers: twice, ..Message::good(&aws, DOCUMENT) };
    assert!(check(DOCUMENT, &twice.base64()).is_err());
}

#[test]
fn the_signer_signs_type_and_digest_once_each() {
    let (aws, forged) = (rsa(REGION_KEY), forged());
    let (content, digest) = (content_type(DATA), message_digest(DOCUMENT));
    let other = message_digest(&forged);
    for (attributes, missing) in [
        (vec![], "messageDigest"),
        (vec![content.clone(), signing_time()], "messageDigest"),
        (vec![digest.clone(), signing_time()], "contentType"),
        (vec![content_type(SIGNED_DATA), digest.clone()], "contentType"),
        (vec![content_type(&[DATA, SIGNED_DATA].concat()), digest.clone()], "contentType"),
        (vec![content.clone(), content_type(SIGNED_DATA), digest.clone()], "contentType"),
        (vec![content.clone(), digest.clone(), other], "messageDigest"),
        (vec![content.clone(), two_digests(DOCUMENT, &forged)], "messageDigest"),
    ] {
        let signer = Signer::good(&aws, DOCUMENT).with(attributes.clone());
        let message = Message { signers: vec![signer], ..Message::good(&aws, DOCUMENT) };
        let found = check(DOCUMENT, &message.base64());
        let expected = if attributes.is_empty() { "contentType" } else { missing };
        assert_eq!(found, Err(IdentityError::Attribute(expected)));
    }
    // Signed without any attributes: then a signature over the attributes of another message could stand for one over a content.
    let plain = Signer { attributes: None, ..Signer::good(&aws, DOCUMENT) };
    let message = Message { signers: vec![plain], ..Message::good(&aws, DOCUMENT) };
    assert_eq!(check(DOCUMENT, &message.base64()), Err(IdentityError::Attribute("messageDigest")));
}

#[test]
fn only_rsa_with_sha_256_over_data_is_taken() {
    let aws = rsa(REGION_KEY);
    let of = |signer: Signer<'_>| {
        check(DOCUMENT, &Message { signers: vec![signer], ..Message::good(&aws, DOCUMENT) }.base64()).unwrap_err()
    };
    assert_eq!(of(Signer { digest_algorithm: SHA_1, ..Signer::good(&aws, DOCUMENT) }), IdentityError::Algorithm);
    for algorithm in
        [[RSA_PSS, &[5, 0]].concat(), SHA_1.to_vec(), [RSA, &[4, 1, 0]].concat(), [RSA, &[0x30, 0]].concat()]
    {
        let signer = Signer { signature_algorithm: algorithm, ..Signer::good(&aws, DOCUMENT) };
        assert_eq!(of(signer), IdentityError::Algorithm);
    }
    let other_type = Message { content_type: SIGNED_DATA, ..Message::good(&aws, DOCUMENT) };
    assert_eq!(check(DOCUMENT, &other_type.base64()), Err(IdentityError::OtherContent));
    let detached = Message { content: None, ..Message::good(&aws, DOCUMENT) };
    assert_eq!(check(DOCUMENT, &detached.base64()), Err(IdentityError::OtherContent));
}

#[test]
fn what_is_no_message_is_refused_before_it_costs_anything() {
    let deep = [[0x30, 0x80].repeat(2000), vec![0; 4000]].concat();
    for (text, error) in [
        (vec![b'A'; MAX_TEXT + 1], IdentityError::TooLong(MAX_TEXT + 1)),
        (b"-----BEGIN PKCS7-----".to_vec(), IdentityError::Base64),
        (b"\0\xff".to_vec(), IdentityError::Base64),
        (vec![], IdentityError::Ber(BerError::Truncated(0))),
        (base64(&deep), IdentityError::Ber(BerError::TooDeep)),
        (base64(&vec![0; ber::MAX_SIZE + 1]), IdentityError::Ber(BerError::TooLong(ber::MAX_SIZE + 1))),
        (base64(&tlv(0x30, &[])), IdentityError::NotSignedData),
        (base64(&tlv(0x30, &[DATA, &tlv(0xa0, &tlv(4, DOCUMENT))].concat())), IdentityError::NotSignedData),
    ] {
        assert_eq!(check(DOCUMENT, &text), Err(error));
    }
}

#[test]
fn parts_that_are_not_signed_can_be_changed_so_no_message_is_known_by_its_bytes() {
    let key = rsa(REGION_KEY);
    let one = Message::good(&key, DOCUMENT);
    let other = Message {
        signers: vec![Signer { serial: 2, ..Signer::good(&key, DOCUMENT) }],
        ..Message::good(&key, DOCUMENT)
    };
    assert_ne!(one.der(), other.der());
    check(DOCUMENT, &one.base64()).unwrap();
    check(DOCUMENT, &other.base64()).unwrap();
}

#[test]
fn either_of_two_certificates_of_a_region_is_taken_during_a_change() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("eu-west-1.pem"), [ATTACKER_PEM, REGION_PEM].concat()).unwrap();
    let pin = |sha256: &str| crate::attest::Pin { region: "eu-west-1".into(), sha256: sha256.parse().unwrap() };
    let both =
        crate::attest::RegionCertificates::load(directory.path(), &[pin(REGION_SHA256), pin(ATTACKER_SHA256)]).unwrap();
    for (signature, sha256) in [(REGION_SIGNATURE, REGION_SHA256), (ATTACKER_SIGNATURE, ATTACKER_SHA256)] {
        assert_eq!(verify(DOCUMENT, signature, both.of("eu-west-1")).unwrap().sha256.to_string(), sha256);
    }
}
