//! The signed `sts:GetCallerIdentity` request: looked at, sent on as it is, and STS's answer read.
//!
//! The coordinator sends a request that the agent wrote. So it goes to STS's own host of the document's Region, or one that the
//! configuration names, with the one body and the few headers that are made here, and nothing else of the agent's.

use std::time::Duration;

use async_trait::async_trait;
use eic_doctor_proto::wire::v1::SignedCallerIdentity;
use serde::Deserialize;

use super::document::millis;
use crate::store::Millis;

pub const CHALLENGE_HEADER: &str = "x-eic-doctor-challenge";
pub const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
/// STS takes no request whose date is further from its own clock.
pub const MAX_SKEW: Duration = Duration::from_secs(15 * 60);
/// Of STS's answer that the sender has to read: more is no answer of STS.
pub const MAX_ANSWER: usize = 16 * 1024;

const MAX_AUTHORIZATION: usize = 1024;
/// STS says that tokens' length may grow; 4,096 is what it advises to be ready for at the least.
const MAX_TOKEN: usize = 16 * 1024;
/// Whatever else is signed would have to be sent too.
const SIGNED_ALWAYS: [&str; 4] = ["host", "x-amz-date", "x-amz-security-token", CHALLENGE_HEADER];
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

/// A request that was found in order, ready to be sent: `POST / HTTP/1.1` to `host`, with exactly these headers.
#[derive(Clone, PartialEq, Eq)]
pub struct CallerIdentityRequest {
    pub host: String,
    /// Names in lower case; `host` is among them.
    pub headers: Vec<(&'static str, String)>,
    pub body: &'static str,
}

/// Who signed, as STS says: always a role's session, as an instance's role is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerIdentity {
    pub account_id: String,
    pub role: String,
    pub session_name: String,
}

/// Sends a request on. The one thing here that needs a network.
#[async_trait]
pub trait GetCallerIdentity: Send + Sync {
    /// STS's status and body, whatever they are.
    ///
    /// # Errors
    /// When there was no answer: why.
    async fn get_caller_identity(&self, request: &CallerIdentityRequest) -> Result<(u16, Vec<u8>), String>;
}

/// Why a signed request is not sent on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedRequestError {
    #[error("the host `{0}` is not STS's of the instance's Region, nor configured")]
    Host(String),
    #[error("the date `{0}` is not of the form `20261128T123456Z`")]
    Date(String),
    #[error("it was signed {0} s away from the coordinator's time: one of the two clocks is wrong")]
    NotFresh(u64),
    #[error("the `Authorization` is not of Signature Version 4 for STS in the instance's Region")]
    Authorization,
    #[error("`{0}` is not among the signed headers, once and in order")]
    NotSigned(&'static str),
    #[error("a header is signed that would not be sent")]
    OtherHeader,
    #[error("the security token is none")]
    Token,
}

/// Why STS's answer names no caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The signature, the token or the clock is wrong.
    #[error("STS refuses the signed request: {0}")]
    Refused(String),
    /// Not a verdict on the request.
    #[error("STS answered with status {0}, which tells nothing")]
    NoVerdict(u16),
    #[error("STS's answer is not a caller identity")]
    Malformed,
    #[error("the caller `{0}` is not a role's session")]
    NoRoleSession(String),
}

impl CallerIdentityRequest {
    /// Holds what the agent sent against what an instance's own role would sign for this challenge.
    ///
    /// # Errors
    /// When a part is not as it has to be.
    pub fn build(
        signed: &SignedCallerIdentity,
        challenge: &[u8; 32],
        region: &str,
        other_hosts: &[String],
        now: Millis,
    ) -> Result<CallerIdentityRequest, SignedRequestError> {
        if signed.host != sts_host(region) && !other_hosts.contains(&signed.host) {
            return Err(SignedRequestError::Host(bounded(&signed.host)));
        }
        let at = amz_millis(&signed.date).ok_or_else(|| SignedRequestError::Date(bounded(&signed.date)))?;
        let skew = Duration::from_millis(at.abs_diff(now));
        if skew > MAX_SKEW {
            return Err(SignedRequestError::NotFresh(skew.as_secs()));
        }
        let is_token = |b: u8| b.is_ascii_graphic();
        if signed.security_token.is_empty()
            || signed.security_token.len() > MAX_TOKEN
            || !signed.security_token.bytes().all(is_token)
        {
            return Err(SignedRequestError::Token);
        }
        let headers = signed_headers(&signed.authorization, &signed.date, region)?;
        for name in SIGNED_ALWAYS {
            if headers.iter().filter(|header| **header == name).count() != 1 {
                return Err(SignedRequestError::NotSigned(name));
            }
        }
        if headers.iter().any(|name| !SIGNED_ALWAYS.contains(name) && *name != CONTENT_TYPE.0) {
            return Err(SignedRequestError::OtherHeader);
        }
        let hex: String = challenge.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(CallerIdentityRequest {
            host: signed.host.clone(),
            headers: vec![
                ("host", signed.host.clone()),
                (CONTENT_TYPE.0, CONTENT_TYPE.1.to_owned()),
                ("accept", "application/json".to_owned()),
                ("x-amz-date", signed.date.clone()),
                ("x-amz-security-token", signed.security_token.clone()),
                (CHALLENGE_HEADER, hex),
                ("authorization", signed.authorization.clone()),
            ],
            body: BODY,
        })
    }
}

/// Where STS answers in a Region.
pub fn sts_host(region: &str) -> String {
    let mut words = region.split('-');
    let domain = match (words.next(), words.next()) {
        (Some("cn"), _) => "amazonaws.com.cn",
        (Some("eusc"), _) => "amazonaws.eu",
        (Some("us"), Some("iso")) => "c2s.ic.gov",
        (Some("us"), Some("isob")) => "sc2s.sgov.gov",
        _ => "amazonaws.com",
    };
    format!("sts.{region}.{domain}")
}

impl CallerIdentity {
    /// Reads what STS answers to a request that accepts JSON.
    ///
    /// # Errors
    /// When it refuses, does not answer, or names something else than a role's session.
    pub fn from_answer(status: u16, body: &[u8]) -> Result<CallerIdentity, AnswerError> {
        if body.len() > MAX_ANSWER {
            return Err(AnswerError::Malformed);
        }
        match status {
            200 => {}
            400..=499 if status != 429 => {
                let refused: Option<Refused> = serde_json::from_slice(body).ok();
                // A proxy's refusal, say, is not STS's.
                let refused = refused.ok_or(AnswerError::NoVerdict(status))?;
                return match refused.error.code.as_str() {
                    "Throttling" | "RequestLimitExceeded" => Err(AnswerError::NoVerdict(status)),
                    code => Err(AnswerError::Refused(bounded(&format!("{code}: {}", refused.error.message)))),
                };
            }
            _ => return Err(AnswerError::NoVerdict(status)),
        }
        let answer: Answer = serde_json::from_slice(body).map_err(|_| AnswerError::Malformed)?;
        let Identity { account, arn } = answer.response.result;
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "sts", "", arn_account, resource] = parts[..] else {
            return Err(AnswerError::NoRoleSession(bounded(&arn)));
        };
        let session: Vec<&str> = resource.split('/').collect();
        let ["assumed-role", role, session_name] = session[..] else {
            return Err(AnswerError::NoRoleSession(bounded(&arn)));
        };
        if arn_account != account || role.is_empty() || session_name.is_empty() {
            return Err(AnswerError::Malformed);
        }
        Ok(CallerIdentity { account_id: account, role: role.to_owned(), session_name: session_name.to_owned() })
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "GetCallerIdentityResponse")]
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "GetCallerIdentityResult")]
    result: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    account: String,
    arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refused {
    error: Reason,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reason {
    code: String,
    #[serde(default)]
    message: String,
}

/// The names in `SignedHeaders`, if the whole is of the form that Signature Version 4 has, for STS on the date's day.
fn signed_headers<'a>(authorization: &'a str, date: &str, region: &str) -> Result<Vec<&'a str>, SignedRequestError> {
    let malformed = || SignedRequestError::Authorization;
    if authorization.len() > MAX_AUTHORIZATION || !authorization.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Err(malformed());
    }
    let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(malformed)?;
    let parts: Vec<&str> = parts.split(',').map(str::trim).collect();
    let [credential, headers, signature] = parts[..] else { return Err(malformed()) };
    let credential = credential.strip_prefix("Credential=").ok_or_else(malformed)?;
    let headers = headers.strip_prefix("SignedHeaders=").ok_or_else(malformed)?;
    let signature = signature.strip_prefix("Signature=").ok_or_else(malformed)?;
    let scope: Vec<&str> = credential.split('/').collect();
    let [key, day, scope_region, "sts", "aws4_request"] = scope[..] else { return Err(malformed()) };
    let is_key = (16..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let is_signature = signature.len() == 64 && signature.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_key || !is_signature || !date.starts_with(day) || day.len() != 8 || scope_region != region {
        return Err(malformed());
    }
    Ok(headers.split(';').collect())
}

/// `20261128T123456Z`.
fn amz_millis(text: &str) -> Option<Millis> {
    let bytes: [u8; 16] = text.as_bytes().try_into().ok()?;
    let mut long = String::with_capacity(20);
    for (at, byte) in bytes.into_iter().enumerate() {
        match at {
            4 | 6 => long.push('-'),
            11 | 13 => long.push(':'),
            _ => {}
        }
        long.push(char::from(byte));
    }
    millis(&long)
}

/// For a message: no longer than one line.
fn bounded(text: &str) -> String {
    text.chars().take(200).collect()
}

impl std::fmt::Debug for CallerIdentityRequest {
    /// Without the token and the signature, which are good for some minutes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallerIdentityRequest").field("host", &self.host).finish_non_exhaustive()
    }
}
