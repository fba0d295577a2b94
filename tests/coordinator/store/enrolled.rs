//! Agents' records.

use super::over_both;

over_both! {
    a_record_comes_back_as_it_was_written
    agents_are_listed_in_the_order_of_their_ids_and_in_pages
    a_record_that_was_changed_meanwhile_is_not_overwritten
    with_the_same_key_what_reports_told_stays_and_with_another_it_begins_anew
    a_record_put_back_keeps_its_sequence
    a_state_is_changed_with_its_reason
    an_agent_that_left_is_where_it_went_to
    hostile_texts_come_back_as_they_were
    texts_that_no_database_takes_are_refused_and_nothing_is_stored
}

mod promise {
    use eic_doctor::store::{AgentRecord, AgentState, NotStored, SharedStore, StoreError};
    use eic_doctor_proto::Status;

    use super::super::fixtures::{HOSTILE, KEY, OTHER_KEY, enrolled, full, outcomes, record};

    pub async fn a_record_comes_back_as_it_was_written(store: &SharedStore) {
        assert_eq!(store.agent("i-1").await.unwrap(), None);
        let whole = AgentRecord {
            last_seen: Some(5_000),
            connected_to: Some("coordinator-1".to_owned()),
            pending_time: u64::MAX >> 1,
            ..record("i-1")
        };
        store.put_agent(&whole, None).await.unwrap();
        assert_eq!(store.agent("i-1").await.unwrap(), Some(whole));
    }

    pub async fn agents_are_listed_in_the_order_of_their_ids_and_in_pages(store: &SharedStore) {
        // Bytes decide, not a language.
        enrolled(store, &["i-b", "i-10", "i-B", "i-9", "i-a"]).await;
        let mut seen = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = store.agents(after.as_deref(), 2).await.unwrap();
            assert!(page.len() <= 2);
            let Some(last) = page.last() else { break };
            after = Some(last.instance_id.clone());
            seen.extend(page.into_iter().map(|agent| agent.instance_id));
        }
        assert_eq!(seen, ["i-10", "i-9", "i-B", "i-a", "i-b"]);
    }

    pub async fn a_record_that_was_changed_meanwhile_is_not_overwritten(store: &SharedStore) {
        let first = record("i-1");
        store.put_agent(&first, None).await.unwrap();
        let is_conflict = |written: Result<(), StoreError>| match written {
            Err(StoreError::Conflict { instance_id }) => instance_id == "i-1",
            _ => false,
        };
        let renewed = AgentRecord { serial: "0c".to_owned(), not_after: 100_000, ..first.clone() };
        assert!(is_conflict(store.put_agent(&renewed, None).await), "there is one already");
        store.put_agent(&renewed, Some(&first)).await.unwrap();
        assert!(is_conflict(store.put_agent(&renewed, Some(&first)).await), "another serial");
        store.set_state("i-1", AgentState::Revoked, "stolen", 3_000).await.unwrap();
        assert!(is_conflict(store.put_agent(&first, Some(&renewed)).await), "another state");
        let expected = AgentRecord { key: OTHER_KEY, state: AgentState::Revoked, ..renewed.clone() };
        assert!(is_conflict(store.put_agent(&first, Some(&expected)).await), "another key");
        assert_eq!(store.agent("i-1").await.unwrap().unwrap().serial, "0c");
        let nobody = record("i-2");
        let written = store.put_agent(&nobody, Some(&nobody)).await;
        assert!(matches!(written, Err(StoreError::Conflict { .. })), "there is none");
    }

    pub async fn with_the_same_key_what_reports_told_stays_and_with_another_it_begins_anew(store: &SharedStore) {
        let first = record("i-1");
        store.put_agent(&first, None).await.unwrap();
        store.set_connected("i-1", Some("c-1"), None, 3_000).await.unwrap();
        assert_eq!(outcomes(store, vec![full("i-1", 41, 4_000, Status::Ok)]).await, [Ok(())]);
        let renewed = AgentRecord { serial: "0c".to_owned(), ..first.clone() };
        store.put_agent(&renewed, Some(&first)).await.unwrap();
        let expected = AgentRecord {
            sequence: 41,
            last_seen: Some(4_000),
            connected_to: Some("c-1".to_owned()),
            ..renewed.clone()
        };
        assert_eq!(store.agent("i-1").await.unwrap(), Some(expected));
        let other = AgentRecord { key: OTHER_KEY, serial: "0d".to_owned(), ..renewed.clone() };
        store.put_agent(&other, Some(&renewed)).await.unwrap();
        assert_eq!(store.agent("i-1").await.unwrap(), Some(other));
        let mut report = full("i-1", 1, 5_000, Status::Ok);
        assert_eq!(outcomes(store, vec![report.clone()]).await, [Err(NotStored::OtherKey)]);
        report.from = Some((OTHER_KEY, 1));
        assert_eq!(outcomes(store, vec![report]).await, [Ok(())]);
        assert_eq!(store.agent("i-1").await.unwrap().unwrap().sequence, 1);
    }

    pub async fn a_record_put_back_keeps_its_sequence(store: &SharedStore) {
        let restored = AgentRecord { sequence: 900, last_seen: Some(2_500), ..record("i-1") };
        store.put_agent(&restored, None).await.unwrap();
        assert_eq!(store.agent("i-1").await.unwrap(), Some(restored));
        let replayed = NotStored::Replayed { sequence: 900, last: 900 };
        let batch = vec![full("i-1", 900, 3_000, Status::Ok), full("i-1", 901, 3_000, Status::Ok)];
        assert_eq!(outcomes(store, batch).await, [Err(replayed), Ok(())]);
    }

    pub async fn a_state_is_changed_with_its_reason(store: &SharedStore) {
        assert_eq!(store.set_state("i-1", AgentState::Revoked, "x", 1).await.unwrap(), None);
        enrolled(store, &["i-1", "i-2"]).await;
        for (state, at) in [(AgentState::Revoked, 5), (AgentState::AllowedAgain, 6), (AgentState::Enrolled, 7)] {
            let changed = store.set_state("i-1", state, "by alice", at).await.unwrap().unwrap();
            let expected = AgentRecord { state, state_why: "by alice".to_owned(), state_since: at, ..record("i-1") };
            assert_eq!(changed, expected);
            assert_eq!(store.agent("i-1").await.unwrap(), Some(expected));
        }
        assert_eq!(store.agent("i-2").await.unwrap(), Some(record("i-2")));
    }

    pub async fn an_agent_that_left_is_where_it_went_to(store: &SharedStore) {
        enrolled(store, &["i-1", "i-2", "i-3"]).await;
        let connected = async |id: &str| store.agent(id).await.unwrap().unwrap().connected_to;
        store.set_connected("i-1", Some("c-1"), None, 3_000).await.unwrap();
        store.set_connected("i-1", Some("c-2"), None, 4_000).await.unwrap();
        // The first coordinator notices late.
        store.set_connected("i-1", None, Some("c-1"), 5_000).await.unwrap();
        assert_eq!(connected("i-1").await.as_deref(), Some("c-2"));
        store.set_connected("i-1", None, Some("c-2"), 6_000).await.unwrap();
        assert_eq!(connected("i-1").await, None);
        assert_eq!(store.agent("i-1").await.unwrap().unwrap().last_seen, Some(6_000));
        store.set_connected("i-2", Some("c-1"), None, 7_000).await.unwrap();
        store.set_connected("i-3", Some("c-2"), None, 7_000).await.unwrap();
        assert_eq!(store.disconnect_all("c-1").await.unwrap(), 1);
        assert_eq!((connected("i-2").await, connected("i-3").await.as_deref()), (None, Some("c-2")));
    }

    pub async fn hostile_texts_come_back_as_they_were(store: &SharedStore) {
        let mut ids: Vec<String> = Vec::new();
        for (index, text) in HOSTILE.iter().enumerate() {
            let id = format!("{index} {text}");
            let hostile = AgentRecord {
                account_id: text.to_string(),
                region: text.to_string(),
                availability_zone: text.to_string(),
                image_id: text.to_string(),
                agent_version: text.repeat(1000),
                serial: text.to_string(),
                state_why: text.to_string(),
                connected_to: Some(text.to_string()),
                ..record(&id)
            };
            store.put_agent(&hostile, None).await.unwrap();
            assert_eq!(store.agent(&id).await.unwrap(), Some(hostile.clone()), "{text:?}");
            let changed = store.set_state(&id, AgentState::Revoked, text, 9).await.unwrap().unwrap();
            assert_eq!(changed.state_why, *text);
            let again = AgentRecord { image_id: "ami".to_owned(), ..changed.clone() };
            store.put_agent(&again, Some(&changed)).await.unwrap();
            assert_eq!(store.agent(&id).await.unwrap(), Some(again));
            ids.push(id);
        }
        let listed = store.agents(None, 100).await.unwrap();
        assert_eq!(listed.into_iter().map(|agent| agent.instance_id).collect::<Vec<_>>(), ids);
        for text in HOSTILE {
            assert_eq!(store.agent(text).await.unwrap(), None, "{text:?}");
        }
        assert_eq!(listed_key(store).await, KEY);
    }

    async fn listed_key(store: &SharedStore) -> [u8; 32] {
        store.agents(None, 1).await.unwrap()[0].key
    }

    pub async fn texts_that_no_database_takes_are_refused_and_nothing_is_stored(store: &SharedStore) {
        let long = "x".repeat(1 << 20);
        for text in ["a\0b", long.as_str()] {
            for record in [
                record(text),
                AgentRecord { agent_version: text.to_owned(), ..record("i-1") },
                AgentRecord { state_why: text.to_owned(), ..record("i-1") },
                AgentRecord { connected_to: Some(text.to_owned()), ..record("i-1") },
            ] {
                let written = store.put_agent(&record, None).await;
                assert!(matches!(written, Err(StoreError::Text { .. })), "{written:?}");
            }
            assert!(matches!(store.agent(text).await, Err(StoreError::Text { .. })));
            assert!(matches!(store.publish(text).await, Err(StoreError::Text { .. })));
            let why = store.set_state("i-1", AgentState::Revoked, text, 1).await;
            assert!(matches!(why, Err(StoreError::Text { .. })));
            let targets = store.submit(Vec::new(), 2, &[text.to_owned()]).await;
            assert!(matches!(targets, Err(StoreError::Text { .. })));
            let batch = vec![full(text, 1, 1, Status::Ok)];
            assert_eq!(outcomes(store, batch).await, [Err(NotStored::UnknownAgent)]);
        }
        assert_eq!(store.agents(None, 10).await.unwrap(), []);
    }
}
