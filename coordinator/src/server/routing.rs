//! A check on demand finds the coordinator that holds the agent's stream: this one, or another on the same store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, oneshot, watch};

use super::core::Core;
use super::live::AskError;
use super::packed::{packed, unpacked};
use super::stopped;
use crate::gather::chain;

/// The way to an agent and back.
const GRACE: Duration = Duration::from_secs(5);
/// Milliseconds that an answer waits for who asked.
const KEPT: u64 = 60_000;

/// What coordinators tell each other through the store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Message {
    Ask {
        request: String,
        to: String,
        from: String,
        instance_id: String,
        attempt: Attempt,
        budget_ms: u64,
    },
    /// The report is in the store under the request's name; or why there is none.
    Answered {
        request: String,
        to: String,
        failed: Option<String>,
    },
    Revoked {
        instance_id: String,
    },
}

/// Questions to other coordinators that are open.
#[derive(Default)]
pub(super) struct Open(Mutex<HashMap<String, oneshot::Sender<Result<(), String>>>>);

/// That the streams of an instance end, wherever they are.
pub(super) fn revoked(instance_id: &str) -> String {
    text(&Message::Revoked { instance_id: instance_id.to_owned() })
}

fn text(message: &Message) -> String {
    // Strings and numbers only: they are always JSON.
    serde_json::to_string(message).unwrap_or_default()
}

/// The report of a check that the instance's agent makes now.
pub(super) async fn ask(
    core: &Core,
    instance_id: &str,
    attempt: &Attempt,
    budget: Duration,
) -> Result<v1::AgentReport, AskError> {
    match core.live.ask(instance_id, attempt, budget, budget + GRACE).await {
        Err(AskError::NotHere(_)) => {}
        asked => return asked.map(|(report, _)| report),
    }
    let not_here = || AskError::NotHere(instance_id.to_owned());
    let record = core.store.agent(instance_id).await.map_err(|error| {
        core.log.line(&chain(&error));
        not_here()
    })?;
    let to = record.and_then(|record| record.connected_to).filter(|to| *to != core.id).ok_or_else(not_here)?;
    elsewhere(core, instance_id, attempt, budget, to).await
}

async fn elsewhere(
    core: &Core,
    instance_id: &str,
    attempt: &Attempt,
    budget: Duration,
    to: String,
) -> Result<v1::AgentReport, AskError> {
    let request = super::random_name();
    let (answer, answered) = oneshot::channel();
    core.open.insert(request.clone(), answer);
    let message = Message::Ask {
        request: request.clone(),
        to,
        from: core.id.clone(),
        instance_id: instance_id.to_owned(),
        attempt: attempt.clone(),
        budget_ms: u64::try_from(budget.as_millis()).unwrap_or(u64::MAX),
    };
    let published = core.store.publish(&text(&message)).await;
    let answered = match published {
        Ok(()) => tokio::time::timeout(budget + 2 * GRACE, answered).await,
        Err(error) => {
            core.log.line(&chain(&error));
            core.open.remove(&request);
            return Err(AskError::Gone);
        }
    };
    core.open.remove(&request);
    match answered {
        Ok(Ok(Ok(()))) => {
            let report = core.store.take_answer(&request).await.map_err(|error| {
                core.log.line(&chain(&error));
                AskError::Gone
            })?;
            report.and_then(|report| unpacked(&report)).ok_or(AskError::Gone)
        }
        Ok(Ok(Err(why))) => Err(AskError::Elsewhere(why)),
        Ok(Err(_)) => Err(AskError::Gone),
        Err(_) => Err(AskError::Late(budget + 2 * GRACE)),
    }
}

/// Hears what other coordinators ask of this one, until `stop`.
pub(super) async fn listen(core: Arc<Core>, mut heard: broadcast::Receiver<String>, mut stop: watch::Receiver<bool>) {
    loop {
        let message = tokio::select! {
            message = heard.recv() => message,
            () = stopped(&mut stop) => return,
        };
        let message = match message {
            Ok(message) => message,
            // Who asked waits no longer than the check's time.
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                core.log.line(&format!("{missed} messages of other coordinators were missed"));
                continue;
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        match serde_json::from_str(&message) {
            Ok(Message::Ask { request, to, from, instance_id, attempt, budget_ms }) if to == core.id => {
                let core = Arc::clone(&core);
                tokio::spawn(async move {
                    let budget = Duration::from_millis(budget_ms);
                    let asked = core.live.ask(&instance_id, &attempt, budget, budget + GRACE).await;
                    let failed = match asked {
                        Ok((report, _)) => {
                            use prost::Message as _;
                            let (now, report) = (core.now(), packed(&report.encode_to_vec()));
                            let put = core.store.put_answer(&request, &report, now, now + KEPT).await;
                            put.err().map(|error| chain(&error))
                        }
                        Err(error) => Some(error.to_string()),
                    };
                    if let Err(error) =
                        core.store.publish(&text(&Message::Answered { request, to: from, failed })).await
                    {
                        core.log.line(&chain(&error));
                    }
                });
            }
            Ok(Message::Answered { request, to, failed }) if to == core.id => core.open.answer(&request, failed),
            Ok(Message::Revoked { instance_id }) => core.live.end(&instance_id),
            Ok(Message::Ask { .. } | Message::Answered { .. }) => {}
            Err(error) => core.log.line(&format!("a message of another coordinator cannot be read: {error}")),
        }
    }
}

impl Open {
    fn insert(&self, request: String, answer: oneshot::Sender<Result<(), String>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(request, answer);
    }

    fn remove(&self, request: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(request);
    }

    fn answer(&self, request: &str, failed: Option<String>) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(request);
        if let Some(open) = open {
            // Who asked may have gone.
            let _ = open.send(failed.map_or(Ok(()), Err));
        }
    }
}
