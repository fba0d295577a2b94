use eic_doctor_agent::checks::log::login::{Login, Outcome, logins};
use eic_doctor_agent::facts::{OsFacts, RecentLog};
use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::{Attempt, Evidence, Finding, Remedy, Verdict, check};

use crate::checks::trail;
use crate::facts::{Facts, TrailEvent, seconds};

check! {
    /// The last key that AWS took was followed by a login.
    ///
    /// ## Why it matters
    ///
    /// AWS records when a key was pushed, the instance logs who came to sshd. Together they say where an attempt ended: a key that was
    /// pushed while nobody came to sshd in the minute of its life means that packets were lost on the way (or that the client never
    /// connected), and no file on the instance needs to be looked at. A login that sshd refused in that minute reached it, so the network
    /// is well. The instance's log is looked at for the last 15 minutes, and CloudTrail tells of a push some minutes after it: ask again
    /// shortly after an attempt that failed.
    ///
    /// ## How to look by hand
    ///
    /// `aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=SendSSHPublicKey`; on the instance
    /// `journalctl -u ssh -u sshd --since -15min`
    ///
    /// ## How to mend
    ///
    /// Nobody came: look at the network's checks for the client's own address, and at what lies before AWS, such as the client's firewall
    /// or proxy. Somebody came and was refused: `os.log.recent-attempts` says why.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Connect to a Linux instance using EC2 Instance Connect": a pushed key is kept for 60 seconds
    /// - EC2 User Guide, "Log Amazon EC2 API calls using AWS CloudTrail"
    pub static CHECK: Facts = {
        id: "both.connection.last-push",
        title: "the last pushed key was followed by a login",
        needs: ["aws.instance.exists", "aws.instance.running", "os.log.recent-attempts"],
        actions: ["cloudtrail:LookupEvents"],
        required: false,
        judge: judge,
    }
}

const TRAIL: &str = "cloudtrail:LookupEvents";
/// Seconds that a pushed key is kept.
const KEPT: u64 = 60;
/// Seconds by which the two clocks may differ, and a login may take to be logged.
const SLACK: u64 = 10;

fn judge(facts: &Facts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let user = attempt.os_user.as_str();
    let pushes = facts.aws.pushes.need("CloudTrail's events of SendSSHPublicKey")?;
    let own = trail::principal(&facts.aws, attempt);
    // Somebody else's program may push without ever connecting.
    let is_taken = |event: &&TrailEvent| {
        event.record.error_code.is_none()
            && event.record.request_parameters.os_user.as_deref() == Some(user)
            && own.as_ref().is_none_or(|own| trail::is_of(event, own))
    };
    let Some(push) = trail::newest(pushes.iter().filter(is_taken)) else {
        return Ok(Verdict::not_applicable(format!(
            "CloudTrail tells of no key that this principal pushed for {user} in the last day"
        )));
    };
    let os = facts.os.need("what the instance logged")?;
    let Some(recent) = os.log.recent.present("the log of logins")? else {
        return Ok(Verdict::not_applicable("this system keeps no log of logins"));
    };
    let at = push
        .time()
        .and_then(seconds)
        .ok_or_else(|| Verdict::unknown("CloudTrail's event has no time that could be read"))?;
    let pushed_at = by_the_instances_clock(os, at);
    let alive = pushed_at.saturating_sub(SLACK)..=pushed_at + KEPT + SLACK;
    let all = logins(recent);
    let came: Vec<&Login<'_>> =
        all.iter().filter(|login| login.user == Some(user) && alive.contains(&login.at)).collect();
    let seen = format!("a key for {user} was pushed at {}", rfc3339(at));
    let source = recent.source.to_string();
    if let Some(login) = came.iter().find(|login| matches!(login.outcome(), Outcome::LetIn { .. })) {
        return Ok(Verdict::ok(seen, TRAIL).seen(format!("{user} was let in at {}", rfc3339(login.at)), source));
    }
    if let Some(login) = came.last() {
        let remedy = Remedy::by_hand(
            "The network let the attempt through to sshd: look at `os.log.recent-attempts` and at sshd's other checks, not at AWS's network",
            "The next attempt is let in",
        );
        let why = format!("{seen}, and {user} came to sshd at {} and was not let in", rfc3339(login.at));
        let finding = Finding::new(why, remedy).seen(seen, TRAIL).with(login.evidence(&source));
        return Ok(Verdict::warn(finding));
    }
    if !covers(recent, &alive) {
        return Ok(Verdict::not_applicable(format!(
            "{seen}; the instance's log was looked at for another time, so nothing is known of the login"
        )));
    }
    let remedy = Remedy::by_hand(
        "Look at the way from the client to the instance: whether `--source` is the client's own address, and what stands before AWS (a firewall, a proxy, a VPN); nothing needs to be changed in sshd",
        "The next attempt shows up in the instance's log",
    );
    let why = format!("{seen}, and nobody came to sshd as {user} while the key was alive");
    let looked =
        format!("no line of a login of {user} between {} and {}", rfc3339(*alive.start()), rfc3339(*alive.end()));
    Ok(Verdict::warn(Finding::new(why, remedy).with([Evidence::new(seen, TRAIL), Evidence::new(looked, source)])))
}

/// Every line of the key's life was looked at.
fn covers(recent: &RecentLog, alive: &std::ops::RangeInclusive<u64>) -> bool {
    recent.until > 0 && recent.from <= *alive.start() && recent.until >= *alive.end()
}

fn by_the_instances_clock(os: &OsFacts, at: u64) -> u64 {
    let answers = [&os.imds.as_root.region, &os.imds.as_keys_user.region];
    let ahead = answers.into_iter().find_map(|answer| answer.known()?.clock_ahead.known().copied()).unwrap_or(0);
    at.saturating_add_signed(ahead)
}

#[cfg(test)]
mod tests {
    use eic_doctor_agent::facts::LogLine;
    use eic_doctor_proto::Fact;
    use serde_json::{Value, json};

    use super::*;
    use crate::facts::AwsFacts;

    /// 2026-11-28T09:00:00Z.
    const PUSHED: u64 = 1_795_856_400;

    fn facts(code: Option<&str>, lines: &[(u64, &str)], (from, until): (u64, u64)) -> Facts {
        let record = json!({
            "eventTime": "2026-11-28T09:00:00Z", "errorCode": code,
            "requestParameters": { "instanceId": "i-1", "instanceOSUser": "ec2-user" },
        });
        let events: Value = json!([{ "EventName": "SendSSHPublicKey", "CloudTrailEvent": record.to_string() }]);
        let line = |(after, message): &(u64, &str)| LogLine {
            at: PUSHED + after,
            program: "sshd".into(),
            pid: 7,
            message: (*message).into(),
        };
        let mut os = OsFacts::default();
        let lines = lines.iter().map(line).collect();
        os.log.recent = Fact::Known(RecentLog { source: "the journal".into(), lines, from, until });
        let pushes = Fact::Known(serde_json::from_value(events).unwrap());
        Facts { aws: AwsFacts { pushes, ..AwsFacts::default() }, os: Fact::Known(os) }
    }

    fn said(facts: &Facts) -> String {
        match judge(facts, &Attempt::usual()) {
            Ok(verdict) | Err(verdict) => format!("{verdict:?}"),
        }
    }

    const WHOLE: (u64, u64) = (PUSHED - 300, PUSHED + 300);
    const LET_IN: &str = "Accepted publickey for ec2-user from 203.0.113.7 port 50000 ssh2: ED25519 SHA256:x";
    const CLOSED: &str = "Connection closed by authenticating user ec2-user 203.0.113.7 port 50000 [preauth]";

    #[test]
    fn the_push_and_the_log_together_tell_where_the_attempt_ended() {
        assert!(said(&facts(None, &[(4, LET_IN)], WHOLE)).starts_with("Ok"));
        let refused = said(&facts(None, &[(4, CLOSED)], WHOLE));
        assert!(refused.starts_with("Warn") && refused.contains("came to sshd"), "{refused}");
        let nobody = said(&facts(None, &[], WHOLE));
        assert!(nobody.starts_with("Warn") && nobody.contains("nobody came to sshd"), "{nobody}");
        // Long after the key was gone.
        assert!(said(&facts(None, &[(200, LET_IN)], WHOLE)).contains("nobody came to sshd"));
    }

    #[test]
    fn what_was_not_looked_at_or_not_pushed_accuses_nobody() {
        for times in [(0, 0), (PUSHED + 5, PUSHED + 300), (PUSHED - 300, PUSHED + 30)] {
            assert!(said(&facts(None, &[], times)).starts_with("NotApplicable"), "{times:?}");
        }
        assert!(said(&facts(Some("AccessDenied"), &[], WHOLE)).starts_with("NotApplicable"));
        assert!(said(&Facts::default()).starts_with("Unknown"));
    }
}
