//! One coordinator with its embedded store, three instances.

use serde_json::json;
use tempfile::TempDir;

use super::coordinator::{Coordinator, Watched, Wishes};
use super::webhook::Webhook;
use super::{Resident, authorities_of};
use crate::remedies;

const KEYS_COMMAND: &str = "os.sshd.authorized-keys-command";
const SECURITY_GROUP: &str = "aws.network.security-group-ingress";

#[test]
fn agents_enrol_report_are_asked_drift_is_told_and_nothing_is_lost_by_a_kill_or_a_cut() {
    let dir = TempDir::new().unwrap();
    let webhook = Webhook::begin();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "of the webhook").unwrap();
    let store = format!("sqlite:{}", dir.path().join("store.db").display());
    let authority = format!("directory = \"{}\"", dir.path().join("authority").display());
    let more = format!(
        "[[notify]]\nkind = \"webhook\"\nname = \"hook\"\nurl = \"http://{}/\"\nsecret_file = \"{}\"\n",
        webhook.at,
        secret.display()
    );
    let first = Resident::made();
    let mut wishes = Wishes {
        store: &store,
        dir: dir.path(),
        authority: &authority,
        enrolment: "",
        agents: "127.0.0.1:0".parse().unwrap(),
        page: None,
        more: &more,
    };
    let coordinator = Coordinator::begin(&first, &wishes);
    let authorities = authorities_of(&coordinator);
    let begin = |scenario| Resident::begin(scenario, coordinator.agents, &authorities);
    let residents = [begin(first), begin(Resident::made()), begin(Resident::made())];
    coordinator.wait_for_each(&each_connected(&residents));
    let agents = coordinator.ask(&["agents", "list", "--output", "json"]);
    assert_eq!((agents.code, agents.stdout.lines().count()), (0, 3), "{}", agents.stdout);

    live_check(&coordinator, &residents[0]);

    let changes = Watched::begin(coordinator.command(&["drift", "watch", "--output", "json"]));
    let broken = &residents[1];
    broken.scenario.fault("keys-command-overridden");
    let change = changes.next_of(broken.id(), KEYS_COMMAND);
    assert_eq!((&change["was"], &change["is"]["status"]), (&json!("ok"), &json!("fail")));
    assert!(change["is"]["remedy"]["text"].is_string(), "{change}");
    let (heads, body) = webhook.next_of(broken.id(), KEYS_COMMAND);
    assert!(heads.iter().any(|line| line.starts_with("x-eic-doctor-signature: sha256=")), "{heads:?}");
    assert_eq!(body["is"], "fail", "{body}");

    mend(broken);
    let change = changes.next_of(broken.id(), KEYS_COMMAND);
    assert_eq!((&change["was"], &change["is"]["status"]), (&json!("fail"), &json!("ok")));
    drop(changes);
    let told = coordinator.ask(&["drift", "list", "--output", "json"]).stdout;

    let agents = coordinator.agents;
    coordinator.kill();
    wishes.agents = agents;
    let swept = format!(
        "{more}[sweep]\ninterval = \"4s\"\njitter = \"1s\"\nvia = \"public\"\nsource = \"203.0.113.7/32\"\nprincipal = \"{}\"\n",
        residents[0].scenario.get("role_arn")
    );
    wishes.more = &swept;
    let coordinator = Coordinator::begin(&residents[0].scenario, &wishes);
    coordinator.wait_for_each(&each_connected(&residents));
    let after = coordinator.ask(&["drift", "list", "--output", "json"]).stdout;
    assert!(after.starts_with(&told), "what was told is kept, in its order:\n{told}\n{after}");

    outside_drifts_too(&coordinator, &residents[1], &webhook);
    a_fleet_is_joined_with_its_insides(&coordinator, &residents);

    let away = &residents[2];
    let changes = Watched::begin(coordinator.command(&["drift", "watch", away.id(), "--output", "json"]));
    away.relay.cut();
    let change = changes.next_of(away.id(), "os");
    assert_eq!(change["is"]["status"], "unknown", "{change}");
    away.relay.join(coordinator.agents);
    let change = changes.next_of(away.id(), "os");
    assert_eq!((&change["was"], &change["is"]["status"]), (&json!("unknown"), &json!("ok")), "{change}");

    // Certificates lived for 20 s all the while: each agent has one of its own that is good, and none took another key. Who was away for
    // longer than that, cut off or while the coordinator was dead, enrolled with the key that it has.
    for resident in &residents {
        let shown = coordinator.ask(&["agents", "show", resident.id(), "--output", "json"]);
        let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
        assert_eq!(shown["state"], "enrolled");
        let why = shown["state_why"].as_str().unwrap();
        assert!(["first enrolment of the instance", "the same key again"].contains(&why), "{shown}");
        assert!(shown["certificate_not_after"].as_str() > shown["enrolled_at"].as_str());
    }
}

fn each_connected(residents: &[Resident; 3]) -> [String; 3] {
    residents.each_ref().map(|resident| format!("{} connected", resident.id()))
}

fn live_check(coordinator: &Coordinator, resident: &Resident) {
    let at = coordinator.at();
    let run = resident.scenario.check(&["--via", "browser", "--os-facts", "agent", "--coordinator", &at]);
    run.expect(0, "yes", &[]);
    assert!(run.report()["notes"].to_string().contains("resident agent"), "{}", run.report()["notes"]);
    resident.scenario.fault("keys-command-overridden");
    let run = resident.scenario.check(&["--via", "browser", "--os-facts", "agent", "--coordinator", &at]);
    run.expect(1, "no", &[KEYS_COMMAND]);
    mend(resident);
}

/// A rule of the security group goes, by AWS's API, and comes back.
fn outside_drifts_too(coordinator: &Coordinator, resident: &Resident, webhook: &Webhook) {
    // What it is like while all is well is where drift is counted from.
    let line = coordinator.wait_for("swept 3 instances of 1 accounts and Regions");
    assert!(line.contains("0 not looked at, 0 are no more"), "{line}");
    let changes = Watched::begin(coordinator.command(&["drift", "watch", resident.id(), "--output", "json"]));
    resident.scenario.fault("sg-no-rule");
    let change = changes.next_of(resident.id(), SECURITY_GROUP);
    assert_eq!((&change["was"], &change["is"]["status"]), (&json!("ok"), &json!("fail")), "{change}");
    let (_, told) = webhook.next_of(resident.id(), SECURITY_GROUP);
    assert_eq!(told["is"], "fail", "{told}");
    let shown = coordinator.ask(&["agents", "show", resident.id()]);
    for expected in ["inside ", "from outside ", "fail     aws.network.security-group-ingress: "] {
        assert!(shown.stdout.contains(expected), "{expected:?} in:\n{}", shown.stdout);
    }
    remedies::paste(&resident.scenario, change["is"]["remedy"]["command"].as_str().unwrap());
    let change = changes.next_of(resident.id(), SECURITY_GROUP);
    assert_eq!((&change["was"], &change["is"]["status"]), (&json!("fail"), &json!("ok")), "{change}");
    let (_, told) = webhook.next_of(resident.id(), SECURITY_GROUP);
    assert_eq!(told["is"], "ok", "told once, and once that it is mended: {told}");
}

/// AWS's side as it is now, the inside as the agents told it last.
fn a_fleet_is_joined_with_its_insides(coordinator: &Coordinator, residents: &[Resident; 3]) {
    let (principal, at) = (residents[0].scenario.get("role_arn"), coordinator.at());
    let mut arguments = vec!["fleet", "--via", "public", "--source", "203.0.113.7/32", "--principal", principal];
    arguments.extend(["--coordinator", &at, "--output", "json", "--instance-ids"]);
    arguments.extend(residents.iter().map(Resident::id));
    let run = residents[0].scenario.doctor(&arguments);
    let report = run.report();
    // The role may push to the first of them alone.
    let (summary, cause) = (&report["summary"], &report["summary"]["root_causes"][0]);
    let found = (run.code, &summary["connectable_yes"], &cause["id"], &cause["instances"]);
    assert_eq!(found, (1, &json!(1), &json!("aws.iam.send-ssh-public-key"), &json!(2)), "{}{}", run.stdout, run.stderr);
    for instance in report["instances"].as_array().unwrap() {
        assert!(instance["inside_confirmed"].is_string(), "{instance}");
    }
}

/// Takes the fault's override of sshd's unit away.
fn mend(resident: &Resident) {
    let script = "rm /etc/systemd/system/ssh.service.d/override.conf && systemctl daemon-reload && systemctl restart ssh.service";
    assert_eq!(resident.exec(&["sh", "-c", script])["returncode"], 0);
}
