//! What the state folder holds of an enrolment, and whether it may be used here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::parse;

use super::{Key, KeyError, Life, Name, State, StateError, life_of};

/// The instance that the metadata service says we are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub instance_id: String,
    pub account_id: String,
    pub region: String,
}

/// A certificate with what it hangs on. Of the certificates the agent's own is the first; all in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    pub certificates: Vec<Vec<u8>>,
    /// Those that the coordinator named; empty where it named none.
    pub authorities: Vec<Vec<u8>>,
    pub life: Life,
}

/// What was found at the start.
pub struct Opened {
    pub key: Key,
    /// None where the agent has to enrol.
    pub enrolled: Option<Enrolled>,
    /// What a person should know of what was found.
    pub notes: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The key, made where there is none, and the certificate where a good one is there. What belongs to another instance, as on a cloned disk
/// or in an image made of an enrolled instance, is removed first; what is damaged counts as lost.
pub fn open(state: &State, instance: &Instance) -> Result<Opened, OpenError> {
    let mut notes = Vec::new();
    let is_ours = match state.read(Name::Identity)?.map(|bytes| serde_json::from_slice::<Instance>(&bytes)) {
        Some(Ok(of)) if of == *instance => true,
        Some(Ok(of)) => {
            notes.push(format!(
                "the state is of instance {} ({} in {}), copied with its disk or image: it is discarded, and {} enrols anew",
                eic_doctor_proto::visible(&of.instance_id),
                eic_doctor_proto::visible(&of.account_id),
                eic_doctor_proto::visible(&of.region),
                instance.instance_id
            ));
            false
        }
        Some(Err(_)) => {
            notes.push(damaged(state, Name::Identity));
            false
        }
        None => false,
    };
    if !is_ours {
        Name::ALL.into_iter().try_for_each(|name| state.remove(name))?;
    }
    let key = match state.read(Name::Key)?.map(|bytes| Key::from_pkcs8(&bytes)) {
        Some(Ok(key)) => key,
        found => {
            if found.is_some() {
                notes.push(damaged(state, Name::Key));
            }
            // A certificate is nothing without its key, and the numbers were those of that key.
            [Name::Certificate, Name::Acknowledged].into_iter().try_for_each(|name| state.remove(name))?;
            let key = Key::generate()?;
            // The key before whose it is: what is cut off in between is discarded at the next start.
            state.write(Name::Key, key.pkcs8())?;
            let identity = serde_json::to_vec(instance).unwrap_or_default();
            state.write(Name::Identity, &identity)?;
            key
        }
    };
    let enrolled = match state.read(Name::Certificate)?.map(|bytes| ders(&bytes)) {
        None => None,
        Some(certificates) => match certificates.first().and_then(|first| life_of(first)) {
            // The names of a certificate say nothing of its key: the point is in it or it is another's.
            Some(life) if certificates.first().is_some_and(|first| holds(first, key.public())) => {
                let authorities = state.read(Name::Authorities)?.map(|bytes| ders(&bytes)).unwrap_or_default();
                Some(Enrolled { certificates, authorities, life })
            }
            _ => {
                notes.push(damaged(state, Name::Certificate));
                None
            }
        },
    };
    Ok(Opened { key, enrolled, notes })
}

/// After an enrolment or a renewal. The authorities first: a certificate without them still finds the configured ones.
pub fn keep(state: &State, enrolled: &Enrolled) -> Result<(), StateError> {
    state.write(Name::Authorities, pem(&enrolled.authorities).as_bytes())?;
    state.write(Name::Certificate, pem(&enrolled.certificates).as_bytes())
}

fn damaged(state: &State, name: Name) -> String {
    format!("`{}` is damaged: the agent enrols anew", state.path(name).display())
}

fn holds(der: &[u8], point: &[u8]) -> bool {
    der.windows(point.len()).any(|window| window == point)
}

fn ders(pem: &[u8]) -> Vec<Vec<u8>> {
    parse::parse_certificates(pem).value.into_iter().map(|certificate| certificate.der).collect()
}

/// RFC 7468: lines of 64.
fn pem(certificates: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for der in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(der).as_bytes().chunks(64) {
            text.extend(line.iter().copied().map(char::from));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::identity::Sequence;

    fn instance(id: &str) -> Instance {
        Instance { instance_id: id.to_owned(), account_id: "111122223333".to_owned(), region: "eu-west-1".to_owned() }
    }

    fn certificate_for(key: &Key) -> Vec<u8> {
        let pair = rcgen::KeyPair::try_from(key.pkcs8()).unwrap();
        rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&pair).unwrap().der().to_vec()
    }

    /// A folder of an enrolled instance.
    fn enrolled(path: &Path) -> (Vec<u8>, Enrolled) {
        let state = State::open(path).unwrap();
        let opened = open(&state, &instance("i-1")).unwrap();
        assert!(opened.enrolled.is_none() && opened.notes.is_empty());
        let certificate = certificate_for(&opened.key);
        let life = life_of(&certificate).unwrap();
        let enrolled = Enrolled { certificates: vec![certificate.clone()], authorities: vec![certificate], life };
        keep(&state, &enrolled).unwrap();
        (opened.key.pkcs8().to_vec(), enrolled)
    }

    #[test]
    fn a_restart_finds_the_same_key_and_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (key, kept) = enrolled(&path);
        let opened = open(&State::open(&path).unwrap(), &instance("i-1")).unwrap();
        assert_eq!(opened.key.pkcs8(), key);
        assert_eq!(opened.enrolled, Some(kept));
        assert!(opened.notes.is_empty());
    }

    #[test]
    fn the_state_of_another_instance_account_or_region_is_discarded_with_a_word() {
        for other in [
            instance("i-2"),
            Instance { account_id: "444455556666".to_owned(), ..instance("i-1") },
            Instance { region: "eu-west-2".to_owned(), ..instance("i-1") },
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state");
            let (key, _) = enrolled(&path);
            let state = State::open(&path).unwrap();
            state.write(Name::Spool, b"a report of another instance").unwrap();
            let opened = open(&state, &other).unwrap();
            assert_ne!(opened.key.pkcs8(), key);
            assert_eq!(opened.enrolled, None);
            assert!(opened.notes.iter().any(|note| note.contains("of instance i-1") && note.contains("discarded")));
            assert_eq!(state.read(Name::Spool).unwrap(), None);
            // Told once: it is ours now.
            assert!(open(&state, &other).unwrap().notes.is_empty());
        }
    }

    #[test]
    fn any_damage_to_any_file_ends_in_an_enrolment_or_in_what_was_there_and_never_in_a_panic() {
        let damages: [fn(Vec<u8>) -> Vec<u8>; 4] = [
            |_| Vec::new(),
            |bytes| bytes[..bytes.len() / 2].to_vec(),
            |bytes| bytes.iter().map(|byte| byte ^ 0xa5).collect(),
            |bytes| vec![0; bytes.len()],
        ];
        for name in [Name::Identity, Name::Key, Name::Certificate] {
            for damage in damages {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("state");
                enrolled(&path);
                let state = State::open(&path).unwrap();
                let bytes = state.read(name).unwrap().unwrap();
                state.write(name, &damage(bytes)).unwrap();
                let opened = open(&state, &instance("i-1")).unwrap();
                assert_eq!(opened.enrolled, None, "{name:?}");
                assert!(opened.notes.iter().any(|note| note.contains("damaged")), "{name:?}: {:?}", opened.notes);
                let again = open(&state, &instance("i-1")).unwrap();
                assert_eq!(again.key.pkcs8(), opened.key.pkcs8());
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state");
            enrolled(&path);
            fs::remove_file(path.join(name.file())).unwrap();
            assert_eq!(open(&State::open(&path).unwrap(), &instance("i-1")).unwrap().enrolled, None, "{name:?}");
        }
    }

    #[test]
    fn a_certificate_of_another_key_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (_, kept) = enrolled(&path);
        let other = certificate_for(&Key::generate().unwrap());
        let state = State::open(&path).unwrap();
        keep(&state, &Enrolled { certificates: vec![other], ..kept }).unwrap();
        assert_eq!(open(&state, &instance("i-1")).unwrap().enrolled, None);
    }

    #[test]
    fn numbers_grow_over_restarts_crashes_and_the_loss_of_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state")).unwrap();
        let mut last = 0;
        for restart in 0..5 {
            let mut sequence = Sequence::begin(&state, 1_000_000).unwrap();
            for _ in 0..1_500 {
                let next = sequence.next(&state).unwrap();
                assert!(next > last, "restart {restart}: {next} after {last}");
                last = next;
            }
        }
        for (damage, clock) in [(&b"-3"[..], 5_000_000), (b"18446744073709551615", 6_000_000), (b"\xff", 7_000_000)] {
            state.write(Name::Sequence, damage).unwrap();
            let next = Sequence::begin(&state, clock).unwrap().next(&state).unwrap();
            assert!(next > last && next < u64::MAX / 2);
            last = next;
        }
        state.remove(Name::Sequence).unwrap();
        assert_eq!(Sequence::begin(&state, 8_000_000).unwrap().next(&state).unwrap(), 8_000_000);
    }
}
