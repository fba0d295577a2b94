//! Who connects, from where, by which way: every verdict is about one instance and one attempt.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One way to try to log in to one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attempt {
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub os_user: OsUser,
    /// ARN of the role, user or assumed role that pushes the key; `None`: whoever calls.
    pub principal: Option<String>,
    pub via: Via,
    /// The addresses that the connection comes from; `None` with `browser` means the Region's own EC2 Instance Connect range.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub source: Option<IpNet>,
    /// Which of the instance's addresses is dialled; `None`: the one that the way implies.
    pub address: Option<IpAddr>,
    /// 1–65535.
    pub port: u16,
    /// The EC2 Instance Connect Endpoint that the connection is to go through; `None`: the one that the AWS CLI would choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Where the connection comes from as it was found out at AWS: the Region's range as it is today, or an endpoint's addresses.
    /// Empty where nothing was; then only what is said above tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub known_sources: Vec<IpNet>,
}

impl Attempt {
    /// `ec2-user` by way of [`Via::Auto`] to port 22: what `aws ec2-instance-connect ssh` tries when told nothing.
    pub fn usual() -> Self {
        Self {
            os_user: OsUser(String::from("ec2-user")),
            principal: None,
            via: Via::Auto,
            source: None,
            address: None,
            port: 22,
            endpoint: None,
            known_sources: Vec::new(),
        }
    }
}

/// The way to the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// What `aws ec2-instance-connect ssh` would choose: the public IPv4 address, else an endpoint, else IPv6.
    Auto,
    /// The console's browser client: from the Region's EC2 Instance Connect range to the public address.
    Browser,
    Public,
    Private,
    Endpoint,
}

impl Via {
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Browser => "browser",
            Self::Public => "public",
            Self::Private => "private",
            Self::Endpoint => "endpoint",
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Via {
    type Err = AttemptError;

    /// Also takes the runbook's `SourceNetworkType` spellings `Browser`, `Public`, `Private`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "browser" => Ok(Self::Browser),
            "public" => Ok(Self::Public),
            "private" => Ok(Self::Private),
            "endpoint" => Ok(Self::Endpoint),
            _ => Err(AttemptError::Via(text.to_owned())),
        }
    }
}

/// An OS user name that `SendSSHPublicKey` accepts (`InstanceOSUser`).
///
/// Source: EC2 User Guide, the page on connecting with EC2 Instance Connect (first character a letter, digit or `_`, then letters,
/// digits and `@ . _ -`), and the API model 2018-04-02 (at most 32 characters, a trailing `$` allowed, and a name that begins with
/// a digit has a non-digit).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OsUser(String);

impl OsUser {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OsUser {
    type Err = AttemptError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || AttemptError::OsUser(text.to_owned());
        let stem = text.strip_suffix('$').unwrap_or(text);
        let mut characters = stem.chars();
        let first = characters.next().ok_or_else(refused)?;
        let begins_well = first.is_ascii_alphanumeric() || first == '_';
        let goes_on_well = characters.all(|c| c.is_ascii_alphanumeric() || "@._-".contains(c));
        let has_non_digit = text.chars().any(|c| !c.is_ascii_digit());
        if text.len() <= 32 && begins_well && goes_on_well && has_non_digit {
            Ok(Self(text.to_owned()))
        } else {
            Err(refused())
        }
    }
}

impl TryFrom<String> for OsUser {
    type Error = AttemptError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<OsUser> for String {
    fn from(user: OsUser) -> Self {
        user.0
    }
}

impl fmt::Display for OsUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    #[error(
        "`{}` is not an OS user that EC2 Instance Connect accepts: at most 32 characters, first a letter, a digit or `_`, \
         then letters, digits and `@ . _ -`, not digits alone", crate::visible(.0)
    )]
    OsUser(String),
    #[error("`{}` is not a way to connect: one of auto, browser, public, private, endpoint", crate::visible(.0))]
    Via(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_service_takes_are_taken() {
        for name in ["ec2-user", "ubuntu", "_svc", "a.b@c", "7up", "machine$", &"x".repeat(32)] {
            assert!(name.parse::<OsUser>().is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_the_service_refuses_are_refused() {
        for name in ["", "-x", "DOMAIN\\user", "a b", "123", "a$b", "$", "x;reboot", "ü", &"x".repeat(33)] {
            assert!(name.parse::<OsUser>().is_err(), "{name}");
        }
    }
}
