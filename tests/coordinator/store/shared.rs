//! Two coordinators on one PostgreSQL, and two on one file.

use std::collections::BTreeSet;

use eic_doctor::store::{StoreError, open};
use eic_doctor_proto::Status;
use tokio::task::JoinSet;

use super::Place;
use super::fixtures::{enrolled, full, line, outcomes, unchanged};

#[tokio::test]
async fn a_message_reaches_the_subscribers_of_every_coordinator() {
    let first = Place::postgres().await;
    let second = open(&first.url).await.unwrap();
    let (mut here, mut there) = (first.store.subscribe().await.unwrap(), second.subscribe().await.unwrap());
    first.store.publish("check i-1").await.unwrap();
    second.publish("check i-2").await.unwrap();
    for subscriber in [&mut here, &mut there] {
        let heard = [subscriber.recv().await.unwrap(), subscriber.recv().await.unwrap()];
        assert_eq!(heard, ["check i-1", "check i-2"]);
    }
    let elsewhere = Place::postgres().await;
    let mut other = elsewhere.store.subscribe().await.unwrap();
    first.store.publish("check i-3").await.unwrap();
    elsewhere.store.publish("of its own").await.unwrap();
    assert_eq!(other.recv().await.unwrap(), "of its own", "another database is another fleet");
}

#[tokio::test]
async fn no_delivery_is_given_to_two_coordinators() {
    let first = Place::postgres().await;
    let second = open(&first.url).await.unwrap();
    let ids: Vec<String> = (0..200).map(|n| format!("i-{n:03}")).collect();
    enrolled(&first.store, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (sequence, status) in [(1, Status::Ok), (2, Status::Fail)] {
        let batch = ids.iter().map(|id| full(id, sequence, sequence, status)).collect();
        first.store.submit(batch, 1, &["hook".to_owned()]).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for store in [&first.store, &second].into_iter().cycle().take(8) {
        let store = store.clone();
        tasks.spawn(async move {
            let mut own = Vec::new();
            loop {
                let due = store.due_deliveries(10, 1_000, 7).await.unwrap();
                // Others may have had in hand what was due: nothing is left only where nobody took anything.
                if due.is_empty() {
                    return own;
                }
                own.extend(due.into_iter().map(|one| one.change.number));
            }
        });
    }
    let mut given = Vec::new();
    while let Some(own) = tasks.join_next().await {
        given.extend(own.unwrap());
    }
    given.extend(first.store.due_deliveries(10, 1_000, 200).await.unwrap().into_iter().map(|one| one.change.number));
    assert_eq!(given.len(), 200);
    assert_eq!(given.into_iter().collect::<BTreeSet<_>>().len(), 200);
}

#[tokio::test]
async fn reports_of_the_same_instances_at_two_coordinators_are_stored_once_and_in_any_order_without_end() {
    let first = Place::postgres().await;
    let second = open(&first.url).await.unwrap();
    let ids: Vec<String> = (0..30).map(|n| format!("i-{n:03}")).collect();
    enrolled(&first.store, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut tasks = JoinSet::new();
    for (index, store) in [&first.store, &second].into_iter().cycle().take(6).enumerate() {
        let (store, mut ids) = (store.clone(), ids.clone());
        // The rows that one takes first, another takes last.
        if index % 2 == 0 {
            ids.reverse();
        }
        tasks.spawn(async move {
            let mut stored = Vec::new();
            for sequence in 1..=10 {
                let batch = ids.iter().map(|id| full(id, sequence, sequence, Status::Ok)).collect();
                let answers = outcomes(&store, batch).await;
                let new = ids.iter().zip(answers).filter(|(_, answer)| answer.is_ok());
                stored.extend(new.map(|(id, _)| (id.clone(), sequence)));
            }
            stored
        });
    }
    let mut stored = Vec::new();
    while let Some(own) = tasks.join_next().await {
        stored.extend(own.unwrap());
    }
    let each: BTreeSet<_> = stored.iter().cloned().collect();
    assert_eq!(each.len(), stored.len(), "a report was stored twice");
    for id in &ids {
        assert_eq!(second.agent(id).await.unwrap().unwrap().sequence, 10);
        assert!(each.contains(&(id.clone(), 10)));
    }
}

#[tokio::test]
async fn a_replay_at_the_other_coordinator_is_seen() {
    let first = Place::postgres().await;
    let second = open(&first.url).await.unwrap();
    enrolled(&first.store, &["i-1"]).await;
    assert_eq!(outcomes(&first.store, vec![full("i-1", 7, 1, Status::Ok)]).await, [Ok(())]);
    assert!(outcomes(&second, vec![full("i-1", 7, 2, Status::Fail)]).await[0].is_err());
    assert_eq!(outcomes(&second, vec![unchanged("i-1", 8, 3, 7)]).await, [Ok(())]);
}

/// A reader that goes on from the last number that it saw would never see a smaller one that is committed later.
#[tokio::test]
async fn whoever_reads_changes_as_they_come_misses_none() {
    let first = Place::postgres().await;
    let second = open(&first.url).await.unwrap();
    let ids: Vec<String> = (0..8).map(|n| format!("i-{n}")).collect();
    enrolled(&first.store, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut writers = JoinSet::new();
    for (id, store) in ids.iter().zip([&first.store, &second].into_iter().cycle()) {
        let (store, id) = (store.clone(), id.clone());
        writers.spawn(async move {
            for sequence in 1..=40 {
                let status = if sequence % 2 == 0 { Status::Fail } else { Status::Ok };
                store.submit(vec![full(&id, sequence, sequence, status)], 1, &[]).await.unwrap();
            }
        });
    }
    let (mut after, mut seen) = (0, Vec::new());
    let mut is_over = false;
    loop {
        let page = second.changes(None, after, 5).await.unwrap();
        match page.last() {
            Some(last) => after = last.number,
            None if is_over => break,
            None => tokio::task::yield_now().await,
        }
        seen.extend(page.iter().map(line));
        while let Some(done) = writers.try_join_next() {
            done.unwrap();
        }
        is_over = writers.is_empty();
    }
    assert_eq!(seen.len(), 8 * 39);
}

#[tokio::test]
async fn a_file_is_for_one_coordinator_and_free_when_that_has_gone() {
    let first = Place::sqlite().await;
    let refused = open(&first.url).await.err().unwrap();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    enrolled(&first.store, &["i-1"]).await;
    let Place { store, url, _folder } = first;
    drop(store);
    let again = open(&url).await.unwrap();
    assert!(again.agent("i-1").await.unwrap().is_some());
}
