//! `AgentService`: renewals, reports, and the stream of a resident agent.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use eic_doctor_proto::wire::v1;
use eic_doctor_proto::wire::v1::agent_service_server::AgentService;
use hyper::body::Incoming;
use prost::Message as _;
use ring::digest::{SHA256, digest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status, Streaming};

use super::core::{Core, JudgeError, judged};
use super::inbound::{self, Inbound};
use super::live::Place;
use super::metrics::OutcomeWord;
use super::packed::packed;
use super::peer::{Holding, Peer};
use super::status::{later, of_store, of_submit};
use super::submit::SubmitError;
use crate::attest::{Recognition, recognise, request};
use crate::authority::PeerIdentity;
use crate::store::{AgentRecord, Content, Half, NotStored, StoreError, Submission};

/// Messages that an agent may send at once, and in a second after that: a report, and answers to checks.
const BURST: f64 = 30.0;
const A_SECOND: f64 = 2.0;

pub(super) struct Agents(pub Arc<Core>);

type ToAgent = Pin<Box<dyn Stream<Item = Result<v1::CoordinatorMessage, Status>> + Send>>;
/// Boxed as in [`super::live`].
type Answers = mpsc::Sender<Result<Box<v1::CoordinatorMessage>, Status>>;

#[tonic::async_trait]
impl AgentService for Agents {
    type ConnectStream = ToAgent;

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::Issued>, Status> {
        let core = &self.0;
        let peer = Peer::of(&request)?.identity()?.clone();
        let renewed = renew(core, &peer, &request.into_inner()).await;
        core.metrics.renewal(match &renewed {
            Ok(_) => OutcomeWord::Ok,
            Err(status) if status.code() == Code::Unavailable => OutcomeWord::Failed,
            Err(_) => OutcomeWord::Refused,
        });
        renewed.map(Response::new)
    }

    async fn submit_report(
        &self,
        request: Request<v1::SubmitReportRequest>,
    ) -> Result<Response<v1::SubmitReportResponse>, Status> {
        let peer = Peer::of(&request)?.identity()?.clone();
        // A stream has been asked this when it was opened.
        standing(&self.0, &peer).await?;
        take(&self.0, &peer, request.into_inner()).await.map(Response::new)
    }

    async fn connect(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let core = Arc::clone(&self.0);
        let peer = Peer::of(&request)?;
        let holding = Holding::begin(&peer.streams);
        let peer = Arc::clone(peer.identity()?);
        let from_agent = inbound::of(&request)?;
        standing(&core, &peer).await?;
        let place = core.live.enter(&peer.instance_id, peer.key);
        core.metrics.streams(core.live.len());
        if place.displaced {
            // An agent that lost its connection comes back before we see the old one die; but so do two that share one identity.
            core.metrics.displaced();
            core.log.line(&format!("{}: a new stream took the place of the one that was open", peer.instance_id));
        }
        let now = core.now();
        if let Err(error) = core.store.set_connected(&peer.instance_id, Some(&core.id), None, now).await {
            core.live.leave(&peer.instance_id, place.number);
            return Err(of_store(&error));
        }
        core.log.line(&format!("{} connected", peer.instance_id));
        let (answers, to_agent) = mpsc::channel(4);
        tokio::spawn(async move {
            let _holding = holding;
            let number = place.number;
            let ended = converse(&core, &peer, from_agent, place, &answers).await;
            if let Err(status) = ended {
                let _ = answers.send(Err(status)).await;
            }
            if core.live.leave(&peer.instance_id, number) {
                let left = core.store.set_connected(&peer.instance_id, None, Some(&core.id), core.now()).await;
                if let Err(error) = left {
                    core.metrics.store_error();
                    core.log.line(&format!("{}: {}", peer.instance_id, crate::gather::chain(&error)));
                }
            }
            core.metrics.streams(core.live.len());
        });
        let to_agent = ReceiverStream::new(to_agent).map(|told| told.map(|message| *message));
        Ok(Response::new(Box::pin(to_agent)))
    }
}

/// Until the agent leaves, its certificate ends, or another stream takes its place.
async fn converse(
    core: &Core,
    peer: &PeerIdentity,
    mut from_agent: Inbound<Incoming>,
    mut place: Place,
    answers: &Answers,
) -> Result<(), Status> {
    let life = Duration::from_millis(peer.not_after.saturating_sub(core.now()));
    let mut end_of_life = std::pin::pin!(tokio::time::sleep(life));
    let mut may = BURST;
    let mut last = tokio::time::Instant::now();
    loop {
        tokio::select! {
            message = from_agent.next() => {
                let message = match message {
                    None => return Ok(()),
                    Some(message) => message?,
                };
                let now = tokio::time::Instant::now();
                may = (may + (now - last).as_secs_f64() * A_SECOND).min(BURST);
                last = now;
                if may < 1.0 {
                    let message = format!("{} sends more than {A_SECOND} messages a second", peer.instance_id);
                    return Err(later(Code::ResourceExhausted, message, Duration::from_secs(60)));
                }
                may -= 1.0;
                match message.message {
                    Some(v1::agent_message::Message::Report(report)) => {
                        // What takes a report is larger than all else of an idle agent: it is there only while it does.
                        let acknowledged = Box::pin(take(core, peer, report)).await?;
                        let message = v1::coordinator_message::Message::Acknowledged(acknowledged);
                        let message = Box::new(v1::CoordinatorMessage { message: Some(message) });
                        if answers.send(Ok(message)).await.is_err() {
                            return Ok(());
                        }
                    }
                    Some(v1::agent_message::Message::Answer(answer)) => {
                        core.live.answered(&peer.instance_id, place.number, answer);
                    }
                    None => return Err(Status::invalid_argument("a message holds neither a report nor an answer")),
                }
            }
            message = place.from_core.recv() => match message {
                Some(message) => {
                    if answers.send(Ok(message)).await.is_err() {
                        return Ok(());
                    }
                }
                // The table alone holds the other end.
                None => return Err(Status::aborted("the stream's place was taken, or its certificate counts no longer")),
            },
            () = end_of_life.as_mut() => {
                return Err(Status::unauthenticated(format!("the certificate {} has expired", peer.serial)));
            }
        }
    }
}

/// Whether the agent may speak at all, and its record: what each report is asked again, in the transaction that stores it.
async fn standing(core: &Core, peer: &PeerIdentity) -> Result<AgentRecord, Status> {
    let who = &peer.instance_id;
    let stored = core.store.agent(who).await.map_err(|error| ill(core, peer, &error))?;
    match recognise(stored.as_ref(), peer, core.now()) {
        Recognition::Known => stored.ok_or_else(|| Status::internal("a record that is known is there")),
        Recognition::PutBack { record, why } => {
            core.store.put_agent(&record, stored.as_ref()).await.map_err(|error| ill(core, peer, &error))?;
            core.log.line(&format!("{who}: its record was put back: {why}"));
            Ok(record)
        }
        Recognition::Revoked { why } => {
            Err(Status::permission_denied(format!("{who}: its certificate was revoked: {why}")))
        }
        Recognition::OtherKey => {
            Err(Status::permission_denied(format!("{who}: another key has enrolled for this instance since")))
        }
        Recognition::Expired => {
            Err(Status::unauthenticated(format!("{who}: the certificate {} has expired", peer.serial)))
        }
    }
}

fn ill(core: &Core, peer: &PeerIdentity, error: &StoreError) -> Status {
    core.metrics.store_error();
    core.log.line(&format!("{}: {}", peer.instance_id, crate::gather::chain(error)));
    of_store(error)
}

async fn renew(core: &Core, peer: &PeerIdentity, asked: &v1::RenewRequest) -> Result<v1::Issued, Status> {
    let stored = standing(core, peer).await?;
    let key = request::key_of(&asked.certificate_request)
        .map_err(|error| Status::invalid_argument(format!("{}: {}", peer.instance_id, crate::gather::chain(&error))))?;
    if key.id() != peer.key {
        let message = format!("{}: a renewal is for the key that enrolled; another key has to enrol", peer.instance_id);
        return Err(Status::permission_denied(message));
    }
    let (issued, serial, not_after) = super::enrol::issue(core, &key, &stored)?;
    let record = AgentRecord { serial, not_after, ..stored.clone() };
    core.store.put_agent(&record, Some(&stored)).await.map_err(|error| ill(core, peer, &error))?;
    Ok(issued)
}

/// Takes one report: checks it, judges it, and answers when it is stored.
async fn take(
    core: &Core,
    peer: &PeerIdentity,
    request: v1::SubmitReportRequest,
) -> Result<v1::SubmitReportResponse, Status> {
    let refused = |message: String| {
        core.metrics.invalid_report();
        core.log.line(&format!("a report was refused: {message}"));
        message
    };
    let content = match (request.report, request.unchanged.is_empty()) {
        (Some(report), true) => full(peer, report).map_err(|error| match error {
            JudgeError::OtherInstance { .. } => {
                Status::permission_denied(refused(format!("{} sent a report: {error}", peer.instance_id)))
            }
            JudgeError::Wire(_) => {
                Status::invalid_argument(refused(format!("{}: {}", peer.instance_id, crate::gather::chain(&error))))
            }
        })?,
        (None, false) => {
            let digest = <[u8; 32]>::try_from(request.unchanged.as_slice());
            let digest = digest.map_err(|_| {
                Status::invalid_argument(refused(format!("{}: `unchanged` is no digest of 32 bytes", peer.instance_id)))
            })?;
            Content::Unchanged(digest)
        }
        _ => {
            let message = format!("{}: a report holds either `report` or `unchanged`", peer.instance_id);
            return Err(Status::invalid_argument(refused(message)));
        }
    };
    let digest = match &content {
        Content::Full { digest, .. } | Content::NotSeen { digest, .. } | Content::Unchanged(digest) => digest.to_vec(),
    };
    let submission = Submission {
        instance_id: peer.instance_id.clone(),
        half: Half::Os,
        from: Some((peer.key, request.sequence)),
        received_at: core.now(),
        content,
    };
    let stored = core.submissions.submit(submission).await;
    let response = |digest| v1::SubmitReportResponse {
        next_report_after_ms: u64::try_from(core.interval().as_millis()).unwrap_or(u64::MAX),
        digest,
        sequence: request.sequence,
    };
    match stored {
        Ok(_) => Ok(response(digest)),
        // Not a refusal: the agent is to send it in full, now.
        Err(SubmitError::NotStored(NotStored::OtherDigest)) => {
            Ok(v1::SubmitReportResponse { next_report_after_ms: 0, ..response(Vec::new()) })
        }
        Err(error) => {
            if matches!(error, SubmitError::NotStored(_)) {
                core.log.line(&format!("a report was refused: {}: {error}", peer.instance_id));
            }
            Err(of_submit(&error, &peer.instance_id))
        }
    }
}

fn full(peer: &PeerIdentity, report: v1::AgentReport) -> Result<Content, JudgeError> {
    let packed = packed(&report.encode_to_vec());
    let results = judged(report, &peer.instance_id)?;
    let digest = <[u8; 32]>::try_from(digest(&SHA256, &packed).as_ref()).unwrap_or_default();
    Ok(Content::Full { report: packed, digest, results })
}
