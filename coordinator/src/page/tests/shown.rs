//! What the views show.

use eic_doctor_proto::Status;

use super::{HOSTILE, NOW, Served, finding};
use crate::drift::testing::result;
use crate::store::Half;

const SSHD: &str = "os.sshd.running";
const PORT: &str = "os.sshd.port";

/// Three instances: one fails, one warns, one has nothing; in two accounts.
async fn fleet() -> Served {
    let served = Served::open().await;
    served.enrol("i-0a", "111122223333", "eu-west-1", "ami-1").await;
    served.enrol("i-0b", "111122223333", "us-east-1", "ami-2").await;
    served.enrol("i-1c", "444455556666", "eu-west-1", "ami-1").await;
    served.submit("i-0a", 1, vec![finding(SSHD, Status::Fail, "sshd does not run")]).await;
    served.submit("i-0b", 1, vec![finding(PORT, Status::Warn, "two ports")]).await;
    served.submit("i-1c", 1, vec![result(SSHD, Status::Ok)]).await;
    served
}

#[tokio::test]
async fn the_fleet_is_counted_by_health_root_cause_and_place() {
    let served = fleet().await;
    let answer = served.get("/").await;
    assert_eq!(answer.status, 200);
    for (health, count) in [("fail", 1), ("silent", 0), ("unknown", 0), ("warn", 1), ("ok", 1)] {
        let tile = format!("data-count=\"{health}\">{count}</span>");
        assert!(answer.text.contains(&tile), "{tile}");
    }
    assert_eq!(answer.rows_with(&format!("href=\"/instances?check={SSHD}\"")), 1);
    for place in ["account=111122223333", "region=us-east-1", "image=ami-2"] {
        assert_eq!(answer.rows_with(&format!("href=\"/instances?{place}\"")), 1, "{place}");
    }
}

#[tokio::test]
async fn a_silent_instance_is_counted_as_silent_and_its_findings_until_it_is_back() {
    let served = fleet().await;
    served.store.silence(Half::Os, NOW, NOW, &[]).await.unwrap();
    let counts = served.store.health_counts().await.unwrap();
    assert_eq!(counts.0, [0, 3, 0, 0, 0]);
    assert_eq!(served.store.causes().await.unwrap(), []);
    served.submit("i-0a", 2, vec![finding(SSHD, Status::Fail, "sshd does not run")]).await;
    assert_eq!(served.store.health_counts().await.unwrap().0, [1, 2, 0, 0, 0]);
    assert_eq!(served.store.causes().await.unwrap().len(), 1);
}

#[tokio::test]
async fn each_filter_keeps_what_is_like_it() {
    let served = fleet().await;
    let cases = [
        ("", vec!["i-0a", "i-0b", "i-1c"]),
        ("?q=i-0", vec!["i-0a", "i-0b"]),
        ("?q=1c", vec!["i-1c"]),
        ("?account=111122223333", vec!["i-0a", "i-0b"]),
        ("?q=444455556666", vec!["i-1c"]),
        ("?region=eu-west-1&image=ami-1", vec!["i-0a", "i-1c"]),
        ("?health=warn", vec!["i-0b"]),
        ("?check=os.sshd.running", vec!["i-0a"]),
        ("?check=os.sshd.running&region=us-east-1", vec![]),
        ("?after=i-0b", vec!["i-1c"]),
        ("?q=%27%3B+DROP+TABLE+fleet%3B+--", vec![]),
    ];
    for (query, expected) in cases {
        let answer = served.get(&format!("/instances{query}")).await;
        let found: Vec<&str> = ["i-0a", "i-0b", "i-1c"]
            .into_iter()
            .filter(|id| answer.rows_with(&format!("href=\"/instances/{id}\"")) == 1)
            .collect();
        assert_eq!((answer.status.as_u16(), found), (200, expected), "{query}");
    }
}

#[tokio::test]
async fn a_page_of_instances_is_bounded_and_leads_to_the_next() {
    let served = Served::open().await;
    for number in 0..120 {
        served.enrol(&format!("i-{number:03}"), "111122223333", "eu-west-1", "ami-1").await;
    }
    let mut path = "/instances?region=eu-west-1".to_owned();
    let mut sizes = Vec::new();
    loop {
        let answer = served.get(&path).await;
        sizes.push(answer.rows_with("href=\"/instances/i-"));
        let Some((_, next)) = answer.text.split_once("rel=\"next\" href=\"") else { break };
        path = next.split_once('"').unwrap().0.replace("&amp;", "&");
    }
    assert_eq!(sizes, [50, 50, 20]);
    assert!(served.get("/agents").await.rows_with("href=\"/instances/i-") == 50);
}

#[tokio::test]
async fn an_instances_view_has_the_answer_the_findings_and_the_remedies() {
    let served = fleet().await;
    let answer = served.get("/instances/i-0a").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("Nothing stands in the way inside the instance."), "{}", answer.text);
    assert!(answer.text.contains("AWS's side has not been looked at"), "{}", answer.text);
    assert!(answer.text.contains("first enrolment of the instance") && answer.text.contains("0a0b"));
    assert!(answer.text.contains("Sign in to check now"));
    assert_eq!(served.get("/instances/i-none").await.status, 404);
    assert_eq!(served.get("/elsewhere").await.status, 404);
}

#[tokio::test]
async fn an_instances_view_has_what_aws_says_of_it_besides_what_its_agent_says() {
    const GROUP: &str = "aws.network.security-group-ingress";
    let served = fleet().await;
    served.sweep("i-0a", vec![finding(GROUP, Status::Fail, "no rule lets port 22 in")]).await;
    let answer = served.get("/instances/i-0a").await;
    let (inside, outside) = answer.text.split_once("Outside, by AWS's API").unwrap();
    assert!(inside.contains("Nothing stands in the way inside the instance.") && !inside.contains(GROUP), "{inside}");
    for expected in ["Not connectable.", "no rule lets port 22 in", "By the way <code>private</code> on port 22", GROUP]
    {
        assert!(outside.contains(expected), "{expected:?} in {outside}");
    }
    served.sweep("i-0b", vec![result(GROUP, Status::Ok)]).await;
    served.store.silence(Half::Aws, NOW, NOW, &[]).await.unwrap();
    let answer = served.get("/instances/i-0b").await;
    let (inside, outside) = answer.text.split_once("Outside, by AWS's API").unwrap();
    assert!(inside.contains("Nothing stands in the way inside the instance."), "{inside}");
    assert!(outside.contains("Nothing was heard since") && !outside.contains("Nothing stands in the way"), "{outside}");
}

#[tokio::test]
async fn drift_is_listed_newest_first_and_charted() {
    let served = fleet().await;
    served.submit("i-0a", 2, vec![result(SSHD, Status::Ok)]).await;
    served.submit("i-1c", 2, vec![finding(SSHD, Status::Fail, "sshd does not run")]).await;
    let answer = served.get("/drift").await;
    let (newer, older) =
        (answer.text.find("data-number=\"2\"").unwrap(), answer.text.find("data-number=\"1\"").unwrap());
    assert!(newer < older);
    assert!(answer.text.contains("1 became a finding, 0 became unknown, 1 became well"), "{}", answer.text);
    let answer = served.get("/drift?instance=i-0a&span=week").await;
    assert_eq!((answer.rows_with("data-number=\"1\""), answer.rows_with("data-number=\"2\"")), (1, 0));
    assert!(answer.text.contains("0 became a finding, 0 became unknown, 1 became well"));
    let answer = served.get("/drift?before=2").await;
    assert_eq!((answer.rows_with("data-number=\"1\""), answer.rows_with("data-number=\"2\"")), (1, 0));
}

#[tokio::test]
async fn a_search_in_words_that_the_page_shows_finds_or_offers_checks() {
    let served = Served::open().await;
    served.enrol("i-0a", "111122223333", "eu-west-1", "ami-0a").await;
    served.submit("i-0a", 1, vec![result(SSHD, Status::Ok)]).await;
    served.submit("i-0a", 2, vec![finding(SSHD, Status::Fail, "it does not run")]).await;
    let title = super::super::layout::title_of(SSHD);
    for (words, is_found) in [("failing", true), (title.as_str(), true), ("no finding", false)] {
        let answer = served.get(&format!("/instances?q={}", super::super::layout::encoded(words))).await;
        assert_eq!(answer.text.contains("href=\"/instances/i-0a\""), is_found, "{words}: {}", answer.text);
    }
    let answer = served.get("/instances?q=security%20group").await;
    assert!(answer.text.contains("href=\"/instances?check=aws.network.security-group-ingress\""), "{}", answer.text);
}

#[tokio::test]
async fn hostile_text_is_shown_and_never_obeyed() {
    let served = Served::open().await;
    served.enrol("i-0a", HOSTILE, HOSTILE, HOSTILE).await;
    served.submit("i-0a", 1, vec![result(SSHD, Status::Ok)]).await;
    served.submit("i-0a", 2, vec![finding(SSHD, Status::Fail, HOSTILE)]).await;
    let asked = super::super::layout::encoded(HOSTILE);
    let paths = [
        "/".to_owned(),
        "/by/account".to_owned(),
        "/agents".to_owned(),
        "/drift".to_owned(),
        "/instances/i-0a".to_owned(),
        format!("/instances?account={asked}"),
        format!("/instances?q={asked}&check={asked}"),
        format!("/drift?instance={asked}"),
        format!("/agents?after={asked}"),
        format!("/sign-in?next={asked}"),
    ];
    for path in paths {
        let answer = served.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text.contains("<script>alert"), "{path}");
        assert!(!answer.text.contains(['\u{202e}', '\u{1b}']), "{path}");
        // Neither scripts nor styles of ours stand in the text.
        assert!(
            !answer.text.contains("<script>") && !answer.text.contains("style=") && !answer.text.contains("onclick"),
            "{path}"
        );
    }
}
