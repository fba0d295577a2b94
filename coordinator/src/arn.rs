//! ARNs of those who may push a key, read strictly: `arn:aws:iam::123456789012:role/path/name` and its kin.

use std::fmt;
use std::str::FromStr;

use eic_doctor_proto::visible;

/// Who an ARN of IAM or STS names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub partition: String,
    pub account: String,
    pub kind: PrincipalKind,
    arn: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    User {
        name: String,
    },
    Role {
        name: String,
    },
    /// A session of a role. STS leaves the role's path out, so this does not give the role's ARN.
    AssumedRole {
        role: String,
    },
    Root,
    FederatedUser,
}

impl Principal {
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// A role that one AWS service alone assumes: `AWSServiceRoleFor…`, under the path `/aws-service-role/`.
    pub fn is_service_linked(&self) -> bool {
        match &self.kind {
            PrincipalKind::Role { .. } => self.arn.contains(":role/aws-service-role/"),
            PrincipalKind::AssumedRole { role } => role.starts_with("AWSServiceRoleFor"),
            PrincipalKind::User { .. } | PrincipalKind::Root | PrincipalKind::FederatedUser => false,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.arn)
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "`{}` is not the ARN of an IAM user, an IAM role or an assumed role: such as arn:aws:iam::123456789012:role/NAME, \
     arn:aws:iam::123456789012:user/NAME or arn:aws:sts::123456789012:assumed-role/ROLE/SESSION", visible(.0)
)]
pub struct NotAPrincipal(String);

impl FromStr for Principal {
    type Err = NotAPrincipal;

    fn from_str(arn: &str) -> Result<Self, Self::Err> {
        parse(arn).ok_or_else(|| NotAPrincipal(arn.to_owned()))
    }
}

fn parse(arn: &str) -> Option<Principal> {
    // The longest that IAM makes: a path of 512 characters, a name of 64, the rest well below 100.
    if arn.len() > 700 {
        return None;
    }
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next();
    let (_, partition, service, region, account, resource) =
        (next().filter(|prefix| *prefix == "arn")?, next()?, next()?, next()?, next()?, next()?);
    let is_partition = partition.strip_prefix("aws").is_some_and(|rest| {
        rest.is_empty()
            || (rest.starts_with('-') && rest.len() > 1 && rest.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
    });
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if !is_partition || !is_account || !region.is_empty() {
        return None;
    }
    let kind = match (service, resource.split_once('/')) {
        ("iam", None) if resource == "root" => PrincipalKind::Root,
        ("iam", Some(("user", rest))) => PrincipalKind::User { name: last_name(rest)? },
        ("iam", Some(("role", rest))) => PrincipalKind::Role { name: last_name(rest)? },
        ("sts", Some(("assumed-role", rest))) => {
            let (role, session) = rest.split_once('/')?;
            (is_name(role) && is_name(session)).then(|| PrincipalKind::AssumedRole { role: role.to_owned() })?
        }
        ("sts", Some(("federated-user", name))) if is_name(name) => PrincipalKind::FederatedUser,
        _ => return None,
    };
    Some(Principal { partition: partition.to_owned(), account: account.to_owned(), kind, arn: arn.to_owned() })
}

/// The name behind the path. Source: IAM and STS quotas and name requirements in the IAM User Guide.
fn last_name(rest: &str) -> Option<String> {
    let (path, name) = rest.rsplit_once('/').map_or(("", rest), |(path, name)| (path, name));
    (is_name(name) && path.len() <= 512 && path.chars().all(|c| c.is_ascii_graphic())).then(|| name.to_owned())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_are_told_apart_and_paths_do_not_belong_to_names() {
        let kind = |arn: &str| arn.parse::<Principal>().unwrap().kind;
        assert_eq!(kind("arn:aws:iam::123456789012:user/a/b/ann"), PrincipalKind::User { name: "ann".into() });
        assert_eq!(kind("arn:aws-cn:iam::123456789012:role/ops"), PrincipalKind::Role { name: "ops".into() });
        assert_eq!(
            kind("arn:aws:sts::123456789012:assumed-role/ops/me@example.com"),
            PrincipalKind::AssumedRole { role: "ops".into() }
        );
        assert_eq!(kind("arn:aws:iam::123456789012:root"), PrincipalKind::Root);
        assert_eq!(kind("arn:aws:sts::123456789012:federated-user/bob"), PrincipalKind::FederatedUser);
    }

    #[test]
    fn what_is_no_principal_is_refused() {
        for arn in [
            "",
            "ann",
            "arn:aws:iam::12345678901:user/ann",
            "arn:aws:iam::123456789012:group/ops",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:iam:eu-west-1:123456789012:role/ops",
            "arn:evil:iam::123456789012:role/ops",
            "arn:awsx:iam::123456789012:role/ops",
            "arn:aws:sts::123456789012:assumed-role/ops",
            "arn:aws:s3:::bucket",
            "arn:aws:iam::123456789012:role/o\u{1b}[31m",
        ] {
            assert!(arn.parse::<Principal>().is_err(), "{arn}");
        }
    }
}
