//! Where an authority comes from.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::authority::AuthorityError;

#[test]
fn an_embedded_authority_is_made_once_and_its_key_is_its_owner_s_only() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("authority");
    let path = place.join("authority.pem");
    // Several coordinators at once on one directory.
    let made: Vec<Authority> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| Authority::embedded(&place, now()).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().all(|authority| authority.trusted() == made[0].trusted()));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&place), mode(&path)), (0o700, 0o600));
    let names: Vec<_> = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["authority.pem"], "nothing half made is left");
    assert_eq!(Authority::embedded(&place, now()).unwrap().trusted(), made[0].trusted());

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = Authority::embedded(&place, now()).unwrap_err();
    assert!(matches!(error, AuthorityError::OpenToOthers { mode: 0o640, .. }), "{error:?}");
}

#[test]
fn files_that_make_no_authority_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let (one, two) = (authority().1, authority().1);
    let read = |directory: &TempDir| std::fs::read(directory.path().join("authority.pem")).unwrap();
    let (one, two) = (write("one.pem", &read(&one)), write("two.pem", &read(&two)));
    Authority::from_files(&one, &one).unwrap();
    assert!(matches!(Authority::from_files(&one, &two), Err(AuthorityError::OtherKey { key, .. }) if key == two));
    let plain = rcgen::CertificateParams::new(vec!["x.example".into()]).unwrap();
    let key = p256();
    let certificate = write("plain.pem", plain.self_signed(&key).unwrap().pem().as_bytes());
    let key = write("plain.key", key.serialize_pem().as_bytes());
    assert!(matches!(Authority::from_files(&certificate, &key), Err(AuthorityError::NoAuthority { .. })));
    assert!(matches!(Authority::from_files(&key, &one), Err(AuthorityError::Lacks { what: "certificate", .. })));
    assert!(matches!(Authority::from_files(&one, &certificate), Err(AuthorityError::Lacks { .. })));
    let missing = directory.path().join("missing");
    assert!(matches!(Authority::from_files(&missing, &one), Err(AuthorityError::Read { path, .. }) if path == missing));
    let rubbish = write("rubbish.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(matches!(Authority::from_files(&rubbish, &one), Err(AuthorityError::NoAuthority { .. })));
}
