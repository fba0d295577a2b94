//! What stands in a certificate.

use rustls::pki_types::CertificateDer;

use super::*;
use crate::authority::{AuthorityError, PeerError, PeerIdentity};

#[test]
fn every_certificate_has_a_serial_of_its_own_and_ends_in_its_authority_s_time() {
    let (authority, _directory) = authority();
    let agent = agent();
    let at = now();
    let (one, two) = (issue(&authority, &agent, at, DAY), issue(&authority, &agent, at, DAY));
    assert_ne!(one.serial, two.serial);
    let second = at / 1000 * 1000;
    assert_eq!(one.life.not_after, second + 86_400_000);
    assert!(one.life.not_before < at - 299_000 && one.life.not_before > at - 302_000, "{:?}", one.life);
    let read = PeerIdentity::read(&one.chain[0]).unwrap();
    assert_eq!((read.serial, read.not_after), (one.serial, one.life.not_after));
    let endless = issue(&authority, &agent, at, Duration::MAX);
    assert_eq!(PeerIdentity::read(&endless.chain[0]).unwrap().not_after, 253_402_300_799_000);
}

#[test]
fn a_certificate_that_names_no_instance_or_several_is_no_agent_s() {
    let read = |names: &[&str], key: &KeyPair| {
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.subject_alt_names = names.iter().map(|name| rcgen::SanType::URI((*name).try_into().unwrap())).collect();
        PeerIdentity::read(params.self_signed(key).unwrap().der())
    };
    let (key, good) = (p256(), "eic-doctor://123456789012/eu-west-1/i-0123456789abcdef0");
    assert!(read(&[good], &key).is_ok());
    for names in [
        &[][..],
        &[good, good],
        &["https://123456789012/eu-west-1/i-0123456789abcdef0"],
        &["eic-doctor://123456789012/eu-west-1"],
        &["eic-doctor://123456789012/eu-west-1/i-0123456789abcdef0/x"],
        &["eic-doctor://123456789012//i-0123456789abcdef0"],
    ] {
        assert_eq!(read(names, &key), Err(PeerError::NoInstance), "{names:?}");
    }
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    assert_eq!(read(&[good], &ed25519), Err(PeerError::Key));
    assert_eq!(PeerIdentity::read(&CertificateDer::from(vec![0x30, 0])), Err(PeerError::Malformed));
}

#[test]
fn names_that_cannot_stand_in_a_certificate_are_refused() {
    let (authority, _directory) = authority();
    for names in [vec![], vec!["".to_owned()], vec!["good.example".to_owned(), "no name".to_owned()]] {
        assert!(matches!(authority.issue_server(&names, now(), DAY), Err(AuthorityError::Name { .. })), "{names:?}");
    }
}
