//! What is supplied to the simulator: it looks nothing up by itself.

use std::time::{SystemTime, UNIX_EPOCH};

use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::Attempt;

use crate::facts::ContextEntry;

/// What every question to the simulator is about, besides the principal and the resource.
#[derive(Clone, Copy)]
pub struct About<'a> {
    pub region: &'a str,
    pub attempt: &'a Attempt,
    /// What the user told of the caller's requests, in place of what is supplied otherwise.
    pub context: &'a [ContextEntry],
    /// When the run began, for policies that hold for a time.
    pub now: SystemTime,
}

impl About<'_> {
    /// What is the same in every request of this attempt.
    pub fn of_every_request(&self) -> [ContextEntry; 4] {
        // A clock before 1970 is a broken clock; policies that read the time say so by their answer.
        let now = self.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        [
            entry("aws:RequestedRegion", self.region, "string"),
            entry("aws:CurrentTime", &rfc3339(now), "date"),
            entry("aws:EpochTime", &now.to_string(), "numeric"),
            // The service has no endpoint without TLS, and the console and the AWS CLI use none.
            entry("aws:SecureTransport", "true", "boolean"),
        ]
    }

    /// The entries with those that the user gave. A key is one whatever its case.
    pub fn with_given(&self, mut entries: Vec<ContextEntry>) -> Vec<ContextEntry> {
        let is_given = |name: &str| self.context.iter().any(|given| given.context_key_name.eq_ignore_ascii_case(name));
        entries.retain(|entry| !is_given(&entry.context_key_name));
        entries.extend(self.context.iter().cloned());
        entries
    }
}

pub fn entry(name: &str, value: &str, kind: &str) -> ContextEntry {
    ContextEntry {
        context_key_name: name.to_owned(),
        context_key_values: vec![value.to_owned()],
        context_key_type: kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_is_told_in_both_forms_and_what_the_user_gave_counts_instead() {
        let given = [entry("AWS:currenttime", "2030-01-01T00:00:00Z", "date")];
        let attempt = Attempt::usual();
        let now = UNIX_EPOCH + Duration::from_secs(1_795_856_400);
        let about = About { region: "eu-west-1", attempt: &attempt, context: &[], now };
        let told = |about: About<'_>| -> Vec<(String, String)> {
            let all = about.with_given(about.of_every_request().to_vec());
            let of_time = all.into_iter().filter(|entry| entry.context_key_name.to_ascii_lowercase().contains("time"));
            of_time.map(|entry| (entry.context_key_name, entry.context_key_values.concat())).collect()
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(told(about), [pair("aws:CurrentTime", "2026-11-28T09:00:00Z"), pair("aws:EpochTime", "1795856400")]);
        let given = About { context: &given, ..about };
        assert_eq!(told(given), [pair("aws:EpochTime", "1795856400"), pair("AWS:currenttime", "2030-01-01T00:00:00Z")]);
    }
}
