//! Errors of AWS calls, classified in one place: "you may not" and "I am ill" are different things.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use eic_doctor_proto::{Fact, Why, visible};

/// Why a call to AWS brought no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{action}: {text}")]
pub struct Refused {
    /// The IAM action of the call: `ec2:DescribeInstances`.
    pub action: &'static str,
    pub kind: RefusedKind,
    /// AWS's own error code, where AWS answered.
    pub code: Option<String>,
    /// One line, safe to print.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedKind {
    /// The credentials are good, but IAM does not let them call this.
    NotPermitted,
    /// AWS looked, and there is no such thing.
    NotFound,
    /// The credentials are missing, expired or wrong.
    Credentials,
    Throttled,
    TimedOut,
    /// Everything else: AWS is ill, does not know the operation, cannot be reached, or answered something unreadable.
    Ill,
}

/// What a call to AWS answers.
pub type Answer<T> = Result<T, Refused>;

impl Refused {
    pub fn new(action: &'static str, kind: RefusedKind, text: impl AsRef<str>) -> Self {
        Self { action, kind, code: None, text: visible(text.as_ref()).into_owned() }
    }

    pub fn of<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        match error {
            SdkError::ServiceError(context) => match context.err().code() {
                Some(code) => Self::from_code(action, code, context.err().message().unwrap_or_default()),
                None => {
                    let status = status.map_or_else(String::new, |status| format!("HTTP {status}, "));
                    Self::new(action, RefusedKind::Ill, format!("{status}an answer without an error code"))
                }
            },
            SdkError::TimeoutError(_) => Self::new(action, RefusedKind::TimedOut, "timed out"),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                Self::new(action, RefusedKind::TimedOut, "timed out")
            }
            SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) => {
                let chain = chain(error);
                let chain = chain.strip_prefix("dispatch failure: ").unwrap_or(&chain);
                let kind = if chain.contains("credential") { RefusedKind::Credentials } else { RefusedKind::Ill };
                Self::new(action, kind, chain)
            }
            // An HTML page of a proxy or of a server that is ill, say: never AWS's verdict.
            _ => {
                let status = status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
                Self::new(action, RefusedKind::Ill, format!("the answer cannot be read{status}: {}", chain(error)))
            }
        }
    }

    /// From the error code and message that AWS sent.
    pub fn from_code(action: &'static str, code: &str, message: &str) -> Self {
        let kind = kind_of(code);
        let text = match kind {
            RefusedKind::NotPermitted => not_permitted_text(message),
            _ if message.is_empty() => code.to_owned(),
            _ => format!("{code}: {}", shortened(message)),
        };
        Self { code: Some(code.to_owned()), ..Self::new(action, kind, text) }
    }

    /// Another try may bring an answer: nothing came, or AWS said that it is ill itself.
    pub fn may_pass(&self) -> bool {
        const ILL: &[&str] =
            &["InternalFailure", "InternalError", "ServiceUnavailable", "Unavailable", "RequestTimeout"];
        self.code.as_deref().is_none_or(|code| ILL.contains(&code.strip_suffix("Exception").unwrap_or(code)))
    }

    /// That it was refused so many times.
    #[must_use]
    pub fn after(mut self, times: u32) -> Self {
        self.text = format!("{} ({times} times)", self.text);
        self
    }

    pub fn is_not_found(&self) -> bool {
        self.kind == RefusedKind::NotFound
    }

    pub fn why(&self) -> Why {
        if self.kind == RefusedKind::NotPermitted {
            let mut why = Why::not_permitted(self.action);
            if !self.text.is_empty() {
                why.reason = format!("{} ({})", why.reason, self.text);
            }
            return why;
        }
        Why::new(self.to_string())
    }

    pub fn into_fact<T>(self) -> Fact<T> {
        if self.is_not_found() { Fact::Absent } else { Fact::Unreadable(self.why()) }
    }
}

/// A fact from an answer.
pub fn fact<T>(answer: Answer<T>) -> Fact<T> {
    answer.map_or_else(Refused::into_fact, Fact::Known)
}

/// Codes as EC2, IAM, STS and SSM write them, with and without the suffixes that their protocols add.
fn kind_of(code: &str) -> RefusedKind {
    let bare = code.strip_prefix("Client.").unwrap_or(code);
    let bare = bare.strip_suffix("Exception").unwrap_or(bare);
    match bare {
        "UnauthorizedOperation" | "AccessDenied" | "NotAuthorized" => RefusedKind::NotPermitted,
        "AuthFailure"
        | "ExpiredToken"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClient"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "SignatureDoesNotMatch"
        | "InvalidSignature"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "NotSignedUp"
        | "Blocked"
        | "PendingVerification" => RefusedKind::Credentials,
        "Throttling"
        | "ThrottledRequest"
        | "RequestThrottled"
        | "RequestLimitExceeded"
        | "TooManyRequests"
        | "SlowDown"
        | "BandwidthLimitExceeded" => RefusedKind::Throttled,
        "RequestTimeout" => RefusedKind::TimedOut,
        "NoSuchEntity" | "InvalidAMIID.Unavailable" => RefusedKind::NotFound,
        _ if bare.ends_with(".NotFound") => RefusedKind::NotFound,
        _ => RefusedKind::Ill,
    }
}

/// Who was refused and by which rule, out of `User: ARN is not authorized to perform: ACTION on resource: … because …`.
fn not_permitted_text(message: &str) -> String {
    let who =
        message.split_once("User: ").and_then(|(_, rest)| rest.split_once(" is not authorized")).map(|(who, _)| who);
    let because = message.split_once(" because ").map(|(_, rest)| rest);
    let denied = message.split_once(" with an explicit deny").map(|(_, rest)| format!("explicit deny{rest}"));
    let because = because.map(str::to_owned).or(denied).map(|rest| {
        let end = rest.find(" Encoded authorization").or_else(|| rest.find(". ")).unwrap_or(rest.len());
        rest.get(..end).unwrap_or(&rest).trim_end_matches('.').to_owned()
    });
    match (who, because) {
        // That nobody allowed it is what being refused means; who denied it is worth saying.
        (Some(who), Some(because)) if because.starts_with("no identity-based policy allows") => who.to_owned(),
        (Some(who), Some(because)) => format!("{who}: {because}"),
        (Some(who), None) => who.to_owned(),
        (None, Some(because)) => because,
        (None, None) => String::new(),
    }
}

fn shortened(message: &str) -> String {
    const LIMIT: usize = 300;
    let mut short: String = message.chars().take(LIMIT).collect();
    if message.chars().nth(LIMIT).is_some() {
        short.push('…');
    }
    short
}

/// The error with its sources, each once, in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = error.to_string();
        if parts.last() != Some(&part) {
            parts.push(part);
        }
        next = error.source();
    }
    visible(&shortened(&parts.join(": "))).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_action_who_was_refused_and_the_rule() {
        let message = "User: arn:aws:iam::1:user/ann is not authorized to perform: iam:GetRole on resource: role ops with an \
                       explicit deny";
        let why = Refused::from_code("iam:GetRole", "AccessDenied", message).why();
        assert_eq!(why.reason, "the credentials may not call iam:GetRole (arn:aws:iam::1:user/ann: explicit deny)");
        let message = "You are not authorized to perform this operation. User: arn:aws:iam::1:user/ann is not authorized to \
                       perform: ec2:DescribeVpcs with an explicit deny in a service control policy. \
                       Encoded authorization failure message: AAAA";
        let why = Refused::from_code("ec2:DescribeVpcs", "UnauthorizedOperation", message).why();
        assert_eq!(why.missing_action.as_deref(), Some("ec2:DescribeVpcs"));
        assert_eq!(
            why.reason,
            "the credentials may not call ec2:DescribeVpcs (arn:aws:iam::1:user/ann: explicit deny in a service control policy)"
        );
    }

    #[test]
    fn you_may_not_and_i_am_ill_are_told_apart() {
        use RefusedKind::*;
        for (code, kind) in [
            ("UnauthorizedOperation", NotPermitted),
            ("AccessDenied", NotPermitted),
            ("AccessDeniedException", NotPermitted),
            ("AuthFailure", Credentials),
            ("ExpiredTokenException", Credentials),
            ("ExpiredToken", Credentials),
            ("UnrecognizedClientException", Credentials),
            ("RequestLimitExceeded", Throttled),
            ("ThrottlingException", Throttled),
            ("InvalidInstanceID.NotFound", NotFound),
            ("InvalidAMIID.Unavailable", NotFound),
            ("NoSuchEntity", NotFound),
            ("NoSuchEntityException", NotFound),
            ("InvalidAction", Ill),
            ("InternalFailure", Ill),
        ] {
            assert_eq!(Refused::from_code("x:Y", code, "m").kind, kind, "{code}");
        }
    }

    #[test]
    fn a_message_with_escape_sequences_is_made_visible() {
        let refused = Refused::from_code("x:Y", "InternalFailure", "a\u{1b}[2Jb");
        assert!(!refused.to_string().contains('\u{1b}'));
    }
}
