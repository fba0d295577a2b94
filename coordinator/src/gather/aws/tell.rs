//! EventBridge and SNS.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_types::SdkConfig;

use crate::gather::CallLog;
use crate::gather::refused::{Answer, Refused, RefusedKind};
use crate::gather::tell::{Event, Message, Publish, PutEvents};

/// The clients of one Region.
#[derive(Clone, Debug)]
pub struct Teller {
    eventbridge: aws_sdk_eventbridge::Client,
    sns: aws_sdk_sns::Client,
    log: CallLog,
}

impl Teller {
    pub fn new(config: &SdkConfig, log: CallLog) -> Self {
        let eventbridge = aws_sdk_eventbridge::Client::new(config);
        Self { eventbridge, sns: aws_sdk_sns::Client::new(config), log }
    }

    fn log<T>(&self, action: &'static str, answer: Answer<T>) -> Answer<T> {
        let outcome = answer.as_ref().err().map_or("ok", |refused| refused.code.as_deref().unwrap_or("failed"));
        self.log.start(action).end(outcome);
        answer
    }
}

impl PutEvents for Teller {
    async fn put_events(&self, bus: &str, event: &Event) -> Answer<()> {
        const ACTION: &str = <Teller as PutEvents>::ACTION;
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source(&event.source)
            .detail_type(&event.detail_type)
            .detail(&event.detail)
            .build();
        let sent = Box::pin(self.eventbridge.put_events().entries(entry).send());
        let answer = sent.await.map_err(|error| Refused::of(ACTION, &error)).and_then(|answer| {
            // EventBridge says that all is well and names in the entry what is not.
            let refused = answer.entries().iter().find_map(|entry| Some((entry.error_code()?, entry.error_message())));
            match refused {
                Some((code, message)) => Err(Refused::from_code(ACTION, code, message.unwrap_or_default())),
                None if answer.failed_entry_count() > 0 || answer.entries().is_empty() => {
                    Err(Refused::new(ACTION, RefusedKind::Ill, "the event was not taken, and no reason given"))
                }
                None => Ok(()),
            }
        });
        self.log(ACTION, answer)
    }
}

impl Publish for Teller {
    async fn publish(&self, topic_arn: &str, message: &Message) -> Answer<()> {
        const ACTION: &str = <Teller as Publish>::ACTION;
        let mut request = self.sns.publish().topic_arn(topic_arn).subject(&message.subject).message(&message.text);
        if topic_arn.ends_with(".fifo") {
            request = request.message_group_id(&message.group).message_deduplication_id(&message.deduplication);
        }
        for (name, value) in &message.attributes {
            // The only thing that can be missing is the type, which is given.
            if let Ok(value) = MessageAttributeValue::builder().data_type("String").string_value(value).build() {
                request = request.message_attributes(name, value);
            }
        }
        let answer = Box::pin(request.send()).await.map(drop).map_err(|error| Refused::of(ACTION, &error));
        self.log(ACTION, answer)
    }
}
