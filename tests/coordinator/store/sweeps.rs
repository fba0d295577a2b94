//! What the coordinator's own looks need of the store.

use super::over_both;

over_both! {
    a_turn_is_one_coordinators_until_it_is_over
    of_many_that_ask_at_once_one_has_the_turn
    a_look_that_could_not_be_made_confirms_nothing_and_is_told_once
    what_can_no_longer_be_looked_at_is_counted_as_unknown
    an_instance_that_ended_is_waited_for_no_more_until_it_enrols_again
    what_ended_is_forgotten_with_its_certificate_but_not_who_was_revoked
}

mod promise {
    use eic_doctor::store::{AgentRecord, AgentState, Content, Half, Health, SharedStore, Submission};
    use eic_doctor_proto::Status;

    use super::super::fixtures::{digest, enrolled, full, lines, looked, record, submit};

    pub async fn a_turn_is_one_coordinators_until_it_is_over(store: &SharedStore) {
        let take = async |holder, at, until| store.take_turn("sweep", holder, at, until).await.unwrap();
        assert!(take("one", 1_000, 2_000).await);
        assert!(!take("two", 1_999, 3_000).await);
        assert!(!take("one", 1_999, 3_000).await, "its own turn is not over either");
        assert!(take("two", 2_000, 3_000).await);
        assert!(store.take_turn("another task", "one", 2_001, 2_002).await.unwrap());
    }

    pub async fn of_many_that_ask_at_once_one_has_the_turn(store: &SharedStore) {
        for round in 1..=10 {
            let asked = (0..8).map(|n| async move {
                let holder = format!("coordinator {n}");
                store.take_turn("sweep", &holder, round * 1_000, (round + 1) * 1_000).await.unwrap()
            });
            let taken = futures_util::future::join_all(asked).await;
            assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "round {round}");
        }
    }

    fn not_seen(id: &str, at: u64) -> Submission {
        let content = Content::NotSeen { report: b"no".to_vec(), digest: digest(9), why: "not allowed".to_owned() };
        Submission { content, ..looked(id, at, Status::Ok) }
    }

    pub async fn a_look_that_could_not_be_made_confirms_nothing_and_is_told_once(store: &SharedStore) {
        submit(store, vec![looked("i-1", 1_000, Status::Ok), not_seen("i-1", 2_000)]).await;
        let stored = store.last_report("i-1", Half::Aws).await.unwrap().unwrap();
        assert_eq!((stored.report.as_slice(), stored.confirmed_at, stored.is_silent), (b"no".as_slice(), 1_000, false));
        let told: Vec<_> = submit(store, vec![not_seen("i-1", 3_000), not_seen("i-1", 4_000)]).await;
        let told: Vec<_> = told.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(lines(&told), ["i-1 aws: ok unknown since 2000, told 3000"]);
        assert!(store.last_report("i-1", Half::Aws).await.unwrap().unwrap().is_silent);
        let silent = store.silence(Half::Aws, 9_000, 9_000, &[]).await.unwrap();
        assert!(silent.is_empty(), "it is silent already");
        let told = submit(store, vec![looked("i-1", 10_000, Status::Ok)]).await.remove(0).unwrap();
        assert_eq!(lines(&told), ["i-1 aws: unknown ok since 10000, told 10000"]);
        let stored = store.last_report("i-1", Half::Aws).await.unwrap().unwrap();
        assert_eq!((stored.report.as_slice(), stored.is_silent), (b"aws".as_slice(), false));
    }

    pub async fn what_can_no_longer_be_looked_at_is_counted_as_unknown(store: &SharedStore) {
        let stands = async || {
            let found = store.instance("i-1").await.unwrap().unwrap();
            (found.health, found.findings.len(), store.causes().await.unwrap().len())
        };
        enrolled(store, &["i-1"]).await;
        submit(store, vec![full("i-1", 1, 1_000, Status::Ok), looked("i-1", 1_000, Status::Fail)]).await;
        assert_eq!(stands().await, (Health::Fail, 1, 1));
        submit(store, vec![not_seen("i-1", 2_000)]).await;
        assert_eq!(stands().await, (Health::Fail, 1, 1), "once is no news");
        submit(store, vec![not_seen("i-1", 3_000)]).await;
        assert_eq!(stands().await, (Health::Unknown, 0, 0));
        submit(store, vec![looked("i-1", 4_000, Status::Ok)]).await;
        assert_eq!(stands().await, (Health::Ok, 0, 0));
    }

    pub async fn an_instance_that_ended_is_waited_for_no_more_until_it_enrols_again(store: &SharedStore) {
        enrolled(store, &["i-1"]).await;
        submit(store, vec![full("i-1", 1, 3_000, Status::Ok)]).await;
        store.set_ended("i-1", Some(4_000)).await.unwrap();
        let before = store.agent("i-1").await.unwrap().unwrap();
        assert_eq!(before.ended_at, Some(4_000));
        assert!(store.silence(Half::Os, 9_000, 9_000, &[]).await.unwrap().is_empty());
        let again = AgentRecord { serial: "0e".to_owned(), ..before.clone() };
        store.put_agent(&again, Some(&before)).await.unwrap();
        assert_eq!(store.agent("i-1").await.unwrap().unwrap().ended_at, None);
        assert_eq!(store.silence(Half::Os, 9_000, 9_000, &[]).await.unwrap().len(), 1);
        store.set_ended("i-1", Some(5_000)).await.unwrap();
        store.set_ended("i-1", None).await.unwrap();
        assert_eq!(store.agent("i-1").await.unwrap().unwrap().ended_at, None);
    }

    pub async fn what_ended_is_forgotten_with_its_certificate_but_not_who_was_revoked(store: &SharedStore) {
        for id in ["i-ended", "i-good", "i-revoked", "i-there"] {
            let not_after = if id == "i-good" { 90_000 } else { 5_000 };
            store.put_agent(&AgentRecord { not_after, ..record(id) }, None).await.unwrap();
            if id != "i-there" {
                store.set_ended(id, Some(4_000)).await.unwrap();
            }
        }
        store.set_state("i-revoked", AgentState::Revoked, "", 3_000).await.unwrap();
        store.forget(10_000).await.unwrap();
        let left: Vec<String> =
            store.agents(None, 10).await.unwrap().into_iter().map(|agent| agent.instance_id).collect();
        assert_eq!(left, ["i-good", "i-revoked", "i-there"]);
        assert!(store.instance("i-ended").await.unwrap().is_none(), "no page tells of it either");
        assert!(store.instance("i-there").await.unwrap().is_some());
    }
}
