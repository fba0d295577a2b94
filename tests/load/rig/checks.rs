//! An operator who asks every agent to look now.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use eic_doctor::operator::{Coordinator, connect};
use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1;
use tokio::task::JoinSet;

use super::fleet::{Waits, gathered};

/// Each of the instances, `together` at a time, over the operators' socket.
pub async fn check_all(socket: PathBuf, ids: Vec<String>, together: usize) -> Waits {
    let begin = Instant::now();
    let (ids, begun) = (Arc::new(ids), Arc::new(AtomicUsize::new(0)));
    let operator = connect(&Coordinator::Socket(socket)).await.unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..together {
        let (ids, begun, mut operator) = (Arc::clone(&ids), Arc::clone(&begun), operator.clone());
        callers.spawn(async move {
            let mut all = Vec::new();
            while let Some(id) = ids.get(begun.fetch_add(1, Ordering::Relaxed)) {
                let attempt = Attempt::usual();
                let asked = v1::InstanceCheckRequest {
                    instance_id: id.clone(),
                    attempt: Some((&attempt).into()),
                    budget_ms: 0,
                };
                let began = Instant::now();
                let answered = operator.check_instance(asked).await;
                all.push(answered.ok().and_then(|answer| answer.into_inner().report).map(|_| began.elapsed()));
            }
            all
        });
    }
    let all = callers.join_all().await;
    gathered(all.into_iter().flatten(), begin)
}
