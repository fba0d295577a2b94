//! AWS Identity and Access Management.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum};

use super::{Clients, all_pages, convert};
use crate::facts::{InstanceProfile, Role, Simulation, SimulationQuestion, User};
use crate::gather::operations::{
    GetContextKeysForPrincipalPolicy, GetInstanceProfile, GetRole, GetUser, SimulatePrincipalPolicy,
};
use crate::gather::refused::{Answer, Refused, RefusedKind};

impl GetRole for Clients {
    async fn get_role(&self, role_name: &str) -> Answer<Role> {
        let request = self.iam.get_role().role_name(role_name);
        let answer = self.call(<Self as GetRole>::ACTION, request.send()).await?;
        answer
            .role
            .map(convert::role)
            .ok_or_else(|| Refused::new(<Self as GetRole>::ACTION, RefusedKind::Ill, "the answer holds no role"))
    }
}

impl GetInstanceProfile for Clients {
    async fn get_instance_profile(&self, name: &str) -> Answer<InstanceProfile> {
        let action = <Self as GetInstanceProfile>::ACTION;
        let request = self.iam.get_instance_profile().instance_profile_name(name);
        let answer = self.call(action, request.send()).await?;
        let profile = answer.instance_profile.map(convert::instance_profile);
        profile.ok_or_else(|| Refused::new(action, RefusedKind::Ill, "the answer holds no instance profile"))
    }
}

impl GetUser for Clients {
    async fn get_user(&self, user_name: &str) -> Answer<User> {
        let request = self.iam.get_user().user_name(user_name);
        let answer = self.call(<Self as GetUser>::ACTION, request.send()).await?;
        answer
            .user
            .map(convert::user)
            .ok_or_else(|| Refused::new(<Self as GetUser>::ACTION, RefusedKind::Ill, "the answer holds no user"))
    }
}

impl GetContextKeysForPrincipalPolicy for Clients {
    async fn get_context_keys_for_principal_policy(&self, principal_arn: &str) -> Answer<Vec<String>> {
        let request = self.iam.get_context_keys_for_principal_policy().policy_source_arn(principal_arn);
        let answer = self.call(<Self as GetContextKeysForPrincipalPolicy>::ACTION, request.send()).await?;
        Ok(answer.context_key_names.unwrap_or_default())
    }
}

impl SimulatePrincipalPolicy for Clients {
    async fn simulate_principal_policy(&self, question: &SimulationQuestion) -> Answer<Simulation> {
        let entries = question.context_entries.iter().map(|entry| {
            ContextEntry::builder()
                .context_key_name(&entry.context_key_name)
                .set_context_key_values(Some(entry.context_key_values.clone()))
                .context_key_type(ContextKeyTypeEnum::from(entry.context_key_type.as_str()))
                .build()
        });
        let entries: Vec<ContextEntry> = entries.collect();
        let evaluation_results = all_pages(<Self as SimulatePrincipalPolicy>::ACTION, |marker| async {
            let request = self
                .iam
                .simulate_principal_policy()
                .policy_source_arn(&question.policy_source_arn)
                .set_action_names(Some(question.action_names.clone()))
                .set_resource_arns(Some(question.resource_arns.clone()))
                .set_context_entries(Some(entries.clone()))
                .set_marker(marker);
            let page = self.call(<Self as SimulatePrincipalPolicy>::ACTION, request.send()).await?;
            let results = page.evaluation_results.unwrap_or_default();
            Ok((
                results.into_iter().map(convert::evaluation_result).collect(),
                page.marker.filter(|_| page.is_truncated),
            ))
        })
        .await?;
        Ok(Simulation { evaluation_results, asked: Some(question.clone()), policies: Vec::new() })
    }
}
