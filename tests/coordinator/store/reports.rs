//! Which reports are stored, and what is left of them.

use super::over_both;

over_both! {
    a_report_of_nobody_of_another_key_of_a_revoked_one_or_a_replay_is_not_stored
    each_report_of_a_batch_stands_for_itself
    the_last_report_is_kept_with_when_it_was_confirmed
    a_confirmation_of_another_report_is_not_stored
    the_coordinators_own_look_needs_no_agent
    the_greatest_sequence_is_taken
    of_many_equal_sequences_at_once_one_is_stored
    what_is_old_is_forgotten_but_not_who_was_revoked
}

mod promise {
    use eic_doctor::store::{AgentRecord, AgentState, Content, Half, NotStored, SharedStore};
    use eic_doctor_proto::Status;

    use super::super::fixtures::{
        OTHER_KEY, SSHD, digest, enrolled, full, lines, looked, outcomes, record, submit, unchanged,
    };

    pub async fn a_report_of_nobody_of_another_key_of_a_revoked_one_or_a_replay_is_not_stored(store: &SharedStore) {
        let report = |sequence| full("i-1", sequence, 3_000, Status::Ok);
        assert_eq!(outcomes(store, vec![report(1)]).await, [Err(NotStored::UnknownAgent)]);
        enrolled(store, &["i-1"]).await;
        let mut other = report(1);
        other.from = Some((OTHER_KEY, 1));
        assert_eq!(outcomes(store, vec![other]).await, [Err(NotStored::OtherKey)]);
        assert_eq!(outcomes(store, vec![report(0)]).await, [Err(NotStored::Replayed { sequence: 0, last: 0 })]);
        assert_eq!(outcomes(store, vec![report(10)]).await, [Ok(())]);
        for sequence in [10, 9, 1] {
            let replayed = NotStored::Replayed { sequence, last: 10 };
            assert_eq!(outcomes(store, vec![report(sequence)]).await, [Err(replayed)]);
            assert_eq!(outcomes(store, vec![unchanged("i-1", sequence, 9_000, 10)]).await, [Err(replayed)]);
        }
        store.set_state("i-1", AgentState::Revoked, "stolen", 4_000).await.unwrap();
        assert_eq!(outcomes(store, vec![report(11)]).await, [Err(NotStored::Revoked)]);
        assert_eq!(outcomes(store, vec![unchanged("i-1", 11, 9_000, 10)]).await, [Err(NotStored::Revoked)]);
        let kept = store.last_report("i-1", Half::Os).await.unwrap().unwrap();
        assert_eq!((kept.digest, kept.confirmed_at), (digest(10), 3_000));
        assert_eq!(store.agent("i-1").await.unwrap().unwrap().sequence, 10);
    }

    pub async fn each_report_of_a_batch_stands_for_itself(store: &SharedStore) {
        enrolled(store, &["i-1", "i-2", "i-3"]).await;
        store.set_state("i-3", AgentState::Revoked, "stolen", 1).await.unwrap();
        let batch = vec![
            full("i-2", 5, 3_000, Status::Ok),
            full("i-9", 1, 3_000, Status::Ok),
            full("i-1", 2, 3_000, Status::Ok),
            full("i-1", 1, 3_000, Status::Ok),
            unchanged("i-1", 3, 3_100, 2),
            full("i-3", 1, 3_000, Status::Ok),
            unchanged("i-2", 6, 3_200, 4),
            full("i-2", 5, 3_000, Status::Ok),
            full("i-1", 4, 3_300, Status::Ok),
        ];
        let expected = [
            Ok(()),
            Err(NotStored::UnknownAgent),
            Ok(()),
            Err(NotStored::Replayed { sequence: 1, last: 2 }),
            Ok(()),
            Err(NotStored::Revoked),
            Err(NotStored::OtherDigest),
            Err(NotStored::Replayed { sequence: 5, last: 5 }),
            Ok(()),
        ];
        assert_eq!(outcomes(store, batch).await, expected);
        let kept = store.last_report("i-1", Half::Os).await.unwrap().unwrap();
        assert_eq!((kept.report, kept.digest), (b"report 4".to_vec(), digest(4)));
        assert_eq!(store.agent("i-2").await.unwrap().unwrap().sequence, 5);
        assert_eq!(outcomes(store, Vec::new()).await, []);
    }

    pub async fn the_last_report_is_kept_with_when_it_was_confirmed(store: &SharedStore) {
        enrolled(store, &["i-1"]).await;
        assert!(store.last_report("i-1", Half::Os).await.unwrap().is_none());
        let mut large = full("i-1", 1, 3_000, Status::Ok);
        let bytes: Vec<u8> = (0..1 << 20).map(|n: u32| n.to_le_bytes()[n as usize % 3]).collect();
        if let Content::Full { report, .. } = &mut large.content {
            *report = bytes.clone();
        }
        assert_eq!(outcomes(store, vec![large]).await, [Ok(())]);
        assert_eq!(outcomes(store, vec![unchanged("i-1", 2, 4_000, 1)]).await, [Ok(())]);
        let kept = store.last_report("i-1", Half::Os).await.unwrap().unwrap();
        assert!(kept.report == bytes, "the bytes are others");
        assert_eq!((kept.received_at, kept.confirmed_at, kept.digest), (3_000, 4_000, digest(1)));
        let agent = store.agent("i-1").await.unwrap().unwrap();
        assert_eq!((agent.sequence, agent.last_seen), (2, Some(4_000)));
        assert!(store.last_report("i-1", Half::Aws).await.unwrap().is_none());
    }

    pub async fn a_confirmation_of_another_report_is_not_stored(store: &SharedStore) {
        enrolled(store, &["i-1"]).await;
        let first = vec![unchanged("i-1", 1, 3_000, 1)];
        assert_eq!(outcomes(store, first).await, [Err(NotStored::OtherDigest)]);
        assert_eq!(outcomes(store, vec![full("i-1", 1, 3_000, Status::Ok)]).await, [Ok(())]);
        let other = vec![unchanged("i-1", 2, 4_000, 7)];
        assert_eq!(outcomes(store, other).await, [Err(NotStored::OtherDigest)]);
        // It was not stored, so its sequence is free.
        assert_eq!(outcomes(store, vec![unchanged("i-1", 2, 5_000, 1)]).await, [Ok(())]);
    }

    pub async fn the_coordinators_own_look_needs_no_agent(store: &SharedStore) {
        assert_eq!(outcomes(store, vec![looked("i-1", 3_000, Status::Ok)]).await, [Ok(())]);
        assert_eq!(outcomes(store, vec![looked("i-1", 3_000, Status::Ok)]).await, [Ok(())]);
        let kept = store.last_report("i-1", Half::Aws).await.unwrap().unwrap();
        assert_eq!((kept.report, kept.instance_id), (b"aws".to_vec(), "i-1".to_owned()));
        assert_eq!(store.agents(None, 10).await.unwrap(), []);
    }

    pub async fn the_greatest_sequence_is_taken(store: &SharedStore) {
        enrolled(store, &["i-1"]).await;
        let report = |sequence| full("i-1", sequence, 3_000, Status::Ok);
        let half = u64::MAX / 2;
        let batch = vec![report(half), report(half + 1), report(half), report(u64::MAX), report(u64::MAX)];
        let expected = [
            Ok(()),
            Ok(()),
            Err(NotStored::Replayed { sequence: half, last: half + 1 }),
            Ok(()),
            Err(NotStored::Replayed { sequence: u64::MAX, last: u64::MAX }),
        ];
        assert_eq!(outcomes(store, batch).await, expected);
        assert_eq!(store.agent("i-1").await.unwrap().unwrap().sequence, u64::MAX);
        let last = NotStored::Replayed { sequence: 1, last: u64::MAX };
        assert_eq!(outcomes(store, vec![report(1)]).await, [Err(last)]);
    }

    pub async fn of_many_equal_sequences_at_once_one_is_stored(store: &SharedStore) {
        enrolled(store, &["i-1"]).await;
        let mut tasks = tokio::task::JoinSet::new();
        for sequence in (1..=20).flat_map(|sequence| [sequence; 8]) {
            let store = store.clone();
            tasks.spawn(
                async move { (sequence, outcomes(&store, vec![full("i-1", sequence, 3_000, Status::Ok)]).await) },
            );
        }
        let mut stored = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (sequence, outcome) = done.unwrap();
            stored.extend(outcome[0].is_ok().then_some(sequence));
        }
        stored.sort_unstable();
        let many = stored.len();
        stored.dedup();
        assert_eq!(stored.len(), many, "a sequence was stored twice: {stored:?}");
        assert_eq!(stored.last(), Some(&20));
    }

    pub async fn what_is_old_is_forgotten_but_not_who_was_revoked(store: &SharedStore) {
        enrolled(store, &["i-old", "i-new"]).await;
        for (at, status) in [(1_000, Status::Ok), (1_100, Status::Fail), (1_200, Status::Fail)] {
            let batch = vec![full("i-old", at, at, status), looked("i-gone", at, status)];
            store.submit(batch, 2, &["hook".to_owned()]).await.unwrap();
        }
        store.set_state("i-old", AgentState::Revoked, "stolen", 1_300).await.unwrap();
        submit(store, vec![full("i-new", 1, 9_000, Status::Ok)]).await;
        assert_eq!(store.changes(None, 0, 10).await.unwrap().len(), 2);
        assert_eq!(store.forget(1_200).await.unwrap(), 0, "what is as old as that is not older");
        assert!(store.forget(5_000).await.unwrap() > 0);
        assert_eq!(lines(&store.changes(None, 0, 10).await.unwrap()), [""; 0]);
        assert_eq!(store.due_deliveries(9_999, 10_000, 10).await.unwrap().len(), 0);
        for (id, half) in [("i-old", Half::Os), ("i-gone", Half::Aws)] {
            assert!(store.last_report(id, half).await.unwrap().is_none(), "{id}");
        }
        assert!(store.last_report("i-new", Half::Os).await.unwrap().is_some());
        let old = store.agent("i-old").await.unwrap().unwrap();
        assert_eq!((old.state, old.sequence), (AgentState::Revoked, 1_200));
        assert_eq!(store.forget(5_000).await.unwrap(), 0, "there is nothing left to forget");
        // Allowed again, it is heard as before, replays are not, and it has to tell all anew.
        let enrolled = AgentRecord { state: AgentState::Enrolled, ..old.clone() };
        store.put_agent(&enrolled, Some(&old)).await.unwrap();
        let batch = vec![unchanged("i-old", 1_201, 9_000, 1_200), full("i-old", 1_100, 9_000, Status::Fail)];
        let replayed = NotStored::Replayed { sequence: 1_100, last: 1_200 };
        assert_eq!(outcomes(store, batch).await, [Err(NotStored::OtherDigest), Err(replayed)]);
        let told = submit(store, vec![full("i-old", 1_201, 9_000, Status::Fail)]).await.remove(0).unwrap();
        assert_eq!(lines(&told), [""; 0], "drift is counted from here: {SSHD}");
        assert_eq!(record("i-old").key, old.key);
    }
}
