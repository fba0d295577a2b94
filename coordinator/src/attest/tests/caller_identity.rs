//! The signed request to STS: sent on only if it is exactly what an instance's own role signs for this challenge.

use eic_doctor_proto::wire::v1::SignedCallerIdentity;

use crate::attest::caller_identity::{
    AnswerError, BODY, CHALLENGE_HEADER, CallerIdentity, CallerIdentityRequest, SignedRequestError, sts_host,
};
use crate::attest::document::millis;

const CHALLENGE: [u8; 32] = [0xab; 32];
const SIGNED: &str = "content-type;host;x-amz-date;x-amz-security-token;x-eic-doctor-challenge";

fn signed() -> SignedCallerIdentity {
    SignedCallerIdentity {
        host: "sts.eu-west-1.amazonaws.com".into(),
        date: "20261128T123456Z".into(),
        authorization: authorization("ASIAIOSFODNN7EXAMPLE/20261128/eu-west-1/sts/aws4_request", SIGNED),
        security_token: "IQoJb3JpZ2luX2VjEXAMPLE==".into(),
    }
}

fn authorization(scope: &str, headers: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={headers}, Signature={}", "0f".repeat(32))
}

fn build(signed: &SignedCallerIdentity) -> Result<CallerIdentityRequest, SignedRequestError> {
    let now = millis("2026-11-28T12:35:00Z").unwrap();
    CallerIdentityRequest::build(signed, &CHALLENGE, "eu-west-1", &[], now)
}

#[test]
fn a_good_request_goes_to_sts_with_this_stream_s_challenge_and_nothing_else_of_the_agent_s() {
    let request = build(&signed()).unwrap();
    assert_eq!((request.host.as_str(), request.body), ("sts.eu-west-1.amazonaws.com", BODY));
    let challenge = "ab".repeat(32);
    let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        ["host", "content-type", "accept", "x-amz-date", "x-amz-security-token", CHALLENGE_HEADER, "authorization"]
    );
    assert!(request.headers.contains(&(CHALLENGE_HEADER, challenge)));
    assert!(!format!("{request:?}").contains("IQoJ"), "a token does not stand in a log");
}

#[test]
fn only_sts_s_own_host_of_the_region_is_sent_to_or_one_that_is_configured() {
    for host in [
        "",
        "sts.amazonaws.com",
        "sts.eu-west-2.amazonaws.com",
        "sts.eu-west-1.amazonaws.com.example.com",
        "sts.eu-west-1.amazonaws.com:8443",
        "sts.eu-west-1.amazonaws.com.cn",
        "STS.eu-west-1.amazonaws.com",
        "attacker.example/sts.eu-west-1.amazonaws.com",
        "169.254.169.254",
    ] {
        let request = SignedCallerIdentity { host: host.into(), ..signed() };
        assert_eq!(build(&request), Err(SignedRequestError::Host(host.into())));
    }
    let private = "vpce-0123-abcd.sts.eu-west-1.vpce.amazonaws.com".to_owned();
    let request = SignedCallerIdentity { host: private.clone(), ..signed() };
    let now = millis("2026-11-28T12:35:00Z").unwrap();
    let built = CallerIdentityRequest::build(&request, &CHALLENGE, "eu-west-1", std::slice::from_ref(&private), now);
    assert_eq!(built.unwrap().host, private);
    assert_eq!(sts_host("cn-north-1"), "sts.cn-north-1.amazonaws.com.cn");
    assert_eq!(sts_host("us-gov-west-1"), "sts.us-gov-west-1.amazonaws.com");
    assert_eq!(sts_host("us-isob-east-1"), "sts.us-isob-east-1.sc2s.sgov.gov");
    assert_eq!(sts_host("eusc-de-east-1"), "sts.eusc-de-east-1.amazonaws.eu");
}

#[test]
fn a_request_that_does_not_sign_what_matters_is_not_sent() {
    for name in ["host", "x-amz-date", "x-amz-security-token", CHALLENGE_HEADER] {
        let left: Vec<_> = SIGNED.split(';').filter(|header| *header != name).collect();
        for headers in [left.join(";"), format!("{SIGNED};{name}"), SIGNED.replace(name, &name.to_uppercase())] {
            let authorization = authorization("ASIAIOSFODNN7EXAMPLE/20261128/eu-west-1/sts/aws4_request", &headers);
            let request = SignedCallerIdentity { authorization, ..signed() };
            assert!(
                matches!(build(&request), Err(SignedRequestError::NotSigned(missing)) if missing == name),
                "{headers}: {:?}",
                build(&request)
            );
        }
    }
    let authorization =
        authorization("ASIAIOSFODNN7EXAMPLE/20261128/eu-west-1/sts/aws4_request", &format!("{SIGNED};x-amz-target"));
    assert_eq!(build(&SignedCallerIdentity { authorization, ..signed() }), Err(SignedRequestError::OtherHeader));
}

#[test]
fn an_authorization_of_another_form_service_region_or_day_is_not_sent() {
    let good = signed().authorization;
    for (from, to) in [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("/sts/", "/iam/"),
        ("/eu-west-1/", "/us-east-1/"),
        ("/20261128/", "/20261127/"),
        ("/20261128/", "//"),
        ("aws4_request", "aws4_request/x"),
        ("ASIAIOSFODNN7EXAMPLE", "ASIA"),
        ("ASIAIOSFODNN7EXAMPLE", "asiaiosfodnn7example"),
        ("Signature=0f", "Signature="),
        ("Signature=0f", "Signature=0F"),
        (", SignedHeaders", "\r\nHost: attacker\r\n SignedHeaders"),
        (" Credential", "\tCredential"),
        ("Signature", "signature"),
    ] {
        assert!(good.contains(from), "{from}");
        let request = SignedCallerIdentity { authorization: good.replacen(from, to, 1), ..signed() };
        assert_eq!(build(&request), Err(SignedRequestError::Authorization), "{from} → {to}");
    }
    let long = SignedCallerIdentity { authorization: format!("{good}{}", " ".repeat(1024)), ..signed() };
    assert_eq!(build(&long), Err(SignedRequestError::Authorization));
}

#[test]
fn a_request_that_is_not_fresh_tells_of_the_clocks() {
    for (date, seconds) in [("20261128T121959Z", 901), ("20261128T125001Z", 901)] {
        let request = SignedCallerIdentity { date: date.into(), ..signed() };
        assert_eq!(build(&request), Err(SignedRequestError::NotFresh(seconds)));
    }
    for date in ["20261128T122000Z", "20261128T125000Z"] {
        build(&SignedCallerIdentity { date: date.into(), ..signed() }).unwrap();
    }
    for date in ["", "2026-11-28T12:34:56Z", "20261128T123456", "20261328T123456Z", "20261128T123456Z\r\n", "２0261128"]
    {
        let request = SignedCallerIdentity { date: date.into(), ..signed() };
        assert_eq!(build(&request), Err(SignedRequestError::Date(date.into())));
    }
}

#[test]
fn a_token_that_could_end_its_header_is_not_sent() {
    for token in ["", "a b", "a\r\nhost: attacker", "ä", &"a".repeat(16 * 1024 + 1)] {
        let request = SignedCallerIdentity { security_token: token.into(), ..signed() };
        assert_eq!(build(&request), Err(SignedRequestError::Token));
    }
}

fn answer(account: &str, arn: &str) -> Vec<u8> {
    format!(
        r#"{{"GetCallerIdentityResponse": {{"GetCallerIdentityResult": {{"Account": "{account}", "Arn": "{arn}",
            "UserId": "AROAEXAMPLE:i-0123456789abcdef0"}}, "ResponseMetadata": {{"RequestId": "1"}}}}}}"#
    )
    .into_bytes()
}

#[test]
fn sts_s_answer_names_account_role_and_session() {
    for partition in ["aws", "aws-cn", "aws-us-gov"] {
        let arn = format!("arn:{partition}:sts::123456789012:assumed-role/web/i-0123456789abcdef0");
        assert_eq!(
            CallerIdentity::from_answer(200, &answer("123456789012", &arn)),
            Ok(CallerIdentity {
                account_id: "123456789012".into(),
                role: "web".into(),
                session_name: "i-0123456789abcdef0".into(),
            })
        );
    }
}

#[test]
fn callers_that_are_no_role_s_session_are_refused() {
    for arn in [
        "arn:aws:iam::123456789012:user/i-0123456789abcdef0",
        "arn:aws:iam::123456789012:role/web",
        "arn:aws:iam::123456789012:root",
        "arn:aws:sts::123456789012:federated-user/i-0123456789abcdef0",
        "arn:aws:sts::123456789012:assumed-role/web",
        "arn:aws:sts::123456789012:assumed-role/path/web/i-0123456789abcdef0",
        "arn:aws:sts:eu-west-1:123456789012:assumed-role/web/i-0123456789abcdef0",
        "",
    ] {
        let found = CallerIdentity::from_answer(200, &answer("123456789012", arn));
        assert_eq!(found, Err(AnswerError::NoRoleSession(arn.into())));
    }
    let other = answer("210987654321", "arn:aws:sts::123456789012:assumed-role/web/i-0123456789abcdef0");
    assert_eq!(CallerIdentity::from_answer(200, &other), Err(AnswerError::Malformed));
    for body in [&b""[..], b"<GetCallerIdentityResponse/>", b"{}", &vec![b' '; 16 * 1024 + 1]] {
        assert_eq!(CallerIdentity::from_answer(200, body), Err(AnswerError::Malformed));
    }
}

#[test]
fn sts_s_refusal_is_told_and_anything_else_tells_nothing() {
    let refusal =
        br#"{"Error": {"Code": "SignatureDoesNotMatch", "Message": "no match", "Type": "Sender"}, "RequestId": "1"}"#;
    let refused = CallerIdentity::from_answer(403, refusal);
    assert_eq!(refused, Err(AnswerError::Refused("SignatureDoesNotMatch: no match".into())));
    let throttled = br#"{"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}"#;
    for (status, body) in [
        (400, &throttled[..]),
        (403, b"<html>proxy</html>"),
        (429, refusal),
        (500, refusal),
        (503, b""),
        (302, refusal),
    ] {
        assert_eq!(CallerIdentity::from_answer(status, body), Err(AnswerError::NoVerdict(status)));
    }
}
