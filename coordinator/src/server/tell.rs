//! The targets of the configuration, and the work that tells them of changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::aws::AwsSide;
use super::config::{Config, Target};
use super::core::Core;
use super::stopped;
use crate::gather::aws::Teller;
use crate::gather::{chain, read_regular_file};
use crate::notify::{Channel, Targets, Webhook, WebhookError, tell_due};

/// A change is told within 10 s: the database is asked for what is due far more often than that.
const EVERY: Duration = Duration::from_secs(1);
/// Bytes of a webhook's secret.
const SECRET: u64 = 4_096;

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("read the secret {path} of the target {name:?}")]
    Secret {
        name: String,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the target {name:?}")]
    Webhook {
        name: String,
        #[source]
        source: WebhookError,
    },
    #[error("the target {name:?}: {arn:?} is not an ARN of {service}, and no Region is named")]
    Arn { name: String, arn: String, service: &'static str },
    #[error("the target {name:?} needs AWS credentials, and none were found")]
    NoAws { name: String },
}

pub(super) fn targets(config: &Config, aws: &AwsSide) -> Result<Targets<Teller>, TargetError> {
    config.notify.iter().map(|target| Ok((target.name().to_owned(), channel(target, aws)?))).collect()
}

fn channel(target: &Target, aws: &AwsSide) -> Result<Channel<Teller>, TargetError> {
    let teller =
        |name: &str, region: &str| aws.teller(region).ok_or_else(|| TargetError::NoAws { name: name.to_owned() });
    match target {
        Target::Webhook { name, url, secret_file } => {
            let secret = read_regular_file(secret_file, SECRET).map_err(|source| TargetError::Secret {
                name: name.clone(),
                path: secret_file.clone(),
                source,
            })?;
            let webhook = Webhook::new(url, &secret);
            webhook.map(Channel::Webhook).map_err(|source| TargetError::Webhook { name: name.clone(), source })
        }
        Target::EventBridge { name, bus, region } => {
            let region = region.clone().or_else(|| region_of(bus, "events").map(str::to_owned));
            let arn = || TargetError::Arn { name: name.clone(), arn: bus.clone(), service: "events" };
            Ok(Channel::EventBridge { aws: teller(name, &region.ok_or_else(arn)?)?, bus: bus.clone() })
        }
        Target::Sns { name, topic } => {
            let arn = || TargetError::Arn { name: name.clone(), arn: topic.clone(), service: "sns" };
            let region = region_of(topic, "sns").ok_or_else(arn)?;
            Ok(Channel::Sns { aws: teller(name, region)?, topic_arn: topic.clone() })
        }
    }
}

/// The Region that an ARN of the service names.
fn region_of<'a>(arn: &'a str, service: &str) -> Option<&'a str> {
    match arn.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, of, region, _, ..] if *of == service && !region.is_empty() => Some(region),
        _ => None,
    }
}

pub(super) async fn tell(core: Arc<Core>, targets: Targets<Teller>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stopped(&mut stop) => return,
        }
        match tell_due(&core.store, &targets, core.now).await {
            Ok(told) => {
                core.metrics.told(told);
                if told.dead > 0 {
                    core.log.line(&format!("{} changes could not be told and are given up", told.dead));
                }
            }
            Err(error) => {
                core.metrics.store_error();
                core.log.line(&format!("tell of changes: {}", chain(&error)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::region_of;

    #[test]
    fn an_arn_names_its_region() {
        assert_eq!(region_of("arn:aws:sns:eu-west-1:111122223333:eic-doctor", "sns"), Some("eu-west-1"));
        assert_eq!(region_of("arn:aws:events:eu-west-1:111122223333:event-bus/default", "sns"), None);
        assert_eq!(region_of("default", "events"), None);
    }
}
