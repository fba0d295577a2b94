//! Drift is carried forward with the reports, in their transaction.

use super::over_both;

over_both! {
    a_held_change_is_told_once_with_all_that_a_person_needs
    a_confirmation_is_a_run
    each_half_of_an_instance_drifts_by_itself
    changes_are_read_on_from_a_number
    silence_is_told_once_and_so_is_its_end
    a_fleet_that_falls_silent_at_once_is_told_whole
    a_report_that_is_not_stored_moves_nothing
    hostile_texts_in_a_result_come_back_as_they_were
}

mod promise {
    use eic_doctor::store::{Content, Half, SharedStore};
    use eic_doctor_proto::{Evidence, Status};

    use super::super::fixtures::{HOSTILE, SSHD, enrolled, full, lines, looked, outcomes, result, submit, unchanged};

    pub async fn a_held_change_is_told_once_with_all_that_a_person_needs(store: &SharedStore) {
        enrolled(store, &["i-1"]).await;
        let mut told = Vec::new();
        let statuses = [Status::Ok, Status::Fail, Status::Fail, Status::Fail, Status::Ok];
        for (sequence, status) in (1..).zip(statuses) {
            let answer = submit(store, vec![full("i-1", sequence, sequence * 1_000, status)]).await.remove(0);
            told.extend(answer.unwrap());
        }
        let expected = [
            "i-1 os.sshd.running: ok fail since 2000, told 3000",
            "i-1 os.sshd.running: fail ok since 5000, told 5000",
        ];
        assert_eq!(lines(&told), expected);
        let read = store.changes(None, 0, 10).await.unwrap();
        let numbers =
            |changes: &[eic_doctor::store::StoredChange]| changes.iter().map(|c| c.number).collect::<Vec<_>>();
        assert_eq!(numbers(&read), numbers(&told));
        let whole: Vec<_> = read.iter().map(|change| change.change.clone()).collect();
        assert_eq!(whole, told.iter().map(|change| change.change.clone()).collect::<Vec<_>>());
        assert_eq!(whole[0].is, result(SSHD, Status::Fail));
    }

    pub async fn a_confirmation_is_a_run(store: &SharedStore) {
        enrolled(store, &["i-1"]).await;
        submit(store, vec![full("i-1", 1, 1_000, Status::Ok), full("i-1", 2, 2_000, Status::Fail)]).await;
        let mut told = Vec::new();
        for sequence in 3..6 {
            let answer = store.submit(vec![unchanged("i-1", sequence, sequence * 1_000, 2)], 3, &[]).await.unwrap();
            told.extend(answer.into_iter().next().unwrap().unwrap());
        }
        assert_eq!(lines(&told), ["i-1 os.sshd.running: ok fail since 2000, told 4000"]);
    }

    pub async fn each_half_of_an_instance_drifts_by_itself(store: &SharedStore) {
        enrolled(store, &["i-1"]).await;
        let batch = vec![
            full("i-1", 1, 1_000, Status::Ok),
            looked("i-1", 1_100, Status::Ok),
            looked("i-1", 1_200, Status::Warn),
            full("i-1", 2, 1_300, Status::Fail),
            looked("i-1", 1_400, Status::Warn),
            full("i-1", 3, 1_500, Status::Fail),
        ];
        let answers = submit(store, batch).await;
        let own: Vec<usize> = answers.iter().map(|answer| answer.as_ref().unwrap().len()).collect();
        assert_eq!(own, [0, 0, 0, 0, 1, 1], "each report is answered with its own changes");
        let expected = [
            "i-1 aws.instance.running: ok warn since 1200, told 1400",
            "i-1 os.sshd.running: ok fail since 1300, told 1500",
        ];
        let read = store.changes(Some("i-1"), 0, 10).await.unwrap();
        assert_eq!(lines(&read), expected);
        assert_eq!([read[0].half, read[1].half], [Half::Aws, Half::Os]);
    }

    pub async fn changes_are_read_on_from_a_number(store: &SharedStore) {
        enrolled(store, &["i-1", "i-2"]).await;
        for (sequence, status) in (1..).zip([Status::Ok, Status::Fail, Status::Ok, Status::Fail, Status::Ok]) {
            let at = sequence * 1_000;
            let batch = vec![full("i-1", sequence, at, status), full("i-2", sequence, at, status)];
            store.submit(batch, 1, &[]).await.unwrap();
        }
        let all = store.changes(None, 0, 100).await.unwrap();
        assert_eq!(all.len(), 8);
        assert!(all.windows(2).all(|pair| pair[0].number < pair[1].number));
        let mut seen = Vec::new();
        let mut after = 0;
        loop {
            let page = store.changes(None, after, 3).await.unwrap();
            let Some(last) = page.last() else { break };
            after = last.number;
            seen.extend(lines(&page));
        }
        assert_eq!(seen, lines(&all));
        let one = store.changes(Some("i-2"), all[3].number, 100).await.unwrap();
        assert_eq!(one.len(), 2);
        assert!(one.iter().all(|change| change.instance_id == "i-2"));
        assert_eq!(store.changes(Some("' OR 1=1 --"), 0, 100).await.unwrap().len(), 0);
    }

    pub async fn silence_is_told_once_and_so_is_its_end(store: &SharedStore) {
        enrolled(store, &["i-1", "i-2", "i-never"]).await;
        submit(store, vec![full("i-1", 1, 1_000, Status::Ok), full("i-2", 1, 5_000, Status::Ok)]).await;
        submit(store, vec![looked("i-1", 1_000, Status::Ok)]).await;
        let silence = async |before, at| {
            let told = store.silence(Half::Os, before, at, &["hook".to_owned()]).await.unwrap();
            lines(&told)
        };
        assert_eq!(silence(1_000, 6_000).await, [""; 0], "what is as old as that is not older");
        assert_eq!(silence(1_001, 6_000).await, ["i-1 os: ok unknown since 1000, told 6000"]);
        assert_eq!(silence(1_001, 7_000).await, [""; 0]);
        // What was found before holds still, and nothing else is told than that it is heard again.
        let told = submit(store, vec![unchanged("i-1", 2, 8_000, 1)]).await.remove(0).unwrap();
        assert_eq!(lines(&told), ["i-1 os: unknown ok since 8000, told 8000"]);
        assert_eq!(
            silence(8_001, 9_000).await,
            ["i-1 os: ok unknown since 8000, told 9000", "i-2 os: ok unknown since 5000, told 9000"]
        );
        let told = submit(store, vec![full("i-1", 3, 10_000, Status::Fail)]).await.remove(0).unwrap();
        assert_eq!(lines(&told), ["i-1 os: unknown ok since 10000, told 10000"]);
        let told = submit(store, vec![full("i-1", 4, 11_000, Status::Fail)]).await.remove(0).unwrap();
        assert_eq!(lines(&told), ["i-1 os.sshd.running: ok fail since 10000, told 11000"]);
        let due = store.due_deliveries(20_000, 30_000, 100).await.unwrap();
        assert_eq!(due.len(), 3, "those that had a target");
    }

    pub async fn a_fleet_that_falls_silent_at_once_is_told_whole(store: &SharedStore) {
        let ids: Vec<String> = (0..1_203).map(|n| format!("i-{n:05}")).collect();
        let looks = ids.iter().map(|id| looked(id, 1_000, Status::Ok)).collect();
        assert!(outcomes(store, looks).await.iter().all(Result::is_ok));
        let told = store.silence(Half::Aws, 5_000, 6_000, &[]).await.unwrap();
        let mut silent: Vec<&str> = told.iter().map(|change| change.instance_id.as_str()).collect();
        silent.sort_unstable();
        assert_eq!(silent, ids);
        let looks = ids.iter().map(|id| looked(id, 7_000, Status::Ok)).collect();
        let heard: usize = submit(store, looks).await.into_iter().map(|answer| answer.unwrap().len()).sum();
        assert_eq!(heard, ids.len());
    }

    pub async fn a_report_that_is_not_stored_moves_nothing(store: &SharedStore) {
        enrolled(store, &["i-1"]).await;
        submit(store, vec![full("i-1", 5, 1_000, Status::Ok), full("i-1", 6, 2_000, Status::Fail)]).await;
        // Were it a run, the change would be held.
        let replayed =
            submit(store, vec![full("i-1", 6, 3_000, Status::Fail), full("i-1", 5, 3_000, Status::Ok)]).await;
        assert!(replayed.iter().all(Result::is_err));
        assert_eq!(store.changes(None, 0, 10).await.unwrap().len(), 0);
        let told = submit(store, vec![full("i-1", 7, 4_000, Status::Fail)]).await.remove(0).unwrap();
        assert_eq!(lines(&told), ["i-1 os.sshd.running: ok fail since 2000, told 4000"]);
    }

    pub async fn hostile_texts_in_a_result_come_back_as_they_were(store: &SharedStore) {
        for (index, text) in HOSTILE.iter().chain(&["a\0b"]).enumerate() {
            let id = format!("i-{index}");
            enrolled(store, &[&id]).await;
            let mut hostile = result(&format!("os.{text}"), Status::Fail);
            hostile.why = text.to_string();
            hostile.title = text.to_string();
            hostile.evidence = vec![Evidence { seen: text.to_string(), at: text.repeat(2_000) }];
            let well = result(&hostile.id, Status::Ok);
            for (sequence, result) in (1..).zip([well, hostile.clone()]) {
                let mut report = full(&id, sequence, sequence, Status::Ok);
                if let Content::Full { results, .. } = &mut report.content {
                    *results = vec![result];
                }
                store.submit(vec![report], 1, &[text.replace('\0', "")]).await.unwrap();
            }
            let told = store.changes(Some(&id), 0, 10).await.unwrap();
            assert_eq!(told.into_iter().map(|change| change.change.is).collect::<Vec<_>>(), [hostile], "{text:?}");
        }
        let mut targets: Vec<String> =
            store.due_deliveries(10, 20, 100).await.unwrap().into_iter().map(|due| due.target).collect();
        targets.sort_unstable();
        let mut expected: Vec<String> = HOSTILE.iter().map(ToString::to_string).chain(["ab".to_owned()]).collect();
        expected.sort_unstable();
        assert_eq!(targets, expected);
    }
}
