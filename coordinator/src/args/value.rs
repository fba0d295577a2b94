//! Strict parsers of single values, one clear message each.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use eic_doctor_proto::visible;
use ipnet::IpNet;

use super::attempt::{IpRangesFrom, OsFactsFrom, Source};
use super::coordinator::Where;
use crate::arn::{Principal, PrincipalKind};
use crate::facts::ContextEntry;

pub(super) fn instance_id(text: &str) -> Result<String, String> {
    let is_id = text.strip_prefix("i-").is_some_and(|digits| {
        matches!(digits.len(), 8 | 17) && digits.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    });
    if is_id {
        Ok(text.to_owned())
    } else {
        Err(format!("`{}` is not an instance id: `i-` and 17 (or 8) lower-case hexadecimal digits", visible(text)))
    }
}

pub(super) fn endpoint_id(text: &str) -> Result<String, String> {
    let is_id = text.strip_prefix("eice-").is_some_and(|digits| {
        (8..=32).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    });
    if is_id {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is not the id of an EC2 Instance Connect Endpoint, such as eice-0123456789abcdef0",
            visible(text)
        ))
    }
}

/// `eu-west-1`, `us-gov-east-1`, `us-iso-west-1`, `eusc-de-east-1`.
pub(super) fn region(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('-').collect();
    let is_region = match parts.as_slice() {
        [words @ .., number] if (2..=3).contains(&words.len()) => {
            words
                .iter()
                .all(|word| (2..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase()))
                && (1..=2).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    };
    if is_region {
        Ok(text.to_owned())
    } else {
        Err(format!("`{}` is not the name of a Region, such as eu-west-1", visible(text)))
    }
}

/// Condition keys that say what the attempt is: flags of their own tell them.
const TOLD: [(&str, &str); 4] = [
    ("ec2:osuser", "--os-user"),
    ("aws:RequestedRegion", "--region"),
    ("ec2-instance-connect:remotePort", "--port"),
    ("ec2-instance-connect:privateIpAddress", "--address"),
];

/// `aws:SourceIp=203.0.113.7`: a condition key and its value.
pub(super) fn context(text: &str) -> Result<ContextEntry, String> {
    let refused =
        || format!("`{}` is no condition key and its value, such as aws:MultiFactorAuthPresent=true", visible(text));
    let (key, value) = text.split_once('=').ok_or_else(refused)?;
    // A key of IAM: a service's prefix, and a name that may hold a tag's key. Source: SimulatePrincipalPolicy, ContextKeyName.
    let is_key = key.split_once(':').is_some_and(|(service, name)| {
        !service.is_empty()
            && service.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.is_empty()
    });
    let is_plain = key.len() <= 256 && value.len() <= 2048 && !text.chars().any(char::is_control);
    if !is_key || value.is_empty() || !is_plain {
        return Err(refused());
    }
    if let Some((_, flag)) = TOLD.iter().find(|(told, _)| told.eq_ignore_ascii_case(key)) {
        return Err(format!("{key} is told by `{flag}`"));
    }
    let kind = context_kind(key);
    let is_of_kind = match kind {
        "ip" => value.parse::<IpNet>().is_ok() || value.parse::<IpAddr>().is_ok(),
        "boolean" => ["true", "false"].contains(&value),
        "numeric" => value.parse::<f64>().is_ok(),
        _ => true,
    };
    if !is_of_kind {
        return Err(format!("{key} takes a value of the type `{kind}`, which `{}` is not", visible(value)));
    }
    Ok(ContextEntry {
        context_key_name: key.to_owned(),
        context_key_values: vec![value.to_owned()],
        context_key_type: kind.to_owned(),
    })
}

/// The type of a global condition key, as the simulator wants it. Source: IAM User Guide, "AWS global condition context keys".
fn context_kind(key: &str) -> &'static str {
    match key.to_ascii_lowercase().as_str() {
        "aws:sourceip" | "aws:vpcsourceip" => "ip",
        "aws:multifactorauthpresent" | "aws:securetransport" | "aws:viaawsservice" | "aws:principalisawsservice" => {
            "boolean"
        }
        "aws:multifactorauthage" | "aws:epochtime" | "ec2-instance-connect:maxtunnelduration" => "numeric",
        "aws:currenttime" | "aws:tokenissuetime" => "date",
        _ => "string",
    }
}

pub(crate) fn principal(text: &str) -> Result<String, String> {
    let principal: Principal = text.parse().map_err(|error: crate::arn::NotAPrincipal| error.to_string())?;
    match principal.kind {
        PrincipalKind::Root | PrincipalKind::FederatedUser => {
            Err(format!("{principal} is neither an IAM user nor a role, so its policies cannot be simulated"))
        }
        PrincipalKind::User { .. } | PrincipalKind::Role { .. } | PrincipalKind::AssumedRole { .. } => {
            Ok(text.to_owned())
        }
    }
}

pub(super) fn role(text: &str) -> Result<String, String> {
    match text.parse::<Principal>() {
        Ok(Principal { kind: PrincipalKind::Role { .. }, .. }) => Ok(text.to_owned()),
        _ => Err(format!(
            "`{}` is not the ARN of an IAM role, such as arn:aws:iam::123456789012:role/NAME",
            visible(text)
        )),
    }
}

/// A URL of http or https, or else a file.
pub(super) fn ip_ranges(text: &str) -> Result<IpRangesFrom, String> {
    match text.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() => Ok(IpRangesFrom::Url(text.to_owned())),
        Some(_) => Err(format!("`{}` is neither a file nor a URL of http or https", visible(text))),
        None if text.is_empty() => Err(String::from("give a file, or the URL of one")),
        None => Ok(IpRangesFrom::File(text.into())),
    }
}

/// Where a collector takes traces: the path that OTLP has for them belongs to the collector's address, unless it is there already.
pub(super) fn otlp_endpoint(text: &str) -> Result<String, String> {
    let refused = |why: &str| format!("`{}` {why}, such as http://127.0.0.1:4318", visible(text));
    let url = reqwest::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| refused("is no URL of http or https"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a secret has no place in the URL: OTEL_EXPORTER_OTLP_HEADERS has the headers to send".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("has more than an address and a path"));
    }
    let address = url.as_str().trim_end_matches('/');
    Ok(if address.ends_with("/v1/traces") { address.to_owned() } else { format!("{address}/v1/traces") })
}

/// The name of a role, as `AssumeRole` needs it in an ARN: a path may stand before it.
pub(super) fn role_name(text: &str) -> Result<String, String> {
    let text = text.trim_start_matches('/');
    let is_name = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c));
    if is_name { Ok(text.to_owned()) } else { Err(format!("`{}` is not the name of an IAM role", visible(text))) }
}

pub(super) fn filter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{}` is not NAME=VALUE, such as tag:env=prod", visible(text))),
    }
}

/// A CIDR, an address, or `me`. Host bits that are set are refused rather than cut off: whoever wrote `10.0.0.1/24` may have meant
/// either, and the two are admitted by different rules.
pub(super) fn source(text: &str) -> Result<Source, String> {
    if text == "me" {
        return Ok(Source::Me);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Source::Net(address.into()));
    }
    let net: IpNet = text.parse().map_err(|_| {
        format!("`{}` is not a CIDR such as 203.0.113.7/32 or 2001:db8::/64, an address, or `me`", visible(text))
    })?;
    if net.addr() == net.network() {
        Ok(Source::Net(net))
    } else {
        Err(format!("{net} has host bits set: write {} for the network or {} for the address", net.trunc(), net.addr()))
    }
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| format!("`{}` is not a port: a number from 1 to 65535", visible(text)))
}

/// `30s`, `2m`, `1h`, `500ms`, or seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("`{}` is not a time such as 30s, 2m or 500ms", visible(text));
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split).ok_or_else(refused)?;
    let number: u64 = number.parse().map_err(|_| refused())?;
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(refused()),
    };
    let day = Duration::from_secs(86_400);
    let duration = Duration::from_millis(number.checked_mul(millis).ok_or_else(refused)?);
    match duration {
        Duration::ZERO => Err(refused()),
        duration if duration > day => Err(format!("`{}` is more than a day", visible(text))),
        duration => Ok(duration),
    }
}

pub(super) fn coordinator(text: &str) -> Result<Where, String> {
    let refused = || format!("`{}` is neither unix:SOCKET nor https://HOST:PORT", visible(text));
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.starts_with('/') { Ok(Where::Socket(PathBuf::from(path))) } else { Err(refused()) };
    }
    let rest = text.strip_prefix("https://").map(|rest| rest.trim_end_matches('/')).ok_or_else(refused)?;
    let (host, port) = rest.rsplit_once(':').ok_or_else(refused)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte));
    match port.parse() {
        Ok(port @ 1..) if is_host => Ok(Where::Https { host: host.to_owned(), port }),
        _ => Err(refused()),
    }
}

pub(super) fn os_facts(text: &str) -> Result<OsFactsFrom, String> {
    match text {
        "auto" => Ok(OsFactsFrom::Auto),
        "agent" => Ok(OsFactsFrom::Agent),
        "ssm" => Ok(OsFactsFrom::Ssm),
        "script" => Ok(OsFactsFrom::Script),
        "none" => Ok(OsFactsFrom::None),
        "" => Err("wants auto, agent, ssm, script, none, or the path of an os.json".to_owned()),
        path => Ok(OsFactsFrom::File(PathBuf::from(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collectors_address_is_completed_and_holds_no_secret() {
        for (text, endpoint) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example/otlp/", "https://collector.example/otlp/v1/traces"),
            ("https://collector.example/v1/traces", "https://collector.example/v1/traces"),
        ] {
            assert_eq!(otlp_endpoint(text), Ok(endpoint.to_owned()));
        }
        for text in ["", "collector:4318", "grpc://collector:4317", "https://collector/?token=s3cret", "http://"] {
            assert!(otlp_endpoint(text).unwrap_err().contains("such as"), "{text}");
        }
        assert!(!otlp_endpoint("https://user:s3cret@collector").unwrap_err().contains("s3cret"));
    }

    #[test]
    fn instance_ids_of_both_lengths_are_taken_and_nothing_else() {
        assert!(instance_id("i-0123456789abcdef0").is_ok());
        assert!(instance_id("i-1234abcd").is_ok());
        for text in
            ["", "i-", "i-123", "i-0123456789abcdef", "i-0123456789abcdeg0", "I-1234abcd", "i-1234abcd\n", "i-１２３４"]
        {
            assert!(instance_id(text).is_err(), "{text}");
        }
    }

    #[test]
    fn region_names_of_every_partition_are_taken() {
        for text in ["eu-west-1", "us-gov-east-1", "cn-north-1", "us-isob-east-1", "eusc-de-east-1", "ap-southeast-7"] {
            assert!(region(text).is_ok(), "{text}");
        }
        for text in ["", "eu", "eu-west", "eu-west-1a", "EU-WEST-1", "eu-west-1/..", "eu--1", "a.b-c-1"] {
            assert!(region(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bare_address_is_one_host_and_set_host_bits_are_refused() {
        let net = |text: &str| match source(text) {
            Ok(Source::Net(net)) => net.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(net("203.0.113.7"), "203.0.113.7/32");
        assert_eq!(net("2001:db8::1"), "2001:db8::1/128");
        assert_eq!(net("10.0.0.0/8"), "10.0.0.0/8");
        let message = source("10.0.0.1/24").unwrap_err();
        assert_eq!(
            message,
            "10.0.0.1/24 has host bits set: write 10.0.0.0/24 for the network or 10.0.0.1 for the address"
        );
    }

    #[test]
    fn durations_are_bounded() {
        assert_eq!(duration("2m").unwrap(), Duration::from_secs(120));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("7").unwrap(), Duration::from_secs(7));
        for text in ["", "0", "s", "-1s", "1.5s", "99999999999999999999", "25h", "5µs"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
