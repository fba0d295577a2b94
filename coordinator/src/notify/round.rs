//! One round: tells every target of what is due. Takes no input but the store, may run twice and at two coordinators at once; the next
//! round is the retry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use futures_util::future::{join_all, ready};
use futures_util::stream;

use super::{Channel, Targets};
use crate::gather::chain;
use crate::gather::tell::Tell;
use crate::store::{Delivery, Millis, SharedStore, StoreError};

/// Deliveries taken in hand at once.
const TOGETHER: u32 = 256;
/// Requests to one target at once.
const AT_ONCE: usize = 8;
/// Whoever took deliveries and died leaves them for so long.
const LEASE: Millis = 60_000;
/// A round ends then at the latest, well before the lease: what it has not come to is given back by the lease.
const ROUND: Millis = 20_000;
/// The waits after a failure: 5 s, doubled each time, at most 15 min; twelve tries in all, over more than an hour.
const FIRST_WAIT: Millis = 5_000;
const LONGEST_WAIT: Millis = 900_000;
const TRIES: u32 = 12;

/// What came of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub delivered: usize,
    /// Due again later.
    pub failed: usize,
    /// Given up, and kept as dead letters.
    pub dead: usize,
}

/// Tells of what is due until nothing is. A target that fails is not asked again in this round, and keeps no other waiting: what it has yet
/// to be told is due again with the lease's end. Called every second or so, and when a change was stored.
///
/// # Errors
///
/// The store's. What was told and could not be written is told again.
pub async fn tell_due<A: Tell>(
    store: &SharedStore,
    targets: &Targets<A>,
    now: impl Fn() -> Millis + Sync,
) -> Result<Told, StoreError> {
    let until = now() + ROUND;
    let mut told = Told::default();
    let mut down: BTreeSet<String> = BTreeSet::new();
    loop {
        let at = now();
        let due = store.due_deliveries(at, at + LEASE, TOGETHER).await?;
        let is_last = due.len() < TOGETHER as usize;
        let mut by_target: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
        for one in due.into_iter().filter(|one| !down.contains(&one.target)) {
            by_target.entry(one.target.clone()).or_default().push(one);
        }
        let each = by_target.iter().map(|(name, due)| tell_one(store, targets.get(name), due, &now, until));
        for (name, answer) in by_target.keys().zip(join_all(each).await) {
            let Told { delivered, failed, dead } = answer?;
            told.delivered += delivered;
            told.failed += failed;
            told.dead += dead;
            if failed > 0 {
                down.insert(name.clone());
            }
        }
        if is_last || now() >= until {
            return Ok(told);
        }
    }
}

/// A few at once, begun in the order of the changes. After a failure none is begun any more.
async fn tell_one<A: Tell>(
    store: &SharedStore,
    channel: Option<&Channel<A>>,
    due: &[Delivery],
    now: &(impl Fn() -> Millis + Sync),
    until: Millis,
) -> Result<Told, StoreError> {
    let is_over = AtomicBool::new(false);
    let one = async |delivery: &Delivery| -> Result<Told, StoreError> {
        let number = delivery.change.number;
        let failed = match channel {
            None => Some((None, "the configuration names no such target any more".to_owned())),
            Some(channel) => match channel.tell(&delivery.change, now()).await {
                Ok(()) => None,
                Err(error) => Some((next_try(delivery.tried, now()), chain(&error))),
            },
        };
        let Some((next, why)) = failed else {
            store.delivered(number, &delivery.target).await?;
            return Ok(Told { delivered: 1, ..Told::default() });
        };
        store.not_delivered(number, &delivery.target, &why, next).await?;
        Ok(if next.is_none() { Told { dead: 1, ..Told::default() } } else { Told { failed: 1, ..Told::default() } })
    };
    let mut under_way =
        stream::iter(due).take_while(|_| ready(!is_over.load(Ordering::Relaxed))).map(one).buffer_unordered(AT_ONCE);
    let mut told = Told::default();
    while let Some(answer) = under_way.next().await {
        let Told { delivered, failed, dead } = answer?;
        told.delivered += delivered;
        told.failed += failed;
        told.dead += dead;
        if failed > 0 || now() >= until {
            is_over.store(true, Ordering::Relaxed);
        }
    }
    Ok(told)
}

/// When a delivery that was tried so often before is due again; none: it is given up.
fn next_try(tried: u32, now: Millis) -> Option<Millis> {
    if tried + 1 >= TRIES {
        return None;
    }
    let wait = FIRST_WAIT.saturating_mul(1 << tried.min(16)).min(LONGEST_WAIT);
    Some(now + wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_double_up_to_a_quarter_of_an_hour_and_end() {
        let waits: Vec<_> = (0..TRIES).map(|tried| next_try(tried, 0).map(|at| at / 1_000)).collect();
        let expected = [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900].map(Some).into_iter().chain([None]);
        assert_eq!(waits, expected.collect::<Vec<_>>());
    }
}
