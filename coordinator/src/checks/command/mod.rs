//! Commands of remedies. Every word that AWS or an instance gave must pass the strict pattern of its kind first.

use eic_doctor_proto::{Attempt, Command, Via};

use crate::facts::AwsFacts;

/// `aws SERVICE OPERATION --region REGION`.
pub fn aws(facts: &AwsFacts, service: &str, operation: &str) -> Command {
    let command = Command::new("aws").args([service, operation]);
    match facts.region.known().filter(|region| is_region(region)) {
        Some(region) => command.args(["--region", region]),
        None => command,
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
    let check = Command::new("eic-doctor").arg("check");
    let check = match instance_id(facts) {
        Some(id) => check.arg(id),
        None => check,
    };
    check.args(["--only", only]).to_string()
}

/// The same attempt again, the part `only` of it.
pub fn recheck_attempt(facts: &AwsFacts, attempt: &Attempt, only: &str) -> String {
    let mut check = Command::new("eic-doctor").arg("check").args(instance_id(facts));
    if attempt.via != Via::Auto {
        check = check.args(["--via", attempt.via.word()]);
    }
    if let Some(endpoint) = &attempt.endpoint {
        check = check.args(["--endpoint", endpoint]);
    }
    if let Some(source) = attempt.source.filter(|_| attempt.via != Via::Browser) {
        check = check.args(["--source", &source.to_string()]);
    }
    if attempt.port != 22 {
        check = check.args(["--port", &attempt.port.to_string()]);
    }
    check.args(["--only", only]).to_string()
}

fn is_region(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 32
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

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
