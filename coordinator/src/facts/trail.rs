//! `LookupEvents` of CloudTrail: what was really called, by whom, and what AWS answered.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::time::text_or_number;

/// The longest record that is read; AWS's own limit for one is 256 KB, and those of key pushes have about two.
const RECORD_LIMIT: usize = 1 << 18;

/// One element of `Events`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TrailEvent {
    pub event_name: Option<String>,
    /// RFC 3339, or seconds since 1970 as version 1 of the AWS CLI writes them.
    #[serde(deserialize_with = "text_or_number")]
    pub event_time: Option<String>,
    /// JSON within the JSON.
    #[serde(rename = "CloudTrailEvent", serialize_with = "as_text", deserialize_with = "of_text")]
    pub record: TrailRecord,
}

/// The subset that we read of `CloudTrailEvent`; neither the key nor the access key's id is among it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TrailRecord {
    /// RFC 3339, UTC.
    pub event_time: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub user_identity: UserIdentity,
    /// An address, or the name of the AWS service that called on somebody's behalf.
    #[serde(rename = "sourceIPAddress")]
    pub source_ip_address: Option<String>,
    /// `AccessDenied`, `ThrottlingException`, …; none for a call that was answered.
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    /// `null` for some calls that were refused.
    #[serde(deserialize_with = "or_default")]
    pub request_parameters: RequestParameters,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserIdentity {
    pub arn: Option<String>,
}

/// Of `SendSSHPublicKey` and of `OpenTunnel`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RequestParameters {
    pub instance_id: Option<String>,
    /// Events name it `instanceOSUser`, the EC2 User Guide's example `osUser`.
    #[serde(rename = "instanceOSUser", alias = "osUser")]
    pub os_user: Option<String>,
    pub instance_connect_endpoint_id: Option<String>,
    pub private_ip_address: Option<String>,
    /// AWS's events hold it as text.
    #[serde(deserialize_with = "text_or_number")]
    pub remote_port: Option<String>,
}

impl TrailEvent {
    /// A call that was refused may be recorded without its parameters; AWS's message then names the instance's ARN.
    pub fn is_about(&self, instance_id: &str) -> bool {
        match &self.record.request_parameters.instance_id {
            Some(id) => id == instance_id,
            None => self.record.error_message.as_deref().is_some_and(|message| message.contains(instance_id)),
        }
    }

    pub fn time(&self) -> Option<&str> {
        self.record.event_time.as_deref().or(self.event_time.as_deref())
    }
}

impl TrailRecord {
    /// Of what stands in `CloudTrailEvent`. What is too long or no record is refused.
    pub fn of(text: &str) -> Result<Self, String> {
        if text.len() > RECORD_LIMIT {
            return Err(format!("a record of CloudTrail with {} bytes", text.len()));
        }
        serde_json::from_str(text).map_err(|error| format!("a record of CloudTrail: {error}"))
    }
}

fn as_text<S: Serializer>(record: &TrailRecord, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::to_string(record).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

fn of_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TrailRecord, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(text) => TrailRecord::of(&text).map_err(D::Error::custom),
        None => Ok(TrailRecord::default()),
    }
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_keeps_who_what_and_the_answer_and_neither_keys_nor_their_ids() {
        let record = json!({
            "userIdentity": { "type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/ann", "accessKeyId": "AKIAIOSFODNN7EXAMPLE" },
            "eventTime": "2026-11-28T09:00:00Z",
            "sourceIPAddress": "203.0.113.7",
            "requestParameters": { "instanceId": "i-0123456789abcdef0", "instanceOSUser": "ec2-user", "sSHPublicKey": "ssh-ed25519 AAAA" },
            "responseElements": { "success": true },
        });
        let event = json!({ "EventName": "SendSSHPublicKey", "EventTime": 1_795_856_400.0, "CloudTrailEvent": record.to_string() });
        let event: TrailEvent = serde_json::from_value(event).unwrap();
        assert_eq!(event.record.request_parameters.os_user.as_deref(), Some("ec2-user"));
        assert_eq!(event.event_time.as_deref(), Some("1795856400"));
        let written = serde_json::to_string(&event).unwrap();
        assert!(!written.contains("AKIA") && !written.contains("AAAA"), "{written}");
        assert_eq!(serde_json::from_str::<TrailEvent>(&written).unwrap(), event);
    }

    #[test]
    fn the_user_guides_name_of_the_os_user_and_a_refusal_without_parameters_are_read() {
        let of = |text: &str| TrailRecord::of(text).unwrap();
        assert_eq!(
            of(r#"{"requestParameters": {"osUser": "ubuntu"}}"#).request_parameters.os_user.as_deref(),
            Some("ubuntu")
        );
        assert_eq!(
            of(r#"{"requestParameters": null, "userIdentity": null, "errorCode": "AccessDenied"}"#)
                .error_code
                .as_deref(),
            Some("AccessDenied")
        );
        assert!(TrailRecord::of("{").is_err());
        assert!(TrailRecord::of(&" ".repeat(RECORD_LIMIT + 1)).is_err());
    }
}
