//! The instance's role as a proof: a request to STS that the instance signed, which the coordinator hands on to the lab's STS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tempfile::TempDir;

use super::coordinator::{Coordinator, Wishes};
use super::{Resident, authorities_of};
use crate::lab::lab;

#[test]
fn a_role_can_be_required_and_lets_a_lost_key_be_replaced_at_once() {
    let dir = TempDir::new().unwrap();
    let store = format!("sqlite:{}", dir.path().join("store.db").display());
    let authority = format!("directory = \"{}\"", dir.path().join("authority").display());
    let with_role = lab().scenario_with_agent(json!({ "role": true }));
    let (region, endpoint) = (with_role.get("region"), with_role.facts["env"]["AWS_ENDPOINT_URL"].as_str().unwrap());
    let enrolment = format!("require_role = true\nsts_urls = {{ \"sts.{region}.amazonaws.com\" = \"{endpoint}\" }}\n");
    let wishes = Wishes {
        store: &store,
        dir: dir.path(),
        authority: &authority,
        enrolment: &enrolment,
        agents: "127.0.0.1:0".parse().unwrap(),
        page: None,
        more: "",
    };
    let coordinator = Coordinator::begin(&with_role, &wishes);
    let authorities = authorities_of(&coordinator);

    let without = Resident::on_the_way(Resident::made(), coordinator.agents, &authorities);
    let refused = without.exec(&without.agent("report"));
    let why = "signed no request with a role, which is required here";
    assert_eq!(refused["returncode"], 1, "{refused}");
    let said = STANDARD.decode(refused["stderr_b64"].as_str().unwrap()).unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains(why), "{said}");

    let resident = Resident::begin(with_role, coordinator.agents, &authorities);
    let connected = format!("{} connected", resident.id());
    coordinator.wait_for(&connected);
    assert_eq!(why_enrolled(&coordinator, &resident), "first enrolment of the instance");

    // Its folder is lost, the key with it, while the certificate of that key is good: nobody but the role could tell it from a thief.
    let lose = "systemctl stop eic-doctor-agent.service && rm -r /var/lib/eic-doctor-agent";
    assert_eq!(resident.exec(&["sh", "-c", lose])["returncode"], 0);
    resident.start();
    coordinator.wait_for(&connected);
    assert_eq!(
        why_enrolled(&coordinator, &resident),
        "another key in the same start, confirmed by the instance's role"
    );
}

fn why_enrolled(coordinator: &Coordinator, resident: &Resident) -> String {
    let shown = coordinator.ask(&["agents", "show", resident.id(), "--output", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    shown["state_why"].as_str().unwrap().to_owned()
}
