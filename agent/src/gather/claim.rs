//! What the metadata service gives to prove which instance this is: the identity document, its signature, and the role's credentials.

use eic_doctor_proto::visible;
use hyper::Method;
use serde::Deserialize;

use crate::identity::{Credentials, Instance};

use super::imds::{ADDRESS, Asking};

/// Some 500 bytes, some 2 kB, some 2 kB with a long token.
const ROOM: usize = 16 * 1024;

/// Not yet proven to anybody.
pub struct InstanceClaim {
    pub instance: Instance,
    /// Byte for byte.
    pub document: Vec<u8>,
    /// PKCS #7 in base64, with the RSA-2048 certificate of the Region; or why there is none. Only an enrolment needs it.
    pub signature: Result<Vec<u8>, String>,
    /// Such as `amazonaws.com`.
    pub domain: String,
    /// None: the instance has no role, or its credentials are not to be had.
    pub credentials: Option<Credentials>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    instance_id: String,
    account_id: String,
    region: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleCredentials {
    access_key_id: String,
    secret_access_key: String,
    token: String,
}

/// Asks as the keys command does: by IMDSv2, a second for each request, five for all.
pub async fn gather_claim() -> Result<InstanceClaim, String> {
    let asking = Asking::with_token(ADDRESS).await?;
    let get = async |path: &str| {
        let answer = asking.ask(Method::GET, path, ROOM).await.map_err(|why| format!("IMDS, {path}: {why}"))?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(format!("IMDS answers {path} with HTTP {status}")),
        }
    };
    let document = get("/latest/dynamic/instance-identity/document").await?;
    let signature = get("/latest/dynamic/instance-identity/rsa2048").await;
    let instance = instance_of(&document)?;
    let domain = word(get("/latest/meta-data/services/domain").await).unwrap_or_else(|| "amazonaws.com".to_owned());
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let credentials = match word(get(ROLES).await) {
        Some(role) => get(&format!("{ROLES}{role}")).await.ok().and_then(|bytes| credentials_of(&bytes)),
        None => None,
    };
    Ok(InstanceClaim { instance, document, signature, domain, credentials })
}

fn instance_of(document: &[u8]) -> Result<Instance, String> {
    let document: Document =
        serde_json::from_slice(document).map_err(|_| "IMDS's identity document is none".to_owned())?;
    let Document { instance_id, account_id, region } = document;
    let is_word = |text: &str| {
        !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if [&instance_id, &account_id, &region].into_iter().all(|text| is_word(text)) {
        Ok(Instance { instance_id, account_id, region })
    } else {
        Err(format!("IMDS's identity document names an instance `{}`", visible(&instance_id)))
    }
}

fn credentials_of(bytes: &[u8]) -> Option<Credentials> {
    let RoleCredentials { access_key_id, secret_access_key, token } = serde_json::from_slice(bytes).ok()?;
    // It goes into a header.
    let is_header =
        token.chars().all(|c| c.is_ascii_graphic()) && access_key_id.chars().all(|c| c.is_ascii_alphanumeric());
    is_header.then_some(Credentials { access_key_id, secret_access_key, session_token: token })
}

/// One name that may stand in a path or a host name.
fn word(answer: Result<Vec<u8>, String>) -> Option<String> {
    let text = String::from_utf8(answer.ok()?).ok()?;
    let word = text.lines().next()?.trim();
    let is_one = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    (!word.is_empty() && word.len() <= 128 && word.chars().all(is_one)).then(|| word.to_owned())
}

/// Nitro's `board_asset_tag`: the instance id also where the metadata service does not answer.
pub fn hardware_id() -> Option<String> {
    let bytes = super::real::read("/sys/devices/virtual/dmi/id/board_asset_tag").ok()?;
    let tag = String::from_utf8(bytes).ok()?;
    let tag = tag.trim();
    (tag.starts_with("i-") && tag.len() <= 32).then(|| tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_go_into_paths_and_headers() {
        assert_eq!(word(Ok(b"my-role_1\n".to_vec())).as_deref(), Some("my-role_1"));
        for bad in ["", "a/b", "a b", "a\r\nb: c\u{e9}"] {
            let bad = format!("{bad} ");
            assert!(word(Ok(bad.clone().into_bytes())).is_none_or(|word| word == "a"), "{bad}");
        }
        let document =
            |id: &str| format!(r#"{{"instanceId":"{id}","accountId":"1","region":"eu-west-1","version":"x"}}"#);
        assert_eq!(instance_of(document("i-1").as_bytes()).unwrap().instance_id, "i-1");
        for bad in ["", "i-1/../x", "i 1"] {
            assert!(instance_of(document(bad).as_bytes()).is_err());
        }
        let token = |token: &str| {
            credentials_of(format!(r#"{{"AccessKeyId":"A","SecretAccessKey":"s","Token":"{token}"}}"#).as_bytes())
        };
        assert!(token("abc/+=").is_some() && token("a\\nb").is_none());
    }
}
