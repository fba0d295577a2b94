//! The instance identity document: what an instance is, in AWS's words.
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html>. Nothing here tells whether the document is
//! AWS's: that is `identity`'s to say, and it says it of these very bytes.

use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::store::Millis;

/// In bytes. AWS's has about 480, with many product codes some hundreds more.
pub const MAX_SIZE: usize = 8 * 1024;

/// What the coordinator uses of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityDocument {
    pub account_id: String,
    pub region: String,
    pub availability_zone: String,
    pub instance_id: String,
    pub image_id: String,
    /// None: an instance in a subnet that has IPv6 only.
    pub private_ip: Option<Ipv4Addr>,
    /// When the instance was started last.
    pub pending_time: Millis,
}

/// Why bytes are no instance identity document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("{0} bytes, more than {MAX_SIZE}")]
    TooLong(usize),
    #[error("it is not the JSON that AWS writes")]
    Json(#[source] serde_json::Error),
    #[error("its `{0}` is not what AWS writes there")]
    Field(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    account_id: String,
    region: String,
    availability_zone: String,
    instance_id: String,
    image_id: String,
    private_ip: Option<String>,
    pending_time: String,
}

impl IdentityDocument {
    /// # Errors
    /// When a field that the coordinator uses is missing, is there twice, or has not the form that AWS gives it.
    pub fn parse(bytes: &[u8]) -> Result<IdentityDocument, DocumentError> {
        if bytes.len() > MAX_SIZE {
            return Err(DocumentError::TooLong(bytes.len()));
        }
        let raw: Raw = serde_json::from_slice(bytes).map_err(DocumentError::Json)?;
        let field = |holds: bool, name| if holds { Ok(()) } else { Err(DocumentError::Field(name)) };
        field(raw.account_id.len() == 12 && raw.account_id.bytes().all(|b| b.is_ascii_digit()), "accountId")?;
        field(is_region(&raw.region), "region")?;
        field(is_zone_of(&raw.availability_zone, &raw.region), "availabilityZone")?;
        field(is_id(&raw.instance_id, "i-"), "instanceId")?;
        field(is_id(&raw.image_id, "ami-"), "imageId")?;
        let private_ip =
            raw.private_ip.map(|ip| ip.parse().map_err(|_| DocumentError::Field("privateIp"))).transpose()?;
        let pending_time = millis(&raw.pending_time).ok_or(DocumentError::Field("pendingTime"))?;
        Ok(IdentityDocument {
            account_id: raw.account_id,
            region: raw.region,
            availability_zone: raw.availability_zone,
            instance_id: raw.instance_id,
            image_id: raw.image_id,
            private_ip,
            pending_time,
        })
    }
}

/// `2026-11-28T12:34:56Z`, and nothing else.
pub(super) fn millis(text: &str) -> Option<Millis> {
    let time: der::DateTime = text.parse().ok()?;
    Millis::try_from(time.unix_duration().as_millis()).ok()
}

/// Lower-case words and a number at the end: `eu-west-1`, `us-gov-east-1`.
pub(super) fn is_region(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = words.split_last() else { return false };
    (2..=5).contains(&words.len())
        && text.len() <= 32
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// `eu-west-1a`, `us-west-2-lax-1a`.
fn is_zone_of(zone: &str, region: &str) -> bool {
    zone.len() <= 64
        && zone.strip_prefix(region).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// Eight hexadecimal digits of the old form, 17 of the new.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|hex| matches!(hex.len(), 8 | 17) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::testing;

    #[test]
    fn a_document_as_aws_writes_it_is_read() {
        let document = IdentityDocument::parse(testing::DOCUMENT).unwrap();
        assert_eq!(
            document,
            IdentityDocument {
                account_id: "123456789012".into(),
                region: "eu-west-1".into(),
                availability_zone: "eu-west-1a".into(),
                instance_id: "i-0123456789abcdef0".into(),
                image_id: "ami-0123456789abcdef0".into(),
                private_ip: Some(Ipv4Addr::new(10, 0, 1, 5)),
                pending_time: 1_798_761_600_000,
            }
        );
    }

    fn with(name: &str, value: serde_json::Value) -> Result<IdentityDocument, DocumentError> {
        let mut document: serde_json::Value = serde_json::from_slice(testing::DOCUMENT).unwrap();
        document[name] = value;
        IdentityDocument::parse(&serde_json::to_vec(&document).unwrap())
    }

    #[test]
    fn each_field_has_aws_s_form_or_is_named() {
        for (name, values) in [
            ("accountId", &["", "12345678901", "1234567890123", "12345678901x", "１２３４"][..]),
            (
                "region",
                &[
                    "",
                    "eu",
                    "eu-west",
                    "EU-west-1",
                    "eu-west-1\n",
                    "eu--1",
                    "eu-west-1-",
                    "../../etc-1",
                    "a-b-c-d-e-f-1",
                ],
            ),
            ("availabilityZone", &["", "eu-west-1", "us-east-1a", "eu-west-1A", "eu-west-1a/../b"]),
            (
                "instanceId",
                &["", "i-", "i-0123456789ABCDEF0", "i-0123", "i-0123456789abcdef0 ", "mi-0123456789abcdef0"],
            ),
            ("imageId", &["", "ami-", "i-0123456789abcdef0", "ami-0123456789abcdef0\u{0}"]),
            ("privateIp", &["", "10.0.1", "10.0.1.256", "10.0.1.5/32", "::1", "010.0.1.5"]),
            (
                "pendingTime",
                &[
                    "",
                    "2026-11-01",
                    "2026-11-01T00:00:00",
                    "2026-13-01T00:00:00Z",
                    "1969-12-31T23:59:59Z",
                    "2026-11-01T00:00:00+00:00",
                ],
            ),
        ] {
            for value in values {
                match with(name, (*value).into()) {
                    Err(DocumentError::Field(field)) => assert_eq!(field, name, "{value:?}"),
                    other => panic!("{name} {value:?}: {other:?}"),
                }
            }
        }
        for zone in ["eu-west-1a", "eu-west-1-dub-1a", "eu-west-1-wl1-dub-wlz-1"] {
            assert_eq!(with("availabilityZone", zone.into()).unwrap().availability_zone, zone);
        }
    }

    #[test]
    fn an_instance_with_ipv6_only_has_no_private_ip() {
        assert_eq!(with("privateIp", serde_json::Value::Null).unwrap().private_ip, None);
    }

    #[test]
    fn what_is_not_aws_s_json_is_refused() {
        let document = str::from_utf8(testing::DOCUMENT).unwrap();
        let twice = document.replacen('{', r#"{"instanceId": "i-0fedcba9876543210","#, 1);
        let deep = format!("{{\"billingProducts\": {}", "[".repeat(4000));
        for bytes in
            [&b""[..], b"null", b"[]", b"{}", b"\xff", twice.as_bytes(), deep.as_bytes(), &testing::DOCUMENT[1..]]
        {
            assert!(matches!(IdentityDocument::parse(bytes), Err(DocumentError::Json(_))), "{bytes:?}");
        }
        assert!(matches!(IdentityDocument::parse(format!("{document} x").as_bytes()), Err(DocumentError::Json(_))));
        assert!(matches!(IdentityDocument::parse(&[b' '; MAX_SIZE + 1]), Err(DocumentError::TooLong(_))));
    }
}
