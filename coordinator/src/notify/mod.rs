//! Tells of held changes: by webhook, to EventBridge, to SNS. What has been told and what has yet to be is the store's to know.
//!
//! Invariants: a change is told at least once to each target, and at most once unless an answer was lost; nothing of a target's answer
//! but its status comes into a report.

mod message;
mod round;
mod webhook;

use std::collections::BTreeMap;

pub use message::{LIMIT, body};
pub use round::{Told, tell_due};
pub use webhook::{SIGNATURE, TIMESTAMP, Webhook, WebhookError, sign, webhook_url};

use crate::gather::Refused;
use crate::gather::tell::{Event, Tell};
use crate::store::{Millis, StoredChange};

/// Where one target is told. `A` is AWS, or what stands for it.
#[derive(Debug)]
pub enum Channel<A> {
    Webhook(Webhook),
    EventBridge { aws: A, bus: String },
    Sns { aws: A, topic_arn: String },
}

/// By the targets' names in the configuration, which the store keeps.
pub type Targets<A> = BTreeMap<String, Channel<A>>;

/// Why a target was not told of a change.
#[derive(Debug, thiserror::Error)]
pub enum NotTold {
    #[error(transparent)]
    Webhook(WebhookError),
    #[error(transparent)]
    Aws(Refused),
}

impl<A: Tell> Channel<A> {
    async fn tell(&self, change: &StoredChange, at: Millis) -> Result<(), NotTold> {
        let text = body(change);
        match self {
            Self::Webhook(webhook) => webhook.post(change.number, text, at).await.map_err(NotTold::Webhook),
            Self::EventBridge { aws, bus } => {
                let detail_type = "EIC Doctor drift".to_owned();
                let event = Event { source: "eic-doctor".to_owned(), detail_type, detail: text };
                aws.put_events(bus, &event).await.map_err(NotTold::Aws)
            }
            Self::Sns { aws, topic_arn } => {
                aws.publish(topic_arn, &message::published(change, text)).await.map_err(NotTold::Aws)
            }
        }
    }
}

#[cfg(test)]
mod tests;
