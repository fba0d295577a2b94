//! What a result is compared by.

use eic_doctor_proto::{CheckResult, Status};
use ring::digest::{Context, SHA256};

use super::stable::masked;

/// Grows when results that were equal become unequal by a change of this file or of `stable.rs`.
pub(super) const RULES: u8 = 1;

/// Checks whose evidence is what happened, not what is: each attempt brings other evidence, so the status alone is their state.
const OF_EVENTS: [&str; 3] = ["os.log.", "aws.trail.", "both.connection."];

/// Two results with the same state are the same for drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub status: Status,
    /// 0 where the status alone counts.
    pub print: u64,
}

/// Status, and for `warn` and `fail` what is wrong and the evidence for it: without times, durations and counters, in any order.
pub fn fingerprint(result: &CheckResult) -> State {
    let status = result.status;
    if !status.is_finding() || OF_EVENTS.iter().any(|area| result.id.starts_with(area)) {
        return State { status, print: 0 };
    }
    let mut evidence: Vec<(String, String)> =
        result.evidence.iter().map(|evidence| (masked(&evidence.seen), masked(&evidence.at))).collect();
    evidence.sort();
    evidence.dedup();
    let mut digest = Context::new(&SHA256);
    let mut add = |text: &str| {
        // With its length, so that no two lists of texts run together.
        digest.update(&(text.len() as u64).to_le_bytes());
        digest.update(text.as_bytes());
    };
    add(&masked(&result.why));
    for (seen, at) in &evidence {
        add(seen);
        add(at);
    }
    State { status, print: first_eight(digest.finish().as_ref()) }
}

/// Names a check in the compact state.
pub(super) fn key(check_id: &str) -> u64 {
    first_eight(ring::digest::digest(&SHA256, check_id.as_bytes()).as_ref())
}

/// Which program's words the fingerprints are of: with another version the same finding may be worded otherwise.
pub(super) fn writer() -> u32 {
    let version = format!("{RULES} {}", env!("CARGO_PKG_VERSION"));
    u32::try_from(key(&version) >> 32).unwrap_or_default()
}

fn first_eight(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Evidence;

    use super::*;
    use crate::drift::held::testing::result;

    fn of(why: &str, evidence: &[(&str, &str)]) -> State {
        let mut result = result("os.sshd.port", Status::Fail);
        result.why = why.to_owned();
        result.evidence = evidence.iter().map(|(seen, at)| Evidence::new(seen, at)).collect();
        fingerprint(&result)
    }

    #[test]
    fn evidence_in_another_order_or_seen_at_another_time_is_the_same_state() {
        let first = of(
            "sshd listens on port 2222 and answers nobody since 12 s",
            &[
                ("sshd[812] listens on 0.0.0.0:2222", "/proc/812/net/tcp"),
                ("41 of 512 tasks, load 0.12", "pids.max, 2026-11-28T13:20:34Z"),
            ],
        );
        let second = of(
            "sshd listens on port 2222 and answers nobody since 3.5 min",
            &[
                ("57 of 512 tasks, load 3", "pids.max, 2026-11-29T01:02:03.25Z"),
                ("sshd[9021] listens on 0.0.0.0:2222", "/proc/9021/net/tcp"),
            ],
        );
        assert_eq!(first, second);
        assert_ne!(first.print, 0);
    }

    #[test]
    fn another_rule_port_address_or_place_is_another_state() {
        let why = "sg-0a1b has no inbound rule for tcp/22 from 203.0.113.7/32 (3 rules read)";
        let seen = [("entry 100 denies tcp/22", "acl-0a1b"), ("sshd listens on port 22", "/etc/ssh/sshd_config:13")];
        let first = of(why, &seen);
        assert_eq!(first, of(&why.replace("3 rules", "4 rules"), &seen));
        for (from, to) in [("sg-0a1b", "sg-0a1c"), ("tcp/22", "tcp/23"), ("113.7", "113.8"), ("/32", "/31")] {
            assert_ne!(first, of(&why.replace(from, to), &seen), "{to}");
        }
        let changed = [
            [("entry 90 denies tcp/22", seen[0].1), seen[1]],
            [("entry 100 denies tcp/23", seen[0].1), seen[1]],
            [(seen[0].0, "acl-0a1c"), seen[1]],
            [seen[0], ("sshd listens on port 2222", seen[1].1)],
            [seen[0], (seen[1].0, "/etc/ssh/sshd_config.d/1.conf:13")],
        ];
        for evidence in changed {
            assert_ne!(first, of(why, &evidence), "{evidence:?}");
        }
        assert_ne!(first, of(why, &seen[..1]));
    }

    #[test]
    fn texts_that_read_alike_when_run_together_differ() {
        assert_ne!(of("a", &[("b", "c")]), of("a", &[("bc", "")]));
        assert_ne!(of("ab", &[("", "")]), of("a", &[("b", "")]));
    }

    #[test]
    fn of_what_is_no_finding_the_status_alone_counts() {
        for status in [Status::Ok, Status::Unknown, Status::NotApplicable, Status::Blocked] {
            let mut first = result("os.sshd.port", status);
            first.why = "one".to_owned();
            let mut second = first.clone();
            second.why = "another".to_owned();
            second.evidence.push(Evidence::new("seen", "somewhere"));
            assert_eq!(fingerprint(&first), fingerprint(&second), "{status}");
        }
    }

    #[test]
    fn each_attempt_in_the_log_is_no_other_state() {
        for id in ["os.log.recent-attempts", "aws.trail.last-push", "both.connection.last-push"] {
            let mut first = result(id, Status::Warn);
            first.evidence.push(Evidence::new("Connection closed by 203.0.113.7 port 50022", "journal"));
            let mut second = first.clone();
            second.evidence = vec![Evidence::new("Invalid user root from 198.51.100.1 port 1024", "journal")];
            assert_eq!(fingerprint(&first), fingerprint(&second), "{id}");
        }
    }
}
