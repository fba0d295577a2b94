//! Who has yet to be told of what, and what coordinators tell each other.

use super::over_both;

over_both! {
    a_delivery_is_given_to_one_until_its_lease_ends
    what_failed_is_due_again_when_it_was_said_and_at_last_a_dead_letter
    each_target_is_told_by_itself
    what_is_published_reaches_every_subscriber
    an_answer_for_another_coordinator_is_taken_once_and_kept_for_its_time
    what_was_given_up_is_told_again_when_somebody_asks
}

mod promise {
    use eic_doctor::store::{MESSAGE_LIMIT, SharedStore, StoreError};
    use eic_doctor_proto::Status;

    use super::super::fixtures::{enrolled, full, line};

    /// One change at 2,000 for each instance.
    async fn changed(store: &SharedStore, ids: &[&str], targets: &[&str]) {
        enrolled(store, ids).await;
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        for (sequence, status) in [(1, Status::Ok), (2, Status::Fail)] {
            let batch = ids.iter().map(|id| full(id, sequence, sequence * 1_000, status)).collect();
            store.submit(batch, 1, &targets).await.unwrap();
        }
    }

    pub async fn an_answer_for_another_coordinator_is_taken_once_and_kept_for_its_time(store: &SharedStore) {
        store.put_answer("one", b"\0report", 1_000, 2_000).await.unwrap();
        store.put_answer("one", b"another", 1_000, 2_000).await.unwrap();
        assert_eq!(store.take_answer("one").await.unwrap().as_deref(), Some(b"\0report".as_slice()));
        assert_eq!(store.take_answer("one").await.unwrap(), None);
        store.put_answer("late", b"report", 1_000, 2_000).await.unwrap();
        store.put_answer("two", b"report", 2_000, 3_000).await.unwrap();
        assert_eq!(store.take_answer("late").await.unwrap(), None, "its time was over");
        assert!(store.take_answer("two").await.unwrap().is_some());
    }

    pub async fn a_delivery_is_given_to_one_until_its_lease_ends(store: &SharedStore) {
        changed(store, &["i-1", "i-2", "i-3"], &["hook"]).await;
        assert_eq!(store.due_deliveries(1_999, 3_000, 10).await.unwrap().len(), 0, "before it was told");
        let first = store.due_deliveries(2_000, 3_000, 2).await.unwrap();
        let ids = |due: &[eic_doctor::store::Delivery]| -> Vec<String> {
            due.iter().map(|one| one.change.instance_id.clone()).collect()
        };
        assert_eq!(ids(&first), ["i-1", "i-2"]);
        assert_eq!(line(&first[0].change), "i-1 os.sshd.running: ok fail since 2000, told 2000");
        assert_eq!((first[0].target.as_str(), first[0].tried), ("hook", 0));
        assert_eq!(ids(&store.due_deliveries(2_001, 3_001, 10).await.unwrap()), ["i-3"]);
        assert_eq!(ids(&store.due_deliveries(2_999, 9_000, 10).await.unwrap()), [""; 0]);
        // Whoever had them has died.
        assert_eq!(ids(&store.due_deliveries(3_000, 9_000, 10).await.unwrap()), ["i-1", "i-2"]);
        for one in &first {
            store.delivered(one.change.number, "hook").await.unwrap();
        }
        assert_eq!(ids(&store.due_deliveries(99_000, 99_001, 10).await.unwrap()), ["i-3"]);
        // Twice is once.
        store.delivered(first[0].change.number, "hook").await.unwrap();
    }

    pub async fn what_failed_is_due_again_when_it_was_said_and_at_last_a_dead_letter(store: &SharedStore) {
        changed(store, &["i-1"], &["hook"]).await;
        let one = store.due_deliveries(2_000, 3_000, 10).await.unwrap().remove(0);
        store.not_delivered(one.change.number, "hook", "503", Some(2_500)).await.unwrap();
        assert_eq!(store.due_deliveries(2_499, 9_000, 10).await.unwrap().len(), 0);
        let again = store.due_deliveries(2_500, 9_000, 10).await.unwrap();
        assert_eq!((again.len(), again[0].tried), (1, 1));
        assert_eq!(store.dead_letters(None, 10).await.unwrap().len(), 0);
        let why = format!("it said \u{1b}[31m\0 {}", "x".repeat(5_000));
        store.not_delivered(one.change.number, "hook", &why, None).await.unwrap();
        assert_eq!(store.due_deliveries(99_000, 99_001, 10).await.unwrap().len(), 0);
        let dead = store.dead_letters(None, 10).await.unwrap().remove(0);
        assert_eq!((dead.delivery.tried, dead.delivery.target.as_str()), (2, "hook"));
        assert_eq!(line(&dead.delivery.change), "i-1 os.sshd.running: ok fail since 2000, told 2000");
        assert!(dead.why.starts_with("it said \\u{1b}[31m\\u{0} xxx"), "{}", dead.why);
        assert!(dead.why.len() <= 500);
    }

    pub async fn each_target_is_told_by_itself(store: &SharedStore) {
        changed(store, &["i-1"], &["b", "a"]).await;
        let due = store.due_deliveries(2_000, 3_000, 10).await.unwrap();
        assert_eq!(due.iter().map(|one| one.target.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        store.delivered(due[0].change.number, "a").await.unwrap();
        store.not_delivered(due[0].change.number, "a", "it is gone already", None).await.unwrap();
        assert_eq!(store.dead_letters(None, 10).await.unwrap().len(), 0);
        let left = store.due_deliveries(3_000, 4_000, 10).await.unwrap();
        assert_eq!(left.iter().map(|one| one.target.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    pub async fn what_is_published_reaches_every_subscriber(store: &SharedStore) {
        store.publish("before anybody listens").await.unwrap();
        let (mut first, mut second) = (store.subscribe().await.unwrap(), store.subscribe().await.unwrap());
        let long = "é".repeat(MESSAGE_LIMIT / 2);
        for message in ["one", "'; NOTIFY x; --", "", &long] {
            store.publish(message).await.unwrap();
            // What was published before the subscription may still come by.
            loop {
                let heard = first.recv().await.unwrap();
                assert_eq!(second.recv().await.unwrap(), heard);
                if heard == message {
                    break;
                }
                assert_eq!(heard, "before anybody listens");
            }
        }
        let refused = store.publish(&"x".repeat(MESSAGE_LIMIT + 1)).await;
        assert!(matches!(refused, Err(StoreError::Text { .. })));
    }

    pub async fn what_was_given_up_is_told_again_when_somebody_asks(store: &SharedStore) {
        changed(store, &["i-1", "i-2"], &["hook", "bus"]).await;
        let due = store.due_deliveries(2_000, 3_000, 10).await.unwrap();
        for one in &due {
            store.not_delivered(one.change.number, &one.target, "503", None).await.unwrap();
        }
        let first = due[0].change.number;
        let dead = async |change| store.dead_letters(change, 10).await.unwrap().len();
        assert_eq!((dead(None).await, dead(Some(first)).await, dead(Some(first + 100)).await), (4, 2, 0));
        assert_eq!(store.revive(Some(first), 5_000).await.unwrap(), 2);
        assert_eq!(store.due_deliveries(4_999, 9_000, 10).await.unwrap().len(), 0);
        let again = store.due_deliveries(5_000, 9_000, 10).await.unwrap();
        let seen: Vec<_> = again.iter().map(|one| (one.change.number, one.tried)).collect();
        assert_eq!(seen, [(first, 0), (first, 0)], "with all its tries");
        assert_eq!((store.revive(None, 5_000).await.unwrap(), store.revive(None, 5_000).await.unwrap()), (2, 0));
        assert_eq!(dead(None).await, 0);
    }
}
