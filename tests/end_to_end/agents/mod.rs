//! The whole story over real sockets: booted instances with the static agent, a coordinator, a network that can be cut.

#[path = "../../coordinator/store/cluster.rs"]
#[expect(dead_code, reason = "what kills and restarts it is for the store's own tests")]
mod cluster;
mod coordinator;
mod fill;
mod page;
mod relay;
mod role;
mod several;
mod story;
mod webhook;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use serde_json::{Value, json};

use crate::lab::{Scenario, lab};
use coordinator::Coordinator;
use relay::{PORT, Relay};

/// An instance with an agent and a way to a coordinator.
struct Resident {
    scenario: Scenario,
    relay: Relay,
    /// The coordinator as the instance reaches it.
    at: String,
}

impl Resident {
    /// A booted instance with the agent installed, which does not run yet.
    fn made() -> Scenario {
        Scenario::healthy()
    }

    /// With the agent at work. `authorities`: what the agent trusts, PEM, on this machine.
    fn begin(scenario: Scenario, coordinator: SocketAddr, authorities: &Path) -> Self {
        let resident = Self::on_the_way(scenario, coordinator, authorities);
        resident.start();
        resident
    }

    /// As above, but nobody has started the agent yet.
    fn on_the_way(scenario: Scenario, coordinator: SocketAddr, authorities: &Path) -> Self {
        let networks = lab().control("GET", &format!("/instance/{}/networks", scenario.id()), &Value::Null);
        let private: Ipv4Addr = scenario.get("private_ip").parse().unwrap();
        let [a, b, c, _] = private.octets();
        let gateway = Ipv4Addr::new(a, b, c, 1);
        let relay = Relay::begin(networks["vpc"].as_str().unwrap(), gateway, coordinator);
        scenario.put(authorities, "/etc/eic-doctor/authorities.pem");
        Self { at: format!("{gateway}:{PORT}"), scenario, relay }
    }

    /// The agent as a unit of systemd.
    fn start(&self) {
        let unit = ["systemd-run", "--quiet", "--unit=eic-doctor-agent", "--property=Restart=always"];
        let run = [unit.as_slice(), self.agent("run").as_slice()].concat();
        assert_eq!(self.exec(&run)["returncode"], 0);
    }

    fn agent<'a>(&'a self, mode: &'a str) -> [&'a str; 7] {
        [
            "/usr/bin/eic-doctor-agent",
            mode,
            "--config=/dev/null",
            "--coordinator",
            &self.at,
            "--server-name=coordinator.test",
            "--authorities=/etc/eic-doctor/authorities.pem",
        ]
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
