//! The documents of IAM's policies.

use super::Clients;
use crate::gather::operations::{GetGroupPolicy, GetPolicy, GetPolicyVersion, GetRolePolicy, GetUserPolicy};
use crate::gather::refused::{Answer, Refused, RefusedKind};

impl GetRolePolicy for Clients {
    async fn get_role_policy(&self, role_name: &str, policy_name: &str) -> Answer<String> {
        let action = <Self as GetRolePolicy>::ACTION;
        let request = self.iam.get_role_policy().role_name(role_name).policy_name(policy_name);
        decoded(action, &self.call(action, request.send()).await?.policy_document)
    }
}

impl GetUserPolicy for Clients {
    async fn get_user_policy(&self, user_name: &str, policy_name: &str) -> Answer<String> {
        let action = <Self as GetUserPolicy>::ACTION;
        let request = self.iam.get_user_policy().user_name(user_name).policy_name(policy_name);
        decoded(action, &self.call(action, request.send()).await?.policy_document)
    }
}

impl GetGroupPolicy for Clients {
    async fn get_group_policy(&self, group_name: &str, policy_name: &str) -> Answer<String> {
        let action = <Self as GetGroupPolicy>::ACTION;
        let request = self.iam.get_group_policy().group_name(group_name).policy_name(policy_name);
        decoded(action, &self.call(action, request.send()).await?.policy_document)
    }
}

impl GetPolicy for Clients {
    async fn get_policy(&self, policy_arn: &str) -> Answer<String> {
        let action = <Self as GetPolicy>::ACTION;
        let answer = self.call(action, self.iam.get_policy().policy_arn(policy_arn).send()).await?;
        let version = answer.policy.and_then(|policy| policy.default_version_id);
        version.ok_or_else(|| Refused::new(action, RefusedKind::Ill, "the answer holds no default version"))
    }
}

impl GetPolicyVersion for Clients {
    async fn get_policy_version(&self, policy_arn: &str, version_id: &str) -> Answer<String> {
        let action = <Self as GetPolicyVersion>::ACTION;
        let request = self.iam.get_policy_version().policy_arn(policy_arn).version_id(version_id);
        let document = self.call(action, request.send()).await?.policy_version.and_then(|version| version.document);
        decoded(action, document.as_deref().unwrap_or_default())
    }
}

/// IAM percent-encodes documents as RFC 3986 has it, so that `+` is a plus.
fn decoded(action: &'static str, document: &str) -> Answer<String> {
    let refused = |text| Refused::new(action, RefusedKind::Ill, text);
    let mut bytes = Vec::with_capacity(document.len());
    let mut rest = document.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(refused("the policy's document is not percent-encoded"));
        };
        // Two hexadecimal digits are below 256.
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.is_empty() => Ok(text),
        Ok(_) => Err(refused("the answer holds no document")),
        Err(_) => Err(refused("the policy's document is not UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_decoded_and_a_plus_is_a_plus() {
        let of = |text: &str| decoded("iam:GetRolePolicy", text).ok();
        assert_eq!(of("%7B%22a%22%3A%20%22b+c%C3%A9%22%7D").as_deref(), Some(r#"{"a": "b+cé"}"#));
        assert_eq!(of(r#"{"plain": 1}"#).as_deref(), Some(r#"{"plain": 1}"#));
        for broken in ["%7", "%zz", "", "%FF"] {
            assert_eq!(of(broken), None, "{broken}");
        }
    }
}
