//! What the coordinator asks AWS to hand on: changes to EventBridge and to SNS.

use super::operations::operations;
use super::refused::Answer;

operations! {
    /// What telling of a change asks of AWS, beside the operations that look.
    Tell, TELL_ACTIONS;
    /// One event. Its bus is named, or given by its ARN.
    "events:PutEvents" PutEvents::put_events(bus: &str, event: &Event) -> ();
    "sns:Publish" Publish::publish(topic_arn: &str, message: &Message) -> ();
}

/// An entry of `PutEvents`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub source: String,
    pub detail_type: String,
    /// JSON.
    pub detail: String,
}

/// What is published to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// At most 99 printable ASCII characters.
    pub subject: String,
    pub text: String,
    /// Of a FIFO topic: messages of one group come in order.
    pub group: String,
    /// Of a FIFO topic: the same within five minutes is the same message.
    pub deduplication: String,
    /// For filters of subscriptions.
    pub attributes: Vec<(String, String)>,
}
