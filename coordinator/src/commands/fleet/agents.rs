//! The inside of instances, as their agents told a coordinator last.

use std::cell::RefCell;
use std::collections::HashMap;

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::wire::v1;
use eic_doctor_proto::{Fact, visible};
use futures_util::StreamExt as _;
use tonic::Code;

use crate::gather::fleet::{FromOutside, Inside, reported};
use crate::operator::Client;

/// Reports that are asked for at the same time.
const AT_ONCE: usize = 16;

pub(super) struct Agents {
    /// None: nobody named a coordinator.
    client: Option<Client>,
    /// When each agent confirmed what it found, until its instance is judged.
    confirmed: RefCell<HashMap<String, u64>>,
}

impl Agents {
    pub(super) fn of(client: Option<Client>) -> Self {
        Self { client, confirmed: RefCell::default() }
    }

    pub(super) fn are_asked(&self) -> bool {
        self.client.is_some()
    }

    /// When what the agent found was confirmed last, in milliseconds since 1970.
    pub(super) fn take_time(&self, instance_id: &str) -> Option<u64> {
        self.confirmed.borrow_mut().remove(instance_id)
    }

    async fn of_one(&self, client: &Client, id: &str) -> Fact<OsFacts> {
        let request = v1::AgentRequest { instance_id: id.to_owned(), why: String::new() };
        match client.clone().last_report(request).await {
            Ok(report) => {
                let report = report.into_inner();
                self.confirmed.borrow_mut().insert(id.to_owned(), report.confirmed_at_ms);
                reported(report.report, report.silent, report.confirmed_at_ms)
            }
            Err(status) if status.code() == Code::NotFound => {
                Fact::unreadable("no agent of the instance has reported to the coordinator")
            }
            Err(status) => Fact::unreadable(format!("the coordinator: {}", visible(status.message()))),
        }
    }
}

impl Inside for Agents {
    async fn of_page(&self, ids: &[String]) -> Vec<Fact<OsFacts>> {
        let Some(client) = &self.client else { return FromOutside.of_page(ids).await };
        futures_util::stream::iter(ids).map(|id| self.of_one(client, id)).buffered(AT_ONCE).collect().await
    }
}
