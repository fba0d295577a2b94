//! Commands of remedies. Every word that AWS or an instance gave must pass the strict pattern of its kind first.

use std::net::IpAddr;

use eic_doctor_proto::{Attempt, Command, Via};

use crate::facts::AwsFacts;
use crate::path::address;

/// `aws SERVICE OPERATION --region REGION`, and the profile that the caller named.
pub fn aws(facts: &AwsFacts, service: &str, operation: &str) -> Command {
    let command = Command::new("aws").args([service, operation]);
    let command = match facts.region.known().filter(|region| is_region(region)) {
        Some(region) => command.args(["--region", region]),
        None => command,
    };
    with_profile(facts, command)
}

/// `aws SERVICE OPERATION`, of a service that has no Regions.
pub fn aws_global(facts: &AwsFacts, service: &str, operation: &str) -> Command {
    with_profile(facts, Command::new("aws").args([service, operation]))
}

fn with_profile(facts: &AwsFacts, command: Command) -> Command {
    match &facts.asked_with.profile {
        Some(profile) => command.args(["--profile", profile]),
        None => command,
    }
}

/// `eic-doctor check INSTANCE`, in the account and the Region that the caller named.
pub fn check(facts: &AwsFacts) -> Command {
    let check = with_profile(facts, Command::new("eic-doctor").arg("check").args(instance_id(facts)));
    match facts.region.known().filter(|region| facts.asked_with.region && is_region(region)) {
        Some(region) => check.args(["--region", region]),
        None => check,
    }
}

/// An id as AWS makes them: `i-0123456789abcdef0`, `subnet-0a1b2c3d`.
pub fn id(text: Option<&str>) -> Option<&str> {
    text.filter(|text| {
        text.rsplit_once('-').is_some_and(|(kind, number)| {
            kind.starts_with(|c: char| c.is_ascii_lowercase())
                && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && (8..=32).contains(&number.len())
                && number.bytes().all(|b| b.is_ascii_hexdigit())
        })
    })
}

/// The instance's id, where it is one.
pub fn instance_id(facts: &AwsFacts) -> Option<&str> {
    id(facts.instance.known()?.instance_id.as_deref())
}

/// The command that looks again at what was mended.
pub fn recheck(facts: &AwsFacts, only: &str) -> String {
    check(facts).args(["--only", only]).to_string()
}

/// The same attempt again, the part `only` of it.
pub fn recheck_attempt(facts: &AwsFacts, attempt: &Attempt, only: &str) -> String {
    with_way(facts, check(facts), attempt).args(["--only", only]).to_string()
}

/// The flags that say by which way the attempt goes.
pub fn with_way(facts: &AwsFacts, mut check: Command, attempt: &Attempt) -> Command {
    if attempt.via != Via::Auto {
        check = check.args(["--via", attempt.via.word()]);
    }
    if let Some(endpoint) = &attempt.endpoint {
        check = check.args(["--endpoint", endpoint]);
    }
    if let Some(source) = attempt.source.filter(|_| attempt.via != Via::Browser) {
        check = check.args(["--source", &source.to_string()]);
    }
    if let Some(address) = attempt.address.filter(|address| !is_implied(facts, attempt, *address)) {
        check = check.args(["--address", &address.to_string()]);
    }
    if attempt.port != 22 {
        check = check.args(["--port", &attempt.port.to_string()]);
    }
    check
}

/// Whether the way would dial this address when none is named.
fn is_implied(facts: &AwsFacts, attempt: &Attempt, address: IpAddr) -> bool {
    let unnamed = Attempt { address: None, ..attempt.clone() };
    let implied = facts.instance.known().and_then(|instance| address::dialled(instance, &unnamed).ok());
    implied.is_some_and(|implied| implied.address == address)
}

fn is_region(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 32
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use super::*;
    use crate::facts::AskedWith;

    #[test]
    fn what_the_caller_named_is_named_again_and_nothing_else() {
        let mut facts = AwsFacts { region: Fact::Known("eu-west-1".into()), ..AwsFacts::default() };
        assert_eq!(aws(&facts, "ec2", "start").to_string(), "aws ec2 start --region eu-west-1");
        assert_eq!(recheck(&facts, "aws"), "eic-doctor check --only aws");
        facts.asked_with = AskedWith { profile: Some("my team".into()), region: true, auto: false };
        assert_eq!(aws(&facts, "ec2", "start").to_string(), "aws ec2 start --region eu-west-1 --profile 'my team'");
        assert_eq!(recheck(&facts, "aws"), "eic-doctor check --profile 'my team' --region eu-west-1 --only aws");
    }

    #[test]
    fn what_is_no_id_never_becomes_a_word() {
        for good in ["i-0123456789abcdef0", "subnet-0a1b2c3d", "eni-0123456789abcdef0", "pl-0123456789abcdef0"] {
            assert_eq!(id(Some(good)), Some(good));
        }
        for bad in [
            "",
            "--output",
            "i-",
            "i-xyz",
            "i-0123456789abcdef0;reboot",
            "$(reboot)-01234567",
            "-01234567",
            "i-\u{1b}1234567",
        ] {
            assert_eq!(id(Some(bad)), None, "{bad:?}");
        }
        assert!(!is_region("--profile") && !is_region("eu west") && is_region("us-gov-west-1"));
    }
}
