//! What an agent sends: each part is held against the others, this stream's challenge and the pinned certificates.

use rcgen::SigningKey as _;

use crate::attest::request::proof_message;
use crate::attest::testing::*;
use crate::attest::{Claim, Kind, Refusal};

const CHALLENGE: [u8; 32] = [7; 32];

fn refusal(request: &eic_doctor_proto::wire::v1::EnrolRequest, challenge: &[u8; 32]) -> Refusal {
    Claim::read(request, challenge, &certificates()).unwrap_err()
}

#[test]
fn an_honest_request_says_which_instance_and_which_key() {
    let key = p256();
    let request = request(&key, &CHALLENGE, DOCUMENT, REGION_SIGNATURE);
    let claim = Claim::read(&request, &CHALLENGE, &certificates()).unwrap();
    assert_eq!(claim.who(), "i-0123456789abcdef0 of account 123456789012 in eu-west-1");
    assert_eq!(claim.key.info(), rcgen::PublicKeyData::subject_public_key_info(&key));
    assert_eq!(claim.agent_version, "0.1.0");
    assert!(!claim.has_caller_identity());
}

#[test]
fn a_replayed_request_is_refused_by_its_proof() {
    let overheard = request(&p256(), &[8; 32], DOCUMENT, REGION_SIGNATURE);
    let refused = refusal(&overheard, &CHALLENGE);
    assert_eq!((refused.rule, refused.kind), ("proof", Kind::NotProven));
}

#[test]
fn a_proof_for_another_document_or_by_another_key_is_refused() {
    let (key, other) = (p256(), p256());
    let good = request(&key, &CHALLENGE, DOCUMENT, REGION_SIGNATURE);
    let proofs = [
        key.sign(&proof_message(&CHALLENGE, b"{}")).unwrap(),
        other.sign(&proof_message(&CHALLENGE, DOCUMENT)).unwrap(),
        // What a signature for another purpose would be over.
        key.sign(&[&CHALLENGE[..], DOCUMENT].concat()).unwrap(),
        vec![],
    ];
    for proof in proofs {
        let refused = refusal(&eic_doctor_proto::wire::v1::EnrolRequest { proof, ..good.clone() }, &CHALLENGE);
        assert_eq!((refused.rule, refused.kind), ("proof", Kind::NotProven));
    }
}

#[test]
fn a_stolen_certificate_request_is_of_no_use() {
    let (victim, thief) = (p256(), p256());
    let mut request = request(&thief, &CHALLENGE, DOCUMENT, REGION_SIGNATURE);
    request.certificate_request = certificate_request(&victim);
    assert_eq!(refusal(&request, &CHALLENGE).rule, "proof");
}

#[test]
fn a_forged_and_a_foreign_document_are_refused_by_their_signature() {
    let key = p256();
    let forged = str::from_utf8(DOCUMENT).unwrap().replace("123456789012", "210987654321").into_bytes();
    let attacker = rsa(ATTACKER_KEY);
    for (document, signature) in [
        (&forged[..], REGION_SIGNATURE.to_vec()),
        (&forged, Message::good(&attacker, &forged).base64()),
        (DOCUMENT, ATTACKER_SIGNATURE.to_vec()),
        (DOCUMENT, ATTACKER_SIGNATURE_WITH_CERTIFICATE.to_vec()),
        (DOCUMENT, vec![]),
    ] {
        let refused = refusal(&request(&key, &CHALLENGE, document, &signature), &CHALLENGE);
        assert_eq!((refused.rule, refused.kind), ("identity-signature", Kind::NotProven), "{refused}");
        assert!(refused.who.contains("i-0123456789abcdef0"), "{refused}");
    }
}

#[test]
fn a_document_of_a_region_without_a_certificate_names_the_file_that_is_missing() {
    let key = rsa(REGION_KEY);
    let elsewhere = str::from_utf8(DOCUMENT).unwrap().replace("eu-west-1", "eu-west-2").into_bytes();
    // Signed by the key of eu-west-1: the signature is not even looked at.
    let request = request(&p256(), &CHALLENGE, &elsewhere, &Message::good(&key, &elsewhere).base64());
    let refused = refusal(&request, &CHALLENGE);
    assert_eq!((refused.rule, refused.kind), ("region-certificate", Kind::CannotTell));
    assert!(refused.what.contains("eu-west-2.pem"), "{refused}");
}

#[test]
fn one_region_s_certificate_does_not_speak_for_another() {
    let directory = tempfile::tempdir().unwrap();
    for (region, pem) in [("eu-west-1", REGION_PEM), ("eu-west-2", ATTACKER_PEM)] {
        std::fs::write(directory.path().join(format!("{region}.pem")), pem).unwrap();
    }
    let pin =
        |region: &str, sha256: &str| crate::attest::Pin { region: region.into(), sha256: sha256.parse().unwrap() };
    let pins = [pin("eu-west-1", REGION_SHA256), pin("eu-west-2", ATTACKER_SHA256)];
    let both = crate::attest::RegionCertificates::load(directory.path(), &pins).unwrap();
    let request = request(&p256(), &CHALLENGE, DOCUMENT, ATTACKER_SIGNATURE);
    assert_eq!(Claim::read(&request, &CHALLENGE, &both).unwrap_err().rule, "identity-signature");
}

#[test]
fn a_refusal_shows_no_control_characters_of_the_agent_s() {
    let mut request = request(&p256(), &CHALLENGE, DOCUMENT, REGION_SIGNATURE);
    request.identity_document = b"{\"accountId\": \"\x1b[2J".to_vec();
    let refused = refusal(&request, &CHALLENGE);
    assert_eq!((refused.rule, refused.kind), ("identity-document", Kind::Malformed));
    assert!(!refused.to_string().contains('\u{1b}'));
    request.agent_version = "1\n2".into();
    assert_eq!(refusal(&request, &CHALLENGE).rule, "agent-version");
    request.agent_version = "1".repeat(65);
    assert_eq!(refusal(&request, &CHALLENGE).rule, "agent-version");
}

#[test]
fn an_empty_request_is_malformed() {
    let refused = refusal(&eic_doctor_proto::wire::v1::EnrolRequest::default(), &CHALLENGE);
    assert_eq!((refused.rule, refused.kind), ("identity-document", Kind::Malformed));
}
