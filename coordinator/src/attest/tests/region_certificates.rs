//! The directory of Region certificates: what is loaded, and what is refused by name.

use std::collections::HashSet;

use crate::attest::region_certificates::{RegionCertificatesError, published};
use crate::attest::{Fingerprint, Pin, RegionCertificates, testing};

fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

fn pin(region: &str) -> Pin {
    Pin { region: region.into(), sha256: testing::REGION_SHA256.parse().unwrap() }
}

#[test]
fn the_shipped_list_has_a_fingerprint_of_its_own_for_each_region() {
    let pins = published();
    assert_eq!(pins.len(), 39);
    let distinct: HashSet<_> = pins.iter().map(|pin| pin.sha256).collect();
    assert_eq!(distinct.len(), pins.len());
    let of = |region: &str| pins.iter().find(|pin| pin.region == region).map(|pin| pin.sha256.to_string());
    assert_eq!(of("af-south-1").unwrap(), "215bab209298aaf8cf4c5deea56bd912abe845d6e9e33aa995e573f7579db5d7");
    assert!(of("eusc-de-east-1").is_some() && of("cn-north-1").is_some() && of("us-gov-west-1").is_some());
}

#[test]
fn a_certificate_with_a_pin_of_the_configuration_is_loaded_for_its_region_only() {
    let directory = directory(&[("eu-west-1.pem", testing::REGION_PEM), ("README", b"not a certificate")]);
    let loaded = RegionCertificates::load(directory.path(), &[pin("eu-west-1")]).unwrap();
    assert_eq!(loaded.regions().collect::<Vec<_>>(), ["eu-west-1"]);
    assert_eq!(loaded.of("eu-west-1").len(), 1);
    assert!(loaded.of("eu-west-2").is_empty());
    assert_eq!(loaded.path_of("eu-west-2"), directory.path().join("eu-west-2.pem"));
}

#[test]
fn a_certificate_that_is_not_pinned_for_its_region_is_refused_by_name() {
    let directory = directory(&[("eu-west-1.pem", testing::REGION_PEM)]);
    for own in [vec![], vec![pin("eu-west-2")]] {
        let error = RegionCertificates::load(directory.path(), &own).unwrap_err();
        let RegionCertificatesError::NotPinned { path, region, found } = error else { panic!("{error:?}") };
        assert_eq!((path, region.as_str()), (directory.path().join("eu-west-1.pem"), "eu-west-1"));
        assert_eq!(found.to_string(), testing::REGION_SHA256);
    }
}

#[test]
fn two_certificates_of_a_region_overlap_during_a_change() {
    let both = [testing::REGION_PEM, testing::ATTACKER_PEM].concat();
    let directory = directory(&[("eu-west-1.pem", &both)]);
    let attacker = Pin { region: "eu-west-1".into(), sha256: testing::ATTACKER_SHA256.parse().unwrap() };
    assert!(RegionCertificates::load(directory.path(), &[pin("eu-west-1")]).is_err());
    let loaded = RegionCertificates::load(directory.path(), &[pin("eu-west-1"), attacker]).unwrap();
    assert_eq!(loaded.of("eu-west-1").len(), 2);
}

#[test]
fn files_that_hold_no_certificate_are_refused() {
    for content in [&b""[..], b"-----BEGIN CERTIFICATE-----\n", testing::REGION_KEY, &vec![b' '; 1 << 17]] {
        let directory = directory(&[("eu-west-1.pem", content)]);
        let error = RegionCertificates::load(directory.path(), &[pin("eu-west-1")]).unwrap_err();
        assert!(matches!(error, RegionCertificatesError::Pem { .. }), "{error:?}");
    }
    let named = directory(&[("Ireland.pem", testing::REGION_PEM)]);
    assert!(matches!(RegionCertificates::load(named.path(), &[]), Err(RegionCertificatesError::Name { .. })));
    let missing = RegionCertificates::load(&named.path().join("none"), &[]);
    assert!(matches!(missing, Err(RegionCertificatesError::ReadDirectory { .. })));
}

#[test]
fn a_pinned_certificate_with_another_kind_of_key_is_refused() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    let directory = directory(&[("eu-west-1.pem", certificate.pem().as_bytes())]);
    let own = Pin { region: "eu-west-1".into(), sha256: Fingerprint::of(certificate.der()) };
    let error = RegionCertificates::load(directory.path(), &[own]).unwrap_err();
    assert!(matches!(error, RegionCertificatesError::Key { .. }), "{error:?}");
}

#[test]
fn fingerprints_are_read_as_openssl_prints_them() {
    let plain: Fingerprint = testing::REGION_SHA256.parse().unwrap();
    let pairs: Vec<String> = plain.0.iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(pairs.join(":").parse::<Fingerprint>().unwrap(), plain);
    for text in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &format!("{} ", "0".repeat(64))] {
        assert!(text.parse::<Fingerprint>().is_err(), "{text:?}");
    }
}
