//! Certificates that an authority signs.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PublicKeyData,
    SanType, SubjectPublicKeyInfo,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::{Authority, AuthorityError};
use crate::attest::request::PublicKey;
use crate::store::Millis;

/// A certificate is good from so long before it is issued: the clocks of those who read it may be behind.
const BACKDATED: Duration = Duration::from_secs(5 * 60);
/// Where the name of an agent stands in its certificate: `eic-doctor://ACCOUNT/REGION/INSTANCE_ID`.
pub(super) const SCHEME: &str = "eic-doctor://";

/// When a certificate begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub not_before: Millis,
    pub not_after: Millis,
}

/// An agent's.
#[derive(Clone, Debug)]
pub struct IssuedCertificate {
    /// DER, the agent's own first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Lower-case hexadecimal.
    pub serial: String,
    pub life: Life,
}

/// The coordinator's own.
#[derive(Debug)]
pub struct ServerIdentity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivatePkcs8KeyDer<'static>,
    pub life: Life,
}

impl Authority {
    /// A client certificate that says: whoever holds `key` is the agent of this instance.
    ///
    /// # Errors
    /// When no certificate can be made of it.
    pub fn issue_agent(
        &self,
        key: &PublicKey,
        account_id: &str,
        region: &str,
        instance_id: &str,
        now: Millis,
        life: Duration,
    ) -> Result<IssuedCertificate, AuthorityError> {
        let uri = format!("{SCHEME}{account_id}/{region}/{instance_id}");
        let (mut params, serial, life) = params(instance_id, now, life)?;
        let name = uri.clone().try_into().map_err(|_| AuthorityError::Name { name: uri })?;
        params.subject_alt_names = vec![SanType::URI(name)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let public = SubjectPublicKeyInfo::from_der(key.info()).map_err(AuthorityError::Issue)?;
        let serial = serial.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(IssuedCertificate { chain: self.sign(&params, &public)?, serial, life })
    }

    /// A server certificate for a key that is made here and nowhere kept. `names`: DNS names and addresses that agents and operators
    /// reach the coordinator by.
    ///
    /// # Errors
    /// When there is no name, or one is none.
    pub fn issue_server(
        &self,
        names: &[String],
        now: Millis,
        life: Duration,
    ) -> Result<ServerIdentity, AuthorityError> {
        let first = names.first().ok_or_else(|| AuthorityError::Name { name: String::new() })?;
        let (mut params, _, life) = params(first, now, life)?;
        params.subject_alt_names = names.iter().map(|name| san(name)).collect::<Result<_, _>>()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Issue)?;
        Ok(ServerIdentity { chain: self.sign(&params, &key)?, key: key.serialize_der().into(), life })
    }

    fn sign(
        &self,
        params: &CertificateParams,
        key: &impl PublicKeyData,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let own = params.signed_by(key, &self.issuer).map_err(AuthorityError::Issue)?;
        // What is trusted as the end of a chain need not be sent with it.
        let between = self.chain.iter().filter(|certificate| !self.trusted.contains(certificate));
        Ok(std::iter::once(own.der().clone()).chain(between.cloned()).collect())
    }
}

fn params(name: &str, now: Millis, life: Duration) -> Result<(CertificateParams, [u8; 16], Life), AuthorityError> {
    let serial = random_serial()?;
    // Certificates tell whole seconds.
    let second = |time: Millis| time / 1000 * 1000;
    let millis = |time: Duration| Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX);
    let life = Life {
        not_before: second(now.saturating_sub(millis(BACKDATED))),
        not_after: second(now.saturating_add(millis(life))).min(LAST),
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial.to_vec().into());
    set_life(&mut params, life);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok((params, serial, life))
}

fn san(name: &str) -> Result<SanType, AuthorityError> {
    let bad = || AuthorityError::Name { name: name.to_owned() };
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) if rustls::pki_types::DnsName::try_from(name).is_err() => Err(bad()),
        Err(_) => Ok(SanType::DnsName(name.try_into().map_err(|_| bad())?)),
    }
}

/// Positive, and of full length as DER writes it.
pub(super) fn random_serial() -> Result<[u8; 16], AuthorityError> {
    let mut serial = [0; 16];
    SystemRandom::new().fill(&mut serial).map_err(|_| AuthorityError::Random)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

/// 9999-12-31T23:59:59Z, the last time that a certificate can tell.
const LAST: Millis = 253_402_300_799_000;

/// In whole seconds.
pub(super) fn set_life(params: &mut CertificateParams, life: Life) {
    let date = |time: Millis| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(time.min(LAST) / 1000);
    params.not_before = date(life.not_before);
    params.not_after = date(life.not_after);
}
