//! A bounded generator of hostile enrolments and of hostile signatures, of which none may be taken.
//! A million signatures, and a sixteenth as many enrolments that go the whole way, from the bytes to the decision. More of them:
//! `EIC_DOCTOR_HOSTILE_MESSAGES=100000000 cargo test --workspace --lib hostile -- --nocapture`.
//!
//! The forger has heard one honest enrolment whole, knows AWS's signature over the instance's document and its own over any other, and
//! is answered with a challenge of its own. The instance has enrolled, with a key that the forger has not.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use eic_doctor_proto::wire::v1::EnrolRequest;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};

use crate::attest::identity::verify_message;
use crate::attest::request::{PublicKey, proof_message};
use crate::attest::testing::mutate::{Random, mutate};
use crate::attest::testing::*;
use crate::attest::{
    Claim, Decision, Described, DescribedInstance, EnrolmentPolicy, IdentityDocument, RegionCertificates, decide,
};
use crate::store::AgentRecord;

const MESSAGES: u64 = 1_000_000;
const THREADS: u64 = 2;
const HEARD: [u8; 32] = [1; 32];
const CHALLENGE: [u8; 32] = [2; 32];

#[test]
fn of_a_million_hostile_signatures_none_makes_a_forged_document_aws_s() {
    let forger = Forger::new();
    let region = forger.certificates.of("eu-west-1");
    for der in &forger.aws {
        verify_message(DOCUMENT, der, region).unwrap();
    }
    let number = messages();
    let found = count(number, |random| {
        let (document, message) = forger.forge_signature(random);
        match verify_message(&document, &message, region) {
            Ok(_) => panic!("taken for AWS's: {}", String::from_utf8_lossy(&document)),
            Err(error) => format!("{error:?}").split('(').next().unwrap_or_default().to_owned(),
        }
    });
    eprintln!("{number} hostile signatures, refused for: {found:?}");
    // A generator that never gets past the first door proves nothing of the others.
    for reason in ["Ber", "NotSignedData", "OtherContent", "Attribute", "Algorithm", "Digest", "Signature"] {
        assert!(found.get(reason).is_some_and(|of| of * 1000 >= number), "{reason}: {found:?}");
    }
}

#[test]
fn of_many_hostile_enrolments_none_is_let_in() {
    let forger = Forger::new();
    forger.control();
    let number = messages() / 16;
    let found = count(number, |random| {
        let request = forger.forge(random);
        forger.judge(&request, &CHALLENGE).unwrap_or_else(|| panic!("let in: {request:?}"))
    });
    eprintln!("{number} hostile enrolments, refused by: {found:?}");
    for rule in
        ["identity-document", "region-certificate", "identity-signature", "certificate-request", "proof", "other-key"]
    {
        assert!(found.get(rule).is_some_and(|of| of * 1000 >= number), "{rule}: {found:?}");
    }
}

fn messages() -> u64 {
    let asked = std::env::var("EIC_DOCTOR_HOSTILE_MESSAGES").ok();
    asked.map_or(MESSAGES, |number| number.parse().expect("a number of messages"))
}

/// Why each of so many was refused.
fn count(messages: u64, refuse: impl Fn(&mut Random) -> String + Sync) -> BTreeMap<String, u64> {
    std::thread::scope(|scope| {
        let run = |thread: u64| {
            let refuse = &refuse;
            scope.spawn(move || {
                let mut random = Random::of(thread);
                let mut found = BTreeMap::new();
                for _ in (thread..messages).step_by(THREADS as usize) {
                    *found.entry(refuse(&mut random)).or_insert(0) += 1;
                }
                found
            })
        };
        let threads: Vec<_> = (0..THREADS).map(run).collect();
        let mut all = BTreeMap::new();
        for thread in threads {
            thread.join().unwrap().into_iter().for_each(|(why, number)| *all.entry(why).or_insert(0) += number);
        }
        assert_eq!(all.values().sum::<u64>(), messages);
        all
    })
}

struct Forger {
    certificates: RegionCertificates,
    key: KeyPair,
    heard: EnrolRequest,
    own_request: Vec<u8>,
    own_proof: Vec<u8>,
    forged: Vec<(Vec<u8>, Vec<u8>)>,
    /// DER of AWS's message for the document, as openssl and as the tests write it.
    aws: Vec<Vec<u8>>,
    policy: EnrolmentPolicy,
    described: Described,
    stored: AgentRecord,
    now: u64,
}

impl Forger {
    fn new() -> Forger {
        let certificates = certificates();
        let (victim, key) = (p256(), p256());
        let document = IdentityDocument::parse(DOCUMENT).unwrap();
        let now = document.pending_time + 300_000;
        let policy = EnrolmentPolicy {
            accounts: ["123456789012".to_owned()].into(),
            describe_instances: true,
            require_caller_identity: false,
            certificate_life: Duration::from_secs(86_400),
        };
        let described = Described::Instance(DescribedInstance {
            account_id: document.account_id.clone(),
            state: "running".into(),
            private_ip: Some(Ipv4Addr::new(10, 0, 1, 5)),
            launch_time: document.pending_time,
            instance_profile: None,
            roles: None,
        });
        let victim_key = PublicKey::parse(&victim.subject_public_key_info()).unwrap();
        let claim = Claim::assumed(document, victim_key, false);
        let Decision::Issue { record, .. } = decide(None, &claim, &described, None, &policy, now) else {
            panic!("the victim is not enrolled")
        };
        let stored = AgentRecord { not_after: now + 86_400_000, last_seen: Some(now), ..record };
        let (aws, own) = (rsa(REGION_KEY), rsa(ATTACKER_KEY));
        let forged = ["i-0fedcba9876543210", "i-0123456789abcdef1"].map(|id| {
            let forged = str::from_utf8(DOCUMENT).unwrap().replace("i-0123456789abcdef0", id).into_bytes();
            let signed = Message::good(&own, &forged).der();
            (forged, signed)
        });
        Forger {
            heard: request(&victim, &HEARD, DOCUMENT, REGION_SIGNATURE),
            own_request: certificate_request(&key),
            own_proof: key.sign(&proof_message(&CHALLENGE, DOCUMENT)).unwrap(),
            aws: vec![decode(REGION_SIGNATURE), Message::good(&aws, DOCUMENT).der()],
            forged: forged.into(),
            certificates,
            key,
            policy,
            described,
            stored,
            now,
        }
    }

    /// The same way lets the honest in: else a count of none would say nothing.
    fn control(&self) {
        assert_eq!(self.judge(&self.heard, &HEARD), None);
        let unknown = EnrolRequest {
            certificate_request: self.own_request.clone(),
            proof: self.own_proof.clone(),
            ..self.heard.clone()
        };
        assert_eq!(self.judge(&unknown, &CHALLENGE).as_deref(), Some("other-key"));
        for der in &self.aws {
            let again = EnrolRequest { identity_signature: base64(der), ..self.heard.clone() };
            assert_eq!(self.judge(&again, &HEARD), None);
        }
    }

    /// The rule that refuses it; none: it would be given a certificate.
    fn judge(&self, request: &EnrolRequest, challenge: &[u8; 32]) -> Option<String> {
        let claim = match Claim::read(request, challenge, &self.certificates) {
            Ok(claim) => claim,
            Err(refusal) => return Some(refusal.rule.to_owned()),
        };
        // A record of another instance is not this one's: a forged id would be enrolled on first use.
        let stored = (claim.document.instance_id == self.stored.instance_id).then_some(&self.stored);
        match decide(stored, &claim, &self.described, None, &self.policy, self.now) {
            Decision::Issue { .. } => None,
            Decision::Refuse(refusal) => Some(refusal.rule.to_owned()),
            Decision::NotNow { why, .. } => Some(why),
        }
    }

    /// A document that AWS never signed, and a message that is to make it AWS's.
    fn forge_signature(&self, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
        let (document, signed) = &self.forged[random.below(self.forged.len())];
        let mut message = match random.below(8) {
            0..2 => signed.clone(),
            kind => {
                let mut aws = self.aws[random.below(self.aws.len())].clone();
                if kind > 2 {
                    replace(&mut aws, DOCUMENT, document);
                }
                if kind > 6 {
                    replace(&mut aws, &message_digest(DOCUMENT), &message_digest(document));
                }
                aws
            }
        };
        mutate(&mut message, random, 6);
        (document.clone(), message)
    }

    fn forge(&self, random: &mut Random) -> EnrolRequest {
        let mut request = self.heard.clone();
        match random.below(16) {
            // The document is changed, AWS's signature stays.
            0..3 => {
                mutate(&mut request.identity_document, random, 3);
                self.sign_document(&mut request, random);
            }
            // AWS's message is changed, in its structure or in its bytes.
            3..8 => {
                let mut der = self.aws[random.below(self.aws.len())].clone();
                mutate(&mut der, random, 6);
                request.identity_signature = base64(&der);
                self.own_key(&mut request);
            }
            // The forger's own signature, as good as it can be made and changed here and there.
            8..10 => {
                let (document, signed) = &self.forged[random.below(self.forged.len())];
                let mut der = signed.clone();
                mutate(&mut der, random, 4);
                request.identity_document.clone_from(document);
                request.identity_signature = base64(&der);
            }
            // Text that is hardly base64.
            10 => mutate(&mut request.identity_signature, random, 8),
            // What was heard is played back, changed a little.
            11..13 => {
                mutate(&mut request.certificate_request, random, 2);
                mutate(&mut request.proof, random, 2);
            }
            13 => {
                request.proof.clone_from(&self.own_proof);
                mutate(&mut request.certificate_request, random, 2);
            }
            // All but the key is the victim's own.
            14 => {
                self.own_key(&mut request);
                if random.below(4) > 0 {
                    mutate(&mut request.proof, random, 2);
                }
            }
            // Of another Region, by AWS's key of this one.
            _ => {
                let text = str::from_utf8(DOCUMENT).unwrap();
                let region = format!("eu-west-{}", random.below(1000) + 2);
                request.identity_document = text.replace("eu-west-1", &region).into_bytes();
            }
        }
        request
    }

    fn own_key(&self, request: &mut EnrolRequest) {
        request.certificate_request.clone_from(&self.own_request);
        request.proof.clone_from(&self.own_proof);
    }

    /// One in sixteen proofs is made anew for the changed document, so that it is not the proof that refuses it.
    fn sign_document(&self, request: &mut EnrolRequest, random: &mut Random) {
        request.certificate_request.clone_from(&self.own_request);
        if random.below(16) == 0 {
            request.proof = self.key.sign(&proof_message(&CHALLENGE, &request.identity_document)).unwrap();
        }
    }
}

/// Of the same length, so that the lengths around it stay right.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("it is in there");
    bytes[at..at + from.len()].copy_from_slice(to);
}

fn decode(text: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'\n').collect();
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}
