//! Who is let in over TLS, and who is not.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::attest::testing::{REGION_KEY, REGION_PEM};
use crate::authority::*;

/// What the server's side of one handshake comes to: the client's certificate, if it sent one.
type Accepted = Result<Option<CertificateDer<'static>>, Error>;

/// One connection: the server as it is configured, a client that trusts `trusted` and brings `identity`. The answers of both.
async fn connect(
    server: Arc<rustls::ServerConfig>,
    trusted: &[CertificateDer<'static>],
    identity: Option<(Vec<CertificateDer<'static>>, &KeyPair)>,
) -> (Accepted, Result<(), Error>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(server).accept(stream).await.map_err(|error| tls_error(&error))?;
        stream.write_all(b"!").await.unwrap();
        let peer = stream.get_ref().1.peer_certificates().map(|chain| chain[0].clone().into_owned());
        stream.shutdown().await.unwrap();
        Ok(peer)
    };
    let mut roots = RootCertStore::empty();
    trusted.iter().for_each(|certificate| roots.add(certificate.clone()).unwrap());
    let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let client = match identity {
        None => client.with_no_client_auth(),
        Some((chain, key)) => {
            client.with_client_auth_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into()).unwrap()
        }
    };
    let ask = async move {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("coordinator.example").unwrap();
        let mut stream =
            TlsConnector::from(Arc::new(client)).connect(name, stream).await.map_err(|error| tls_error(&error))?;
        // With TLS 1.3 the server's verdict on the client comes after the handshake.
        let mut byte = [0];
        stream.read_exact(&mut byte).await.map(drop).map_err(|error| tls_error(&error))
    };
    tokio::join!(serve, ask)
}

fn tls_error(error: &std::io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    inner.cloned().unwrap_or_else(|| Error::General(error.to_string()))
}

fn server(authority: &Authority) -> Arc<rustls::ServerConfig> {
    Arc::new(server_config(authority, server_certificate(authority)).unwrap())
}

fn server_certificate(authority: &Authority) -> Arc<ServerCertificate> {
    let names = ["coordinator.example".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    Arc::new(ServerCertificate::new(authority.issue_server(&names, now(), DAY).unwrap()).unwrap())
}

#[tokio::test]
async fn an_agent_s_certificate_says_over_tls_which_instance_it_is() {
    let (authority, _directory) = authority();
    let agent = agent();
    let issued = issue(&authority, &agent, now(), DAY);
    let identity = Some((issued.chain.clone(), &agent.key));
    let (accepted, client) = connect(server(&authority), authority.trusted(), identity).await;
    client.unwrap();
    let peer = PeerIdentity::read(&accepted.unwrap().unwrap()).unwrap();
    assert_eq!(
        peer,
        PeerIdentity {
            account_id: "123456789012".into(),
            region: "eu-west-1".into(),
            instance_id: INSTANCE.into(),
            key: agent.public.id(),
            public_key: agent.public.clone(),
            serial: issued.serial.clone(),
            not_before: issued.life.not_before,
            not_after: issued.life.not_after,
        }
    );
}

#[tokio::test]
async fn an_agent_without_a_certificate_gets_as_far_as_its_enrolment() {
    let (authority, _directory) = authority();
    let (accepted, client) = connect(server(&authority), authority.trusted(), None).await;
    client.unwrap();
    assert_eq!(accepted, Ok(None));
}

#[tokio::test]
async fn certificates_out_of_their_time_end_the_handshake() {
    let (authority, _directory) = authority();
    let agent = agent();
    let (hour, day) = (3_600_000, 86_400_000);
    for (at, life, alert) in [
        (now() - day - hour, DAY, AlertDescription::CertificateExpired),
        // Issued by a coordinator whose clock is an hour ahead.
        (now() + hour, DAY, AlertDescription::CertificateExpired),
    ] {
        let issued = issue(&authority, &agent, at, life);
        let identity = Some((issued.chain, &agent.key));
        let (accepted, client) = connect(server(&authority), authority.trusted(), identity).await;
        let error = accepted.unwrap_err();
        let is_expected = match &error {
            Error::InvalidCertificate(CertificateError::ExpiredContext { .. }) => at < now(),
            Error::InvalidCertificate(CertificateError::NotValidYetContext { .. }) => at > now(),
            _ => false,
        };
        assert!(is_expected, "{error:?}");
        assert_eq!(client, Err(Error::AlertReceived(alert)));
    }
}

#[tokio::test]
async fn certificates_of_a_foreign_authority_end_the_handshake_whatever_they_say() {
    let (own, _own) = authority();
    let (foreign, _foreign) = authority();
    let agent = agent();
    let issued = issue(&foreign, &agent, now(), DAY);
    let with_its_root = [issued.chain.clone(), foreign.trusted().to_vec()].concat();
    for chain in [issued.chain, with_its_root] {
        let (accepted, client) = connect(server(&own), own.trusted(), Some((chain, &agent.key))).await;
        let error = accepted.unwrap_err();
        assert_eq!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert_eq!(client, Err(Error::AlertReceived(AlertDescription::UnknownCA)));
    }
}

#[tokio::test]
async fn an_agent_cannot_sign_certificates_for_others() {
    let (authority, _directory) = authority();
    let (agent, other) = (agent(), self::agent());
    let issued = issue(&authority, &agent, now(), DAY);
    let issuer = rcgen::Issuer::from_ca_cert_der(&issued.chain[0], &agent.key).unwrap();
    let mut forged = rcgen::CertificateParams::new(vec![]).unwrap();
    forged.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let forged = forged.signed_by(&other.key, &issuer).unwrap();
    let chain = [vec![forged.der().clone()], issued.chain].concat();
    let (accepted, _) = connect(server(&authority), authority.trusted(), Some((chain, &other.key))).await;
    assert!(matches!(accepted, Err(Error::InvalidCertificate(_))), "{accepted:?}");
}

#[tokio::test]
async fn a_server_s_certificate_is_no_agent_s_and_an_agent_s_no_server_s() {
    let (authority, _directory) = authority();
    let own = authority.issue_server(&["coordinator.example".to_owned()], now(), DAY).unwrap();
    let key = KeyPair::try_from(own.key.secret_pkcs8_der()).unwrap();
    assert_eq!(PeerIdentity::read(&own.chain[0]), Err(PeerError::NoInstance));
    let (accepted, _) = connect(server(&authority), authority.trusted(), Some((own.chain, &key))).await;
    assert!(
        matches!(&accepted, Err(Error::InvalidCertificate(CertificateError::InvalidPurposeContext { .. }))),
        "{accepted:?}"
    );

    let agent = agent();
    let IssuedCertificate { chain, life, .. } = issue(&authority, &agent, now(), DAY);
    let posing = ServerIdentity { chain, key: agent.key.serialize_der().into(), life };
    let posing = Arc::new(ServerCertificate::new(posing).unwrap());
    let config = Arc::new(server_config(&authority, posing).unwrap());
    let (_, client) = connect(config, authority.trusted(), None).await;
    assert!(matches!(client, Err(Error::InvalidCertificate(_))), "{client:?}");
}

#[tokio::test]
async fn old_and_new_authority_are_trusted_together_during_a_change() {
    let (mut old, old_directory) = authority();
    let (mut new, new_directory) = authority();
    let agent = agent();
    let before = issue(&old, &agent, now(), DAY);
    // First everyone is told of the next one, then the next one signs, while the old one's certificates end.
    old.trust(new.trusted().to_vec());
    assert_eq!(old.trusted().len(), 2);
    new.trust(old.trusted().to_vec());
    assert_eq!(new.trusted().len(), 2, "none twice");
    let after = issue(&new, &agent, now(), DAY);
    for authority in [&old, &new] {
        for issued in [&before, &after] {
            let identity = Some((issued.chain.clone(), &agent.key));
            let (accepted, client) = connect(server(authority), authority.trusted(), identity).await;
            assert!(accepted.unwrap().is_some());
            client.unwrap();
        }
    }
    // By files: what lies under `trusted` is trusted too.
    let trusted = new_directory.path().join("trusted");
    std::fs::create_dir(&trusted).unwrap();
    std::fs::copy(old_directory.path().join("authority.pem"), trusted.join("old.pem")).unwrap();
    let again = Authority::embedded(new_directory.path(), now()).unwrap();
    assert_eq!(again.trusted(), new.trusted());
    std::fs::write(trusted.join("agent.pem"), pem(&before.chain[0])).unwrap();
    let error = Authority::embedded(new_directory.path(), now()).unwrap_err();
    assert!(matches!(&error, AuthorityError::NoAuthority { path } if path.ends_with("trusted/agent.pem")), "{error:?}");
}

fn pem(certificate: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[tokio::test]
async fn the_coordinator_s_certificate_is_replaced_without_a_new_listener() {
    let (authority, _directory) = authority();
    let certificate = server_certificate(&authority);
    let config = Arc::new(server_config(&authority, Arc::clone(&certificate)).unwrap());
    let (_, client) = connect(Arc::clone(&config), authority.trusted(), None).await;
    client.unwrap();
    let names = ["coordinator.example".to_owned()];
    let expired = authority.issue_server(&names, now() - 7_200_000, Duration::from_secs(3600)).unwrap();
    let life = expired.life;
    certificate.replace(expired).unwrap();
    assert_eq!(certificate.life(), life);
    let (_, client) = connect(Arc::clone(&config), authority.trusted(), None).await;
    assert!(matches!(client, Err(Error::InvalidCertificate(CertificateError::ExpiredContext { .. }))), "{client:?}");
    certificate.replace(authority.issue_server(&names, now(), DAY).unwrap()).unwrap();
    connect(config, authority.trusted(), None).await.1.unwrap();
}

#[tokio::test]
async fn an_authority_of_rsa_that_the_user_brings_signs_too() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("ca.pem"), directory.path().join("ca.key"));
    std::fs::write(&certificate, REGION_PEM).unwrap();
    std::fs::write(&key, REGION_KEY).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let authority = Authority::from_files(&certificate, &key).unwrap();
    let agent = agent();
    let issued = issue(&authority, &agent, now(), DAY);
    let (accepted, client) = connect(server(&authority), authority.trusted(), Some((issued.chain, &agent.key))).await;
    client.unwrap();
    assert!(accepted.unwrap().is_some());
}
