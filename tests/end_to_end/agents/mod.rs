//! The whole story over real sockets: booted instances with the static agent, a coordinator, a network that can be cut.

#[path = "../../coordinator/store/cluster.rs"]
#[expect(dead_code, reason = "what kills and restarts it is for the store's own tests")]
mod cluster;
mod coordinator;
mod fill;
mod page;
mod relay;
mod several;
mod story;
mod webhook;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use serde_json::{Value, json};

use crate::lab::{Scenario, lab};
use coordinator::Coordinator;
use relay::{PORT, Relay};

/// An instance with a resident agent that is on its way to a coordinator.
struct Resident {
    scenario: Scenario,
    relay: Relay,
}

impl Resident {
    /// A booted instance with the agent installed, which does not run yet.
    fn made() -> Scenario {
        Scenario::healthy()
    }

    /// `authorities`: what the agent trusts, PEM, on this machine.
    fn begin(scenario: Scenario, coordinator: SocketAddr, authorities: &Path) -> Self {
        let networks = lab().control("GET", &format!("/instance/{}/networks", scenario.id()), &Value::Null);
        let private: Ipv4Addr = scenario.get("private_ip").parse().unwrap();
        let [a, b, c, _] = private.octets();
        let gateway = Ipv4Addr::new(a, b, c, 1);
        let relay = Relay::begin(networks["vpc"].as_str().unwrap(), gateway, coordinator);
        scenario.put(authorities, "/etc/eic-doctor/authorities.pem");
        let resident = Self { scenario, relay };
        let at = format!("{gateway}:{PORT}");
        let run = [
            "systemd-run",
            "--quiet",
            "--unit=eic-doctor-agent",
            "--property=Restart=always",
            "/usr/bin/eic-doctor-agent",
            "run",
            "--config",
            "/dev/null",
            "--coordinator",
            &at,
            "--server-name",
            "coordinator.test",
            "--authorities",
            "/etc/eic-doctor/authorities.pem",
        ];
        assert_eq!(resident.exec(&run)["returncode"], 0);
        resident
    }

    fn id(&self) -> &str {
        self.scenario.id()
    }

    fn exec(&self, argv: &[&str]) -> Value {
        lab().control("POST", &format!("/instance/{}/exec", self.id()), &json!({ "argv": argv }))
    }
}

/// What the coordinator gives agents to trust: certificates, and no key.
fn authorities_of(coordinator: &Coordinator) -> std::path::PathBuf {
    let path = coordinator.dir.join("authority/for-agents.pem");
    assert!(!std::fs::read_to_string(&path).unwrap().contains("PRIVATE"));
    path
}
