//! Periodic work: takes no input, may run twice, does not retry inside. The next tick is the retry.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::core::Core;
use super::stopped;
use crate::gather::chain;
use crate::store::Half;

pub(super) fn spawn_all(core: &Arc<Core>, serving: &mut JoinSet<()>, stop: &watch::Receiver<bool>) {
    let silent_after = core.config.reports.silent_after.0;
    // An instance is told silent at most a tenth of its time late.
    spawn(core, serving, stop, (silent_after / 10).clamp(Duration::from_secs(1), Duration::from_secs(60)), silence);
    spawn(core, serving, stop, Duration::from_hours(1), forget);
    // The coordinator's own certificate lives for weeks.
    spawn(core, serving, stop, Duration::from_hours(12), renew_tls);
}

fn spawn<F>(
    core: &Arc<Core>,
    serving: &mut JoinSet<()>,
    stop: &watch::Receiver<bool>,
    every: Duration,
    work: fn(Arc<Core>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (core, mut stop) = (Arc::clone(core), stop.clone());
    serving.spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => work(Arc::clone(&core)).await,
                () = stopped(&mut stop) => return,
            }
        }
    });
}

async fn silence(core: Arc<Core>) {
    let now = core.now();
    let hold = core.config.reports.hold;
    // Refusals tell themselves; this is for sweeps that never came.
    let unswept = core.config.sweep.as_ref().map(|sweep| (sweep.interval.0 + sweep.jitter.0) * (hold + 2));
    let halves = [(Half::Os, Some(core.config.reports.silent_after.0)), (Half::Aws, unswept)];
    for (half, after) in halves.into_iter().filter_map(|(half, after)| Some((half, after?))) {
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        match core.store.silence(half, now.saturating_sub(after), now, core.submissions.targets()).await {
            Ok(changes) => core.metrics.changes(changes.len()),
            Err(error) => {
                core.metrics.store_error();
                core.log.line(&format!("look for silent instances: {}", chain(&error)));
            }
        }
    }
}

async fn forget(core: Arc<Core>) {
    let keep = u64::try_from(core.config.store.keep.0.as_millis()).unwrap_or(u64::MAX);
    match core.store.forget(core.now().saturating_sub(keep)).await {
        Ok(0) => {}
        Ok(forgotten) => core.log.line(&format!("{forgotten} changes and reports were older than is kept")),
        Err(error) => {
            core.metrics.store_error();
            core.log.line(&format!("forget what is old: {}", chain(&error)));
        }
    }
}

async fn renew_tls(core: Arc<Core>) {
    let life = core.certificate.life();
    if core.now() < life.not_before.midpoint(life.not_after) {
        return;
    }
    if let Err(error) = super::own_certificate(&core.authority, &core.config, core.now(), Some(&core.certificate)) {
        core.log.line(&format!("renew the coordinator's own certificate: {}", chain(&error)));
    }
}
