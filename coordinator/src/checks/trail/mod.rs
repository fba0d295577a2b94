//! What really happened: the last calls of an attempt as CloudTrail recorded them. Nothing of a connection hangs on these.

mod last_push;
mod last_tunnel;

use eic_doctor_proto::{Attempt, Check, Evidence, Finding, Remedy, Verdict};

use crate::arn::{Principal, PrincipalKind};
use crate::facts::{AwsFacts, TrailEvent, seconds};

pub const ALL: &[&Check<AwsFacts>] = &[&last_push::CHECK, &last_tunnel::CHECK];

const AT: &str = "cloudtrail:LookupEvents";
const LATE: &str = "it tells of a call some minutes after it";
/// Characters of an error's message.
const MESSAGE: usize = 300;

/// What was called, in words.
struct Call {
    /// `push of a key`.
    what: &'static str,
    /// `pushed a key for ec2-user`.
    done: fn(&TrailEvent) -> String,
    /// What to do where AWS said only that it is not allowed.
    not_allowed: &'static str,
}

/// The newest, whatever the order they are told in; of two in the same second the one that was answered, for who was let in once is not kept out.
pub(super) fn newest<'a>(events: impl Iterator<Item = &'a TrailEvent>) -> Option<&'a TrailEvent> {
    let place = |event: &TrailEvent| (event.time().and_then(seconds), event.record.error_code.is_none());
    // Of equal ones the first, since AWS tells the newest first.
    events.fold(None, |best: Option<&TrailEvent>, event| match best {
        Some(known) if place(known) >= place(event) => Some(known),
        _ => Some(event),
    })
}

/// The last call of the attempt's principal; where nobody knows who that is, of anybody.
fn verdict(events: &[&TrailEvent], facts: &AwsFacts, attempt: &Attempt, call: &Call) -> Verdict {
    let what = call.what;
    let own = principal(facts, attempt);
    let is_own = |event: &&TrailEvent| own.as_ref().is_none_or(|own| is_of(event, own));
    let Some(event) = newest(events.iter().copied().filter(is_own)) else {
        let others = if events.is_empty() { "" } else { " by this principal, though by others" };
        return Verdict::not_applicable(format!(
            "CloudTrail tells of no {what}{others}, as far back as was looked, at most a day; {LATE}"
        ));
    };
    let who = who_of(event);
    let at = event.time().unwrap_or("an unknown time");
    let from = event.record.source_ip_address.as_deref().map_or_else(String::new, |from| format!(" from {from}"));
    let Some(code) = event.record.error_code.as_deref() else {
        return Verdict::ok(format!("at {at} {who} {}{from}", (call.done)(event)), AT);
    };
    let said = event.record.error_message.as_deref().unwrap_or_default();
    let said: String = said.chars().take(MESSAGE).collect();
    // What is wrong with everybody's calls is over when anybody's was answered.
    let later = newest(events.iter().copied());
    if !is_of_the_caller(code)
        && let Some(later) = later.filter(|later| later.record.error_code.is_none())
    {
        let seen = format!("at {} {} {}", later.time().unwrap_or_default(), who_of(later), (call.done)(later));
        return Verdict::ok(seen, AT).seen(format!("{code} at {at}, before that"), AT);
    }
    let Some((why, mend)) = refusal(code, call) else {
        return Verdict::not_applicable(format!(
            "the last {what} was refused at {at} with {code}, which the instance's state then explains"
        ));
    };
    let remedy = Remedy::by_hand(
        mend,
        format!("Another {what} is answered without an error; CloudTrail tells of it some minutes later"),
    );
    let finding = Finding::new(format!("the last {what} was refused at {at}: {why}"), remedy)
        .with([Evidence::new(format!("{code}: {said}"), AT), Evidence::new(format!("{who}{from}"), AT)]);
    Verdict::warn(finding)
}

fn who_of(event: &TrailEvent) -> &str {
    event.record.user_identity.arn.as_deref().unwrap_or("somebody")
}

/// An error that hangs on who called, or on what was sent.
fn is_of_the_caller(code: &str) -> bool {
    let name = code.rsplit('.').next().unwrap_or(code);
    let name = name.strip_suffix("Exception").unwrap_or(name);
    !matches!(
        name,
        "Throttling" | "TooManyRequests" | "Service" | "Internal" | "EC2InstanceNotFound" | "ResourceNotFound"
    )
}

/// What an error means and what to do; `None` for one that passes with the instance's state, which has a check of its own.
///
/// Source: EC2 Instance Connect API Reference, errors of SendSSHPublicKey.
fn refusal(code: &str, call: &Call) -> Option<(String, String)> {
    let name = code.rsplit('.').next().unwrap_or(code);
    let name = name.strip_suffix("Exception").unwrap_or(name);
    let (why, mend) = match name {
        "EC2InstanceStateInvalid" | "EC2InstanceUnavailable" => return None,
        "AccessDenied" | "UnauthorizedOperation" | "Auth" => ("it is not allowed", call.not_allowed),
        "Throttling" | "TooManyRequests" => {
            ("there were too many calls", "Wait a minute before the next try, and look for what calls so often")
        }
        "InvalidArgs" | "Validation" => (
            "AWS takes an argument for malformed",
            "Push a public key of RSA or Ed25519 in OpenSSH's form, for an OS user's name of at most 32 characters",
        ),
        "EC2InstanceNotFound" | "ResourceNotFound" => {
            ("AWS found no such instance", "Call in the instance's own Region, with credentials of its account")
        }
        "Service" | "Internal" => {
            ("AWS's service failed", "Try again; the AWS Health Dashboard tells of troubles in the Region")
        }
        _ => (code, "Look up the error in the EC2 Instance Connect API Reference"),
    };
    Some((why.to_owned(), mend.to_owned()))
}

/// Who makes the attempt: the principal that was named, else the caller.
pub(super) fn principal(facts: &AwsFacts, attempt: &Attempt) -> Option<Principal> {
    let caller = || facts.caller.known().and_then(|caller| caller.arn.as_deref());
    attempt.principal.as_deref().or_else(caller)?.parse().ok()
}

/// A session is its role's, whatever its name.
pub(super) fn is_of(event: &TrailEvent, own: &Principal) -> bool {
    let Some(theirs) = event.record.user_identity.arn.as_deref().and_then(|arn| arn.parse::<Principal>().ok()) else {
        return false;
    };
    theirs.account == own.account && theirs.partition == own.partition && same(&theirs.kind, &own.kind)
}

fn same(a: &PrincipalKind, b: &PrincipalKind) -> bool {
    use PrincipalKind::{AssumedRole, Role};
    match (a, b) {
        (AssumedRole { role: a } | Role { name: a }, AssumedRole { role: b } | Role { name: b }) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Via, Why};
    use serde_json::{Value, json};

    use super::*;
    use crate::facts::Instance;

    const ROLE: &str = "arn:aws:iam::123456789012:role/eic/connector";

    /// Newest first: session of which role, error code.
    fn facts(calls: &[(&str, Option<&str>)]) -> AwsFacts {
        let event = |(number, (role, code)): (usize, &(&str, Option<&str>))| {
            let record = json!({
                "eventTime": format!("2026-11-28T09:{:02}:00Z", 59 - number),
                "userIdentity": { "arn": format!("arn:aws:sts::123456789012:assumed-role/{role}/me") },
                "sourceIPAddress": "203.0.113.7",
                "errorCode": code,
                "errorMessage": code.map(|_| "is not authorized to perform: \u{1b}[31mx"),
                "requestParameters": { "instanceId": "i-1", "instanceOSUser": "ec2-user", "privateIpAddress": "10.0.0.5", "remotePort": "22" },
            });
            json!({ "EventName": "SendSSHPublicKey", "CloudTrailEvent": record.to_string() })
        };
        let events: Value = calls.iter().enumerate().map(event).collect();
        let events: Fact<Vec<TrailEvent>> = Fact::Known(serde_json::from_value(events).unwrap());
        AwsFacts {
            instance: Fact::Known(Instance::default()),
            pushes: events.clone(),
            tunnels: events,
            ..AwsFacts::default()
        }
    }

    fn said(check: &Check<AwsFacts>, facts: &AwsFacts) -> String {
        let attempt = Attempt { principal: Some(ROLE.into()), via: Via::Endpoint, ..Attempt::usual() };
        match (check.judge)(facts, &attempt) {
            Ok(verdict) | Err(verdict) => format!("{verdict:?}"),
        }
    }

    #[test]
    fn the_last_call_of_the_principal_decides_whatever_others_do() {
        for check in ALL {
            let of = |calls: &[(&str, Option<&str>)]| said(check, &facts(calls));
            assert!(of(&[]).starts_with("NotApplicable"), "{}", of(&[]));
            assert!(of(&[("connector", None), ("connector", Some("AccessDenied"))]).starts_with("Ok"));
            assert!(of(&[("connector", Some("AccessDenied")), ("connector", None)]).starts_with("Warn"));
            assert!(of(&[("other", None), ("connector", Some("Client.UnauthorizedOperation"))]).starts_with("Warn"));
            for code in [Some("AccessDenied"), None] {
                let others = of(&[("other", code)]);
                assert!(others.starts_with("NotApplicable") && others.contains("by others"), "{others}");
            }
        }
    }

    #[test]
    fn the_order_in_which_events_are_told_does_not_matter_and_in_one_second_the_answered_call_counts() {
        let mut later = facts(&[("connector", None), ("connector", Some("AccessDenied"))]);
        let Fact::Known(events) = &mut later.pushes else { panic!("no events") };
        events.reverse();
        assert!(said(&last_push::CHECK, &later).starts_with("Ok"));
        let mut together = facts(&[("connector", Some("AccessDenied")), ("connector", None)]);
        let Fact::Known(events) = &mut together.pushes else { panic!("no events") };
        events[0].record.event_time = events[1].record.event_time.clone();
        assert!(said(&last_push::CHECK, &together).starts_with("Ok"));
    }

    #[test]
    fn what_is_wrong_with_everybodys_calls_is_over_when_anybodys_was_answered() {
        let of = |code: &str| said(&last_push::CHECK, &facts(&[("other", None), ("connector", Some(code))]));
        assert!(of("ThrottlingException").starts_with("Ok"), "{}", of("ThrottlingException"));
        assert!(of("ServiceException").starts_with("Ok"));
        assert!(of("InvalidArgsException").starts_with("Warn"));
        let before = said(&last_push::CHECK, &facts(&[("connector", Some("ServiceException")), ("other", None)]));
        assert!(before.starts_with("Warn"), "{before}");
    }

    #[test]
    fn an_error_of_the_instances_state_is_no_finding_and_an_unknown_one_is_named() {
        let of = |code: &str| said(&last_push::CHECK, &facts(&[("connector", Some(code))]));
        assert!(of("EC2InstanceStateInvalidException").starts_with("NotApplicable"));
        assert!(of("ThrottlingException").contains("too many calls"));
        assert!(of("SomethingNewException").contains("SomethingNewException"));
        assert!(!of("AccessDenied").contains('\u{1b}'));
    }

    #[test]
    fn a_tunnel_to_another_port_says_nothing_of_ssh() {
        let mut facts = facts(&[("connector", Some("AccessDenied")), ("connector", None)]);
        let Fact::Known(events) = &mut facts.tunnels else { panic!("no events") };
        events[0].record.request_parameters.remote_port = Some("3389".into());
        assert!(said(&last_tunnel::CHECK, &facts).starts_with("Ok"));
    }

    #[test]
    fn a_key_for_another_os_user_says_nothing_of_this_one() {
        let mut facts = facts(&[("connector", Some("AccessDenied")), ("connector", None)]);
        let Fact::Known(events) = &mut facts.pushes else { panic!("no events") };
        events[0].record.request_parameters.os_user = Some("root".into());
        assert!(said(&last_push::CHECK, &facts).starts_with("Ok"));
        let Fact::Known(events) = &mut facts.pushes else { panic!("no events") };
        events[0].record.request_parameters.os_user = None;
        assert!(said(&last_push::CHECK, &facts).starts_with("Warn"));
    }

    #[test]
    fn a_refused_lookup_is_unknown_with_its_permission() {
        let facts =
            AwsFacts { pushes: Fact::Unreadable(Why::not_permitted("cloudtrail:LookupEvents")), ..AwsFacts::default() };
        let said = said(&last_push::CHECK, &facts);
        assert!(said.starts_with("Unknown") && said.contains("cloudtrail:LookupEvents"), "{said}");
    }
}
