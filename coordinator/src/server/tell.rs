//! The targets of the configuration, and the work that tells them of changes.

use std::path::{Path, PathBuf};
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
    #[error("the target {name:?} needs AWS credentials, and none were found")]
    NoAws { name: String },
}

pub(super) fn targets(config: &Config, aws: &AwsSide) -> Result<Targets<Teller>, TargetError> {
    config.notify.iter().map(|target| Ok((target.name().to_owned(), channel(target, aws)?))).collect()
}

fn channel(target: &Target, aws: &AwsSide) -> Result<Channel<Teller>, TargetError> {
    // That each of AWS's names a Region was seen when the configuration was read.
    let teller = || {
        let teller = target.region().and_then(|region| aws.teller(region));
        teller.ok_or_else(|| TargetError::NoAws { name: target.name().to_owned() })
    };
    match target {
        Target::Webhook { name, url, secret_file } => webhook(name, url, secret_file).map(Channel::Webhook),
        Target::EventBridge { bus, .. } => Ok(Channel::EventBridge { aws: teller()?, bus: bus.clone() }),
        Target::Sns { topic, .. } => Ok(Channel::Sns { aws: teller()?, topic_arn: topic.clone() }),
    }
}

fn webhook(name: &str, url: &str, secret_file: &Path) -> Result<Webhook, TargetError> {
    let secret = read_regular_file(secret_file, SECRET).map_err(|source| TargetError::Secret {
        name: name.to_owned(),
        path: secret_file.to_owned(),
        source,
    })?;
    Webhook::new(url, &secret).map_err(|source| TargetError::Webhook { name: name.to_owned(), source })
}

/// Whether what the targets need besides AWS is there.
pub(super) fn check(config: &Config) -> Result<(), TargetError> {
    config.notify.iter().try_for_each(|target| match target {
        Target::Webhook { name, url, secret_file } => webhook(name, url, secret_file).map(drop),
        Target::EventBridge { .. } | Target::Sns { .. } => Ok(()),
    })
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
