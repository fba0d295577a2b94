//! `sts:GetCallerIdentity`, signed with the instance's role but not sent: the coordinator sends it, and so learns from AWS whose role it is.
//!
//! AWS Signature Version 4: IAM User Guide, "Create a signed AWS API request".

use std::fmt::Write as _;

use eic_doctor_proto::wire::v1::SignedCallerIdentity;
use ring::digest::{SHA256, digest};
use ring::hmac;

const BODY: &[u8] = b"Action=GetCallerIdentity&Version=2011-06-15";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// The header that binds the request to one enrolment.
const CHALLENGE: &str = "x-eic-doctor-challenge";

/// The role's temporary credentials, as IMDS gives them. No `Debug`: nothing prints them.
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}

/// `seconds` since 1970; `domain` as IMDS names it, such as `amazonaws.com`.
pub fn signed_caller_identity(
    credentials: &Credentials,
    region: &str,
    domain: &str,
    challenge: &[u8],
    seconds: u64,
) -> SignedCallerIdentity {
    let host = format!("sts.{region}.{domain}");
    let date = basic_date(seconds);
    let challenge = hex(challenge);
    let headers = [
        ("content-type", CONTENT_TYPE),
        ("host", &host),
        ("x-amz-date", &date),
        ("x-amz-security-token", &credentials.session_token),
        (CHALLENGE, &challenge),
    ];
    let request = Request { method: "POST", path: "/", query: "", headers: &headers, body: BODY };
    let authorization = request.authorization(credentials, region, "sts", &date);
    SignedCallerIdentity { host, date, authorization, security_token: credentials.session_token.clone() }
}

/// What is signed. Headers have lower-case names, sorted, and trimmed values.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

impl Request<'_> {
    fn signed_headers(&self) -> String {
        self.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
    }

    fn canonical(&self) -> String {
        let Self { method, path, query, .. } = self;
        let mut text = format!("{method}\n{path}\n{query}\n");
        for (name, value) in self.headers {
            let _ = writeln!(text, "{name}:{value}");
        }
        let _ = write!(text, "\n{}\n{}", self.signed_headers(), hex(digest(&SHA256, self.body).as_ref()));
        text
    }

    fn authorization(&self, credentials: &Credentials, region: &str, service: &str, date: &str) -> String {
        let day: String = date.chars().take(8).collect();
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let canonical = hex(digest(&SHA256, self.canonical().as_bytes()).as_ref());
        let words = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}");
        let mut key =
            hmac::sign(&hmac_key(format!("AWS4{}", credentials.secret_access_key).as_bytes()), day.as_bytes());
        for part in [region, service, "aws4_request"] {
            key = hmac::sign(&hmac_key(key.as_ref()), part.as_bytes());
        }
        let signature = hex(hmac::sign(&hmac_key(key.as_ref()), words.as_bytes()).as_ref());
        let (id, signed) = (&credentials.access_key_id, self.signed_headers());
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}")
    }
}

fn hmac_key(key: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key)
}

/// `20261128T123456Z`.
fn basic_date(seconds: u64) -> String {
    crate::report::rfc3339(seconds).replace(['-', ':'], "")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The credentials of AWS's own test suite for Signature Version 4.
    fn suite() -> Credentials {
        Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: "AQoDYXdzEPT//////////wEXAMPLE".to_owned(),
        }
    }

    /// `get-vanilla` of that suite.
    #[test]
    fn the_plain_request_of_awss_test_suite_gets_its_signature() {
        let headers = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
        let request = Request { method: "GET", path: "/", query: "", headers: &headers, body: b"" };
        assert_eq!(
            hex(digest(&SHA256, request.canonical().as_bytes()).as_ref()),
            "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63"
        );
        assert_eq!(
            request.authorization(&suite(), "us-east-1", "service", "20150830T123600Z"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    /// `post-x-www-form-urlencoded` of that suite.
    #[test]
    fn the_form_of_awss_test_suite_gets_its_signature() {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        let request = Request { method: "POST", path: "/", query: "", headers: &headers, body: b"Param1=value1" };
        let authorization = request.authorization(&suite(), "us-east-1", "service", "20150830T123600Z");
        assert!(
            authorization.ends_with("Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
            "{authorization}"
        );
    }

    #[test]
    fn another_challenge_day_or_region_has_another_signature() {
        let sign = |challenge: &[u8], region, seconds| {
            signed_caller_identity(&suite(), region, "amazonaws.com", challenge, seconds).authorization
        };
        let one = sign(&[1; 32], "eu-west-1", 1_798_761_599);
        assert_eq!(one, sign(&[1; 32], "eu-west-1", 1_798_761_599));
        assert_ne!(one, sign(&[2; 32], "eu-west-1", 1_798_761_599));
        assert_ne!(one, sign(&[1; 32], "eu-west-2", 1_798_761_599));
        assert_ne!(one, sign(&[1; 32], "eu-west-1", 1_798_761_600));
        assert!(one.contains(
            "Credential=AKIDEXAMPLE/20261231/eu-west-1/sts/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-eic-doctor-challenge, "
        ));
    }
}
