//! `EnrolmentService`: an instance proves which one it is, and gets its certificate.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use eic_doctor_proto::wire::v1;
use eic_doctor_proto::wire::v1::enrolment_service_server::EnrolmentService;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status, Streaming};

use super::aws::Refused;
use super::core::Core;
use super::metrics::OutcomeWord;
use super::peer::Peer;
use super::status::{later, of_store};
use crate::attest::request::PublicKey;
use crate::attest::{Claim, Decision, Kind, Refusal, decide};
use crate::gather::chain;
use crate::store::{AgentRecord, Millis, StoreError};

/// From the challenge to the agent's answer: a metadata service that is slow, and nothing else, takes time there.
const ANSWER: Duration = Duration::from_secs(20);
/// A record that another coordinator changed meanwhile is decided on anew.
const TRIES: usize = 3;

pub(super) struct Enrolments(pub Arc<Core>);

type ToAgent = Pin<Box<dyn Stream<Item = Result<v1::EnrolResponse, Status>> + Send>>;

#[tonic::async_trait]
impl EnrolmentService for Enrolments {
    type EnrolStream = ToAgent;

    async fn enrol(
        &self,
        request: Request<Streaming<v1::EnrolRequest>>,
    ) -> Result<Response<Self::EnrolStream>, Status> {
        let core = Arc::clone(&self.0);
        let address = Peer::of(&request)?.address;
        if let Err(after) = core.admission.may_enrol(address.ip(), Instant::now()) {
            core.metrics.enrolment(OutcomeWord::TurnedAway);
            let message = format!("too many enrolments from {} in this minute", address.ip());
            return Err(later(Code::ResourceExhausted, message, after));
        }
        let mut nonce = [0; 32];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Status::internal("no random bytes"))?;
        let (answers, to_agent) = mpsc::channel(2);
        tokio::spawn(async move {
            let challenge = v1::enrol_response::Message::Challenge(v1::Challenge { nonce: nonce.to_vec() });
            if answers.send(Ok(v1::EnrolResponse { message: Some(challenge) })).await.is_err() {
                return;
            }
            let answer = match timeout(ANSWER, request.into_inner().next()).await {
                Ok(Some(Ok(asked))) => enrol(&core, &asked, &nonce).await,
                Ok(Some(Err(status))) => Err(status),
                Ok(None) => Err(Status::invalid_argument("the stream ended before the request came")),
                Err(_) => Err(Status::deadline_exceeded("the request did not come in time")),
            };
            core.metrics.enrolment(match &answer {
                Ok(_) => OutcomeWord::Ok,
                Err(status) => match status.code() {
                    Code::Unavailable | Code::Internal | Code::Aborted => OutcomeWord::NotNow,
                    Code::InvalidArgument | Code::DeadlineExceeded => OutcomeWord::Invalid,
                    _ => OutcomeWord::Refused,
                },
            });
            if let Err(status) = &answer {
                core.log.line(&format!("an enrolment from {address} came to nothing: {}", status.message()));
            }
            let answer =
                answer.map(|issued| v1::EnrolResponse { message: Some(v1::enrol_response::Message::Issued(issued)) });
            // Who asked may have gone.
            let _ = answers.send(answer).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(to_agent))))
    }
}

async fn enrol(core: &Core, asked: &v1::EnrolRequest, nonce: &[u8; 32]) -> Result<v1::Issued, Status> {
    let claim = Claim::read(asked, nonce, &core.region_certificates).map_err(|refusal| of_refusal(&refusal))?;
    let who = claim.document.instance_id.clone();
    let policy = core.aws.policy(&core.config).await.map_err(|why| not_now(&who, &why))?;
    let (described, caller) =
        tokio::join!(core.aws.describe(&core.config, &claim, &core.log), core.aws.caller(&claim, core.now()));
    let caller = caller.map_err(|refused| match refused {
        Refused::Claim(refusal) => of_refusal(&refusal),
        Refused::NotNow(why) => not_now(&who, &why),
    })?;
    for _ in 0..TRIES {
        let stored = core.store.agent(&who).await.map_err(|error| of_store(&error))?;
        match decide(stored.as_ref(), &claim, &described, caller.as_ref(), &policy, core.now()) {
            Decision::Refuse(refusal) => return Err(of_refusal(&refusal)),
            Decision::NotNow { why, after } => {
                return Err(later(Code::Unavailable, format!("{who}: {why}"), after));
            }
            Decision::Issue { record, note } => {
                let (issued, serial, not_after) = issue(core, &claim.key, &record)?;
                let record = AgentRecord { serial, not_after, ..record };
                match core.store.put_agent(&record, stored.as_ref()).await {
                    Ok(()) => {
                        core.log.line(&format!("{who} of {} enrolled: {note}", record.account_id));
                        return Ok(issued);
                    }
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => {
                        core.metrics.store_error();
                        core.log.line(&format!("{who}: {}", chain(&error)));
                        return Err(of_store(&error));
                    }
                }
            }
        }
    }
    Err(of_store(&StoreError::Conflict { instance_id: who }))
}

/// A certificate for a record's instance and a key; its serial and end.
pub(super) fn issue(
    core: &Core,
    key: &PublicKey,
    record: &AgentRecord,
) -> Result<(v1::Issued, String, Millis), Status> {
    let life = core.config.authority.certificate_life.0;
    let AgentRecord { account_id, region, instance_id, .. } = record;
    let issued =
        core.authority.issue_agent(key, account_id, region, instance_id, core.now(), life).map_err(|error| {
            core.log.line(&format!("{instance_id}: no certificate could be issued: {}", chain(&error)));
            Status::internal("no certificate could be issued")
        })?;
    let wire = v1::Issued {
        certificates: issued.chain.iter().map(|certificate| certificate.to_vec()).collect(),
        authorities: core.authority.trusted().iter().map(|certificate| certificate.to_vec()).collect(),
        valid_for_ms: u64::try_from(life.as_millis()).unwrap_or(u64::MAX),
    };
    Ok((wire, issued.serial, issued.life.not_after))
}

fn not_now(who: &str, why: &str) -> Status {
    later(Code::Unavailable, format!("{who}: {why}"), Duration::from_secs(30))
}

/// A refusal says who, what and which rule.
fn of_refusal(refusal: &Refusal) -> Status {
    let code = match refusal.kind {
        Kind::Malformed => Code::InvalidArgument,
        Kind::NotProven => Code::Unauthenticated,
        Kind::NotAllowed => Code::PermissionDenied,
        Kind::CannotTell => Code::Unavailable,
    };
    match refusal.retry_after {
        Some(after) => later(code, refusal.to_string(), after),
        None => Status::new(code, refusal.to_string()),
    }
}
