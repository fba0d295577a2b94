//! The text that AWS-RunShellScript runs: the agent where it is installed, else the probe script.

use eic_doctor_proto::{Attempt, quote};

/// Each part defines functions that the last one, the script itself, calls.
const PROBE: [&str; 8] = [
    include_str!("../probe/account.sh"),
    include_str!("../probe/trust.sh"),
    include_str!("../probe/security.sh"),
    include_str!("../probe/firewall.sh"),
    include_str!("../probe/network.sh"),
    include_str!("../probe/resources.sh"),
    include_str!("../probe/log.sh"),
    include_str!("../probe/probe.sh"),
];

/// Who may gather the facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Courier {
    /// The agent where it is installed and works, else the probe script.
    Auto,
    AgentOnly,
    ScriptOnly,
}

/// A script for `/bin/sh`. The attempt's values stand in it only as quoted assignments; each has passed the pattern of its type
/// (OS user, number, CIDR, address), so none can be shell text. No `{{`, which SSM would take for one of its parameters.
pub fn ssm_script(attempt: &Attempt, courier: Courier) -> String {
    let source = attempt.source.map(|source| source.to_string()).unwrap_or_default();
    let address = attempt.address.map(|address| address.to_string()).unwrap_or_default();
    let source_address = attempt.source.map(|source| source.addr().to_string()).unwrap_or_default();
    let mut script = String::from("#!/bin/sh\n");
    for (name, value) in [
        ("eic_os_user", attempt.os_user.as_str()),
        ("eic_port", &attempt.port.to_string()),
        ("eic_via", attempt.via.word()),
        ("eic_source", &source),
        ("eic_source_address", &source_address),
        ("eic_address", &address),
    ] {
        script.push_str(&format!("{name}={}\n", quote(value)));
    }
    if courier != Courier::ScriptOnly {
        script.push_str(AGENT);
    }
    match courier {
        Courier::AgentOnly => script.push_str(NO_AGENT),
        Courier::Auto | Courier::ScriptOnly => script.extend(PROBE),
    }
    script
}

/// Where packages and images put the agent. An agent that fails or prints no block is passed over.
const AGENT: &str = r#"for eic_agent in /usr/bin/eic-doctor-agent /usr/local/bin/eic-doctor-agent /opt/eic-doctor/bin/eic-doctor-agent; do
  [ -x "$eic_agent" ] || continue
  set -- ssm --os-user "$eic_os_user" --port "$eic_port" --via "$eic_via"
  [ -z "$eic_source" ] || set -- "$@" --source "$eic_source"
  [ -z "$eic_address" ] || set -- "$@" --address "$eic_address"
  if eic_block=$("$eic_agent" "$@" 2>/dev/null); then
    printf '%s\n' "$eic_block"
    exit 0
  fi
done
"#;

const NO_AGENT: &str = "echo 'eic-doctor-agent is not installed here, or does not run' >&2\nexit 1\n";
