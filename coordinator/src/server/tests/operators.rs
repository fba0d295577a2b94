//! Who may see, ask and forbid.

use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1;
use eic_doctor_proto::wire::v1::operator_service_client::OperatorServiceClient;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::{Agent, INSTANCE, Running, Stream, channel_to, healthy, tls};
use crate::attest::testing::p256;

fn request(id: &str) -> v1::AgentRequest {
    v1::AgentRequest { instance_id: id.to_owned(), why: "seen in a foreign network".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_is_out_at_once_until_it_is_allowed_again() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let mut stream = Stream::open(&mut client).await.unwrap();
    client.submit_report(agent.report(&healthy(INSTANCE))).await.unwrap();
    let mut operator = running.operator().await;
    let revoked = operator.revoke_agent(request(INSTANCE)).await.unwrap().into_inner();
    assert_eq!(revoked.state(), v1::AgentState::Revoked);
    assert!(revoked.state_why.ends_with(": seen in a foreign network"), "{}", revoked.state_why);

    assert_eq!(stream.hear().await.unwrap_err().code(), Code::Aborted);
    let refused = client.submit_report(agent.report(&healthy(INSTANCE))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = Stream::open(&mut client).await.map(|_| ()).unwrap_err();
    assert!(refused.message().contains("seen in a foreign network"), "{}", refused.message());
    let (document, signature) = super::document(INSTANCE, "2027-01-03T00:00:00Z");
    let again = || Agent::enrol(&running, p256(), &document, &signature);
    assert_eq!(again().await.map(|_| ()).unwrap_err().code(), Code::PermissionDenied);

    operator.allow_agent_again(request(INSTANCE)).await.unwrap();
    let mut agent = again().await.unwrap();
    agent.client(&running).await.submit_report(agent.report(&healthy(INSTANCE))).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_not_there_is_told_by_its_name_made_visible() {
    let running = Running::begin("").await;
    let mut operator = running.operator().await;
    let refused = operator.show_agent(request("i-\u{1b}[31m'; DROP TABLE agents; --")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(!refused.message().contains('\u{1b}'), "{}", refused.message());
    running.stop().await;
}

/// An authority of operators, and certificates of it.
struct People {
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl People {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { authority: CertifiedIssuer::self_signed(params, p256()).unwrap() }
    }

    async fn client(&self, running: &Running, name: &str) -> OperatorServiceClient<Channel> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = p256();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let own = vec![CertificateDer::from(certificate.der().to_vec())];
        let tls = tls(&running.authorities(), Some((own, &key)));
        OperatorServiceClient::new(channel_to(running.operators_tls.unwrap(), tls).await.unwrap())
    }
}

fn code<T>(answer: Result<T, Status>) -> Code {
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_what_it_may_and_no_more() {
    let people = People::new();
    let files = TempDir::new().unwrap();
    let authorities = files.path().join("operators.pem");
    std::fs::write(&authorities, people.authority.pem()).unwrap();
    let dir = std::sync::Arc::new(TempDir::new().unwrap());
    let more = format!(
        "[operators]\nauthorities = \"{}\"\n[operators.roles]\nrita = \"read\"\ncarl = \"check\"\nada = \"admin\"\n",
        authorities.display()
    );
    let running = Running::begin_in(dir, &more).await;
    let _agent = Agent::enrolled(&running, INSTANCE).await;
    let attempt = Attempt::usual();
    let ask = || v1::InstanceCheckRequest {
        instance_id: INSTANCE.to_owned(),
        attempt: Some((&attempt).into()),
        budget_ms: 0,
    };
    // Not connected: what a check is told that may be asked for.
    let (no, yes) = (Code::PermissionDenied, Code::Ok);
    for (name, expected) in [
        ("rita", [yes, yes, no, no, no]),
        ("carl", [yes, yes, Code::Unavailable, no, no]),
        ("ada", [yes, yes, Code::Unavailable, yes, yes]),
        ("mallory", [no, no, no, no, no]),
    ] {
        let mut client = people.client(&running, name).await;
        let seen = [
            code(client.list_agents(v1::ListAgentsRequest::default()).await),
            code(client.list_undelivered(v1::UndeliveredRequest::default()).await),
            code(client.check_instance(ask()).await),
            code(client.allow_agent_again(request(INSTANCE)).await),
            code(client.retry_undelivered(v1::UndeliveredRequest::default()).await),
        ];
        assert_eq!(seen, expected, "{name}");
    }
    // An agent's certificate is no operator's: another authority signed it.
    let agent = Agent::enrolled(&running, "i-0123456789abcdef1").await;
    let tls = tls(&running.authorities(), Some((agent.certificates.clone(), &agent.key)));
    let outcome = match channel_to(running.operators_tls.unwrap(), tls).await {
        Err(_) => Code::Unavailable,
        Ok(channel) => code(OperatorServiceClient::new(channel).list_agents(v1::ListAgentsRequest::default()).await),
    };
    assert_ne!(outcome, Code::Ok);
    running.stop().await;
}
