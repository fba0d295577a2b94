//! The authority: over real TLS on loopback, in its files, and in its certificates.

mod certificates;
mod files;
mod handshake;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{KeyPair, PublicKeyData as _};
use tempfile::TempDir;

use super::{Authority, IssuedCertificate};
use crate::attest::request::PublicKey;
use crate::attest::testing::p256;
use crate::store::Millis;

pub const DAY: Duration = Duration::from_secs(86_400);
pub const INSTANCE: &str = "i-0123456789abcdef0";

pub fn now() -> Millis {
    Millis::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub fn authority() -> (Authority, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Authority::embedded(directory.path(), now()).unwrap(), directory)
}

pub struct Agent {
    pub key: KeyPair,
    pub public: PublicKey,
}

pub fn agent() -> Agent {
    let key = p256();
    let public = PublicKey::parse(&key.subject_public_key_info()).unwrap();
    Agent { key, public }
}

pub fn issue(by: &Authority, agent: &Agent, at: Millis, life: Duration) -> IssuedCertificate {
    by.issue_agent(&agent.public, "123456789012", "eu-west-1", INSTANCE, at, life).unwrap()
}
