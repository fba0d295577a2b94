//! `OperatorService`: what operators may see, ask for and forbid.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1;
use eic_doctor_proto::wire::v1::operator_service_server::OperatorService;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::config::Role;
use super::core::Core;
use super::on_demand;
use super::packed::unpacked;
use super::peer::Operator;
use super::status::of_store;
use super::wire::{agent, change};
use crate::gather::chain;
use crate::store::{AgentState, DeadLetter, Half, StoreError};

const PAGE: u32 = 1_000;
/// What an instance is given for a check on demand at most.
const MOST: Duration = Duration::from_secs(60);
/// Between two looks for changes of other coordinators' agents: the database tells of our own at once.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Operators(pub Arc<Core>);

type Changes = Pin<Box<dyn Stream<Item = Result<v1::DriftChange, Status>> + Send>>;

#[tonic::async_trait]
impl OperatorService for Operators {
    type WatchDriftStream = Changes;

    async fn list_agents(
        &self,
        request: Request<v1::ListAgentsRequest>,
    ) -> Result<Response<v1::ListAgentsResponse>, Status> {
        Operator::needed(&request, Role::Read)?;
        let request = request.into_inner();
        let limit = page(request.page_size)?;
        let after = (!request.page_token.is_empty()).then_some(request.page_token.as_str());
        let records = self.0.store.agents(after, limit).await.map_err(|error| self.ill(&error))?;
        let is_last = records.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        let next = records.last().filter(|_| !is_last).map(|record| record.instance_id.clone());
        Ok(Response::new(v1::ListAgentsResponse {
            agents: records.into_iter().map(agent).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn show_agent(&self, request: Request<v1::AgentRequest>) -> Result<Response<v1::Agent>, Status> {
        Operator::needed(&request, Role::Read)?;
        let id = request.into_inner().instance_id;
        let record = on_demand::record(&self.0, &id).await?;
        let halves = super::halves::of(&self.0.store, &id).await.map_err(|error| self.ill(&error))?;
        Ok(Response::new(v1::Agent { halves, ..agent(record) }))
    }

    async fn revoke_agent(&self, request: Request<v1::AgentRequest>) -> Result<Response<v1::Agent>, Status> {
        let operator = Operator::needed(&request, Role::Admin)?.name.clone();
        let request = request.into_inner();
        let revoked = self.set_state(&request, AgentState::Revoked, &operator).await?;
        self.0.live.end(&request.instance_id);
        // A stream at another coordinator ends there; each report asks the record anyway.
        if let Err(error) = self.0.store.publish(&super::routing::revoked(&request.instance_id)).await {
            self.ill(&error);
        }
        Ok(Response::new(revoked))
    }

    async fn allow_agent_again(&self, request: Request<v1::AgentRequest>) -> Result<Response<v1::Agent>, Status> {
        let operator = Operator::needed(&request, Role::Admin)?.name.clone();
        let request = request.into_inner();
        self.set_state(&request, AgentState::AllowedAgain, &operator).await.map(Response::new)
    }

    async fn check_instance(
        &self,
        request: Request<v1::InstanceCheckRequest>,
    ) -> Result<Response<v1::InstanceReport>, Status> {
        let operator = Operator::needed(&request, Role::Check)?.name.clone();
        let request = request.into_inner();
        let attempt = request.attempt.ok_or_else(|| Status::invalid_argument("`attempt` is missing"))?;
        let attempt = Attempt::try_from(attempt).map_err(|error| Status::invalid_argument(chain(&error)))?;
        let budget = match request.budget_ms {
            0 => on_demand::BUDGET,
            millis => Duration::from_millis(millis).min(MOST),
        };
        let id = request.instance_id;
        let report = on_demand::check(&self.0, &operator, &id, &attempt, budget).await?;
        let now = self.0.now();
        Ok(Response::new(v1::InstanceReport {
            instance_id: id,
            report: Some(report),
            received_at_ms: now,
            confirmed_at_ms: now,
            silent: false,
        }))
    }

    async fn last_report(&self, request: Request<v1::AgentRequest>) -> Result<Response<v1::InstanceReport>, Status> {
        Operator::needed(&request, Role::Read)?;
        let id = request.into_inner().instance_id;
        let stored = self.0.store.last_report(&id, Half::Os).await.map_err(|error| self.ill(&error))?;
        let stored = stored.ok_or_else(|| Status::not_found(format!("no report of {id} is stored")))?;
        let report = unpacked(&stored.report)
            .ok_or_else(|| Status::data_loss(format!("the stored report of {id} is damaged")))?;
        Ok(Response::new(v1::InstanceReport {
            instance_id: id,
            report: Some(report),
            received_at_ms: stored.received_at,
            confirmed_at_ms: stored.confirmed_at,
            silent: stored.is_silent,
        }))
    }

    async fn list_drift(&self, request: Request<v1::DriftRequest>) -> Result<Response<v1::DriftResponse>, Status> {
        Operator::needed(&request, Role::Read)?;
        let request = request.into_inner();
        let limit = page(request.limit)?;
        let changes = self.0.store.changes(request.instance_id.as_deref(), request.after, limit).await;
        let changes = changes.map_err(|error| self.ill(&error))?.into_iter().map(change).collect();
        Ok(Response::new(v1::DriftResponse { changes }))
    }

    async fn list_undelivered(
        &self,
        request: Request<v1::UndeliveredRequest>,
    ) -> Result<Response<v1::UndeliveredResponse>, Status> {
        Operator::needed(&request, Role::Read)?;
        let letters = self.0.store.dead_letters(request.into_inner().number, PAGE).await;
        let letters = letters.map_err(|error| self.ill(&error))?;
        let undelivered = letters.into_iter().map(|DeadLetter { delivery, why }| v1::Undelivered {
            change: Some(change(delivery.change)),
            target: delivery.target,
            tried: delivery.tried,
            why,
        });
        Ok(Response::new(v1::UndeliveredResponse { undelivered: undelivered.collect() }))
    }

    async fn retry_undelivered(
        &self,
        request: Request<v1::UndeliveredRequest>,
    ) -> Result<Response<v1::RetryUndeliveredResponse>, Status> {
        let operator = Operator::needed(&request, Role::Admin)?.name.clone();
        let revived = self.0.store.revive(request.into_inner().number, self.0.now()).await;
        let count = revived.map_err(|error| self.ill(&error))?;
        self.0.log.line(&format!("{operator} has {count} changes told again that were given up"));
        Ok(Response::new(v1::RetryUndeliveredResponse { count }))
    }

    async fn watch_drift(
        &self,
        request: Request<v1::DriftRequest>,
    ) -> Result<Response<Self::WatchDriftStream>, Status> {
        Operator::needed(&request, Role::Read)?;
        let request = request.into_inner();
        let core = Arc::clone(&self.0);
        let (changes, to_operator) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut after = request.after;
            loop {
                let found = match core.store.changes(request.instance_id.as_deref(), after, PAGE).await {
                    Ok(found) => found,
                    Err(error) => {
                        core.metrics.store_error();
                        let _ = changes.send(Err(of_store(&error))).await;
                        return;
                    }
                };
                for found in found {
                    after = found.number;
                    if changes.send(Ok(change(found))).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = changes.closed() => return,
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(to_operator))))
    }
}

impl Operators {
    fn ill(&self, error: &StoreError) -> Status {
        self.0.ill(error);
        of_store(error)
    }

    async fn set_state(
        &self,
        request: &v1::AgentRequest,
        state: AgentState,
        operator: &str,
    ) -> Result<v1::Agent, Status> {
        let why =
            if request.why.is_empty() { format!("by {operator}") } else { format!("by {operator}: {}", request.why) };
        let changed = self.0.store.set_state(&request.instance_id, state, &why, self.0.now()).await;
        let record = changed.map_err(|error| self.ill(&error))?;
        let record = record.ok_or_else(|| on_demand::not_enrolled(&request.instance_id))?;
        self.0.log.line(&format!(
            "{}: {} {why}",
            record.instance_id,
            match state {
                AgentState::Enrolled => "enrolled",
                AgentState::Revoked => "revoked",
                AgentState::AllowedAgain => "allowed to enrol again",
            }
        ));
        Ok(agent(record))
    }
}

fn page(asked: u32) -> Result<u32, Status> {
    match asked {
        0 => Ok(PAGE),
        1..=PAGE => Ok(asked),
        _ => Err(Status::invalid_argument(format!("a page has at most {PAGE} items"))),
    }
}
