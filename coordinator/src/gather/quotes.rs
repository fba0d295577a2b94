//! The documents of the policies that deny, so that a finding can quote the statement. Asked for only where something is denied;
//! what is refused costs the quotation and nothing else.

use std::collections::BTreeSet;

use eic_doctor_proto::Fact;
use futures_util::future::join_all;

use super::budget::Budget;
use super::operations::{
    Aws, GetGroupPolicy, GetPolicy, GetPolicyVersion, GetRole, GetRolePolicy, GetUser, GetUserPolicy,
};
use super::refused::{Answer, Refused, fact};
use crate::arn::{Principal, PrincipalKind};
use crate::facts::{AttachedPermissionsBoundary, BoundaryDetail, MatchedStatement, QuotedPolicy, Simulation};

/// Every action that nothing else needs.
pub const ACTIONS: &[&str] =
    &["iam:GetGroupPolicy", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRolePolicy", "iam:GetUserPolicy"];

/// Policies of one run; more than this many deny nothing that the first ones do not.
const POLICIES: usize = 3;
/// Names that a group's policy may have, since both may hold the `_` between them.
const SPLITS: usize = 4;

/// Puts to each answer the policies that it rests on. All answers are about one principal.
pub(super) async fn put<A: Aws>(aws: &A, budget: &Budget, simulations: [&mut Fact<Simulation>; 3]) {
    let known = || simulations.iter().filter_map(|simulation| simulation.known());
    let arn = known().find_map(|simulation| Some(simulation.asked.as_ref()?.policy_source_arn.as_str()));
    let Some(principal) = arn.and_then(|arn| arn.parse::<Principal>().ok()) else { return };
    let names: BTreeSet<String> = known().flat_map(denying).map(str::to_owned).take(POLICIES).collect();
    let is_bound = known().any(is_outside_boundary);
    if names.is_empty() && !is_bound {
        return;
    }
    let reader = Reader { aws, budget, principal: &principal };
    let quoted = join_all(names.iter().map(|name| reader.named(name)));
    let boundary = async { if is_bound { Some(reader.boundary().await) } else { None } };
    let (quoted, boundary) = tokio::join!(quoted, boundary);
    for simulation in simulations {
        let Fact::Known(simulation) = simulation else { continue };
        let own: BTreeSet<String> = denying(simulation).map(str::to_owned).collect();
        let policies = quoted.iter().filter(|policy| own.contains(&policy.source_policy_id));
        let boundary = boundary.iter().filter(|_| is_outside_boundary(simulation));
        simulation.policies = policies.chain(boundary).cloned().collect();
    }
}

/// The names of policies with a statement that denies.
fn denying(simulation: &Simulation) -> impl Iterator<Item = &str> {
    let is_denied = |decision: &Option<String>| decision.as_deref() == Some("explicitDeny");
    let results = simulation.evaluation_results.iter();
    let whole = results.clone().filter(move |result| is_denied(&result.eval_decision));
    let whole = whole.flat_map(|result| &result.matched_statements);
    let each = results.flat_map(|result| &result.resource_specific_results);
    let each = each.filter(move |result| is_denied(&result.eval_resource_decision));
    let each = each.flat_map(|result| &result.matched_statements);
    whole.chain(each).filter_map(|statement: &MatchedStatement| statement.source_policy_id.as_deref())
}

fn is_outside_boundary(simulation: &Simulation) -> bool {
    let results = &simulation.evaluation_results;
    let each = results.iter().flat_map(|result| &result.resource_specific_results);
    let whole = results.iter().map(|result| &result.permissions_boundary_decision_detail);
    let all = whole.chain(each.map(|result| &result.permissions_boundary_decision_detail));
    all.flatten().any(|detail: &BoundaryDetail| detail.allowed_by_permissions_boundary == Some(false))
}

struct Reader<'a, A> {
    aws: &'a A,
    budget: &'a Budget,
    principal: &'a Principal,
}

impl<A: Aws> Reader<'_, A> {
    /// The policy that the simulator calls `name`: `role_ROLE_POLICY`, `user_USER_POLICY` or `group_GROUP_POLICY` is an inline one; any other
    /// is a managed policy's name, which is one in its account whatever its path.
    async fn named(&self, name: &str) -> QuotedPolicy {
        let (kind, owner) = match &self.principal.kind {
            PrincipalKind::Role { name } | PrincipalKind::AssumedRole { role: name } => ("role", name.as_str()),
            PrincipalKind::User { name } => ("user", name.as_str()),
            PrincipalKind::Root | PrincipalKind::FederatedUser => ("", ""),
        };
        if let Some(policy) = name.strip_prefix(&format!("{kind}_{owner}_")) {
            return self.inline(name, kind, owner, policy).await;
        }
        if let Some(both) = name.strip_prefix("group_").filter(|_| kind == "user") {
            let mut quoted = None;
            for (at, _) in both.match_indices('_').take(SPLITS) {
                let (group, policy) = (both.get(..at).unwrap_or_default(), both.get(at + 1..).unwrap_or_default());
                let found = self.inline(name, "group", group, policy).await;
                if found.document != Fact::Absent {
                    return found;
                }
                quoted = Some(found);
            }
            if let Some(quoted) = quoted {
                return quoted;
            }
        }
        let (partition, account) = (&self.principal.partition, &self.principal.account);
        let own = self.managed(name, &format!("arn:{partition}:iam::{account}:policy/{name}")).await;
        if own.document != Fact::Absent {
            return own;
        }
        let of_aws = self.managed(name, &format!("arn:{partition}:iam::aws:policy/{name}")).await;
        if of_aws.document == Fact::Absent { own } else { of_aws }
    }

    async fn inline(&self, id: &str, kind: &str, owner: &str, name: &str) -> QuotedPolicy {
        let (action, document) = match kind {
            "role" => {
                let action = <A as GetRolePolicy>::ACTION;
                (action, self.budget.ask(action, self.aws.get_role_policy(owner, name)).await)
            }
            "user" => {
                let action = <A as GetUserPolicy>::ACTION;
                (action, self.budget.ask(action, self.aws.get_user_policy(owner, name)).await)
            }
            _ => {
                let action = <A as GetGroupPolicy>::ACTION;
                (action, self.budget.ask(action, self.aws.get_group_policy(owner, name)).await)
            }
        };
        quoted(id, format!("the inline policy {name} of {kind} {owner}"), action, document)
    }

    async fn managed(&self, id: &str, arn: &str) -> QuotedPolicy {
        let action = <A as GetPolicy>::ACTION;
        let version = match self.budget.ask(action, self.aws.get_policy(arn)).await {
            Ok(version) => version,
            Err(refused) => return quoted(id, arn.to_owned(), action, Err(refused)),
        };
        let action = <A as GetPolicyVersion>::ACTION;
        let document = self.budget.ask(action, self.aws.get_policy_version(arn, &version)).await;
        quoted(id, arn.to_owned(), action, document)
    }

    async fn boundary(&self) -> QuotedPolicy {
        let (action, boundary) = match &self.principal.kind {
            PrincipalKind::User { name } => {
                let action = <A as GetUser>::ACTION;
                let user = self.budget.ask(action, self.aws.get_user(name)).await;
                (action, user.map(|user| user.permissions_boundary))
            }
            PrincipalKind::Role { name } | PrincipalKind::AssumedRole { role: name } => {
                let action = <A as GetRole>::ACTION;
                let role = self.budget.ask(action, self.aws.get_role(name)).await;
                (action, role.map(|role| role.permissions_boundary))
            }
            PrincipalKind::Root | PrincipalKind::FederatedUser => ("", Ok(None)),
        };
        match boundary {
            Ok(Some(AttachedPermissionsBoundary { permissions_boundary_arn: Some(arn) })) => {
                self.managed("", &arn).await
            }
            Ok(_) => QuotedPolicy { read_by: action.to_owned(), document: Fact::Absent, ..QuotedPolicy::default() },
            Err(refused) => quoted("", String::new(), action, Err(refused)),
        }
    }
}

fn quoted(id: &str, policy: String, action: &str, document: Answer<String>) -> QuotedPolicy {
    let document: Fact<String> = fact(document.map_err(|refused: Refused| refused));
    QuotedPolicy { source_policy_id: id.to_owned(), policy, read_by: action.to_owned(), document }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::facts::EvaluationResult;
    use crate::gather::testing::{ACCOUNT, Fake};

    fn results(results: Value) -> Vec<EvaluationResult> {
        serde_json::from_value(results).unwrap()
    }

    fn denied_by(policy: &str) -> Vec<EvaluationResult> {
        results(json!([{ "EvalDecision": "explicitDeny", "MatchedStatements": [{ "SourcePolicyId": policy }] }]))
    }

    /// What is quoted of the push's answer, and everything that was asked.
    async fn put_to(
        fake: &Fake,
        arn: &str,
        results: Vec<EvaluationResult>,
    ) -> (Vec<QuotedPolicy>, Vec<(&'static str, String)>) {
        let asked = crate::facts::SimulationQuestion { policy_source_arn: arn.to_owned(), ..Default::default() };
        let mut push =
            Fact::Known(Simulation { asked: Some(asked), evaluation_results: results, ..Simulation::default() });
        let (mut tunnel, mut describe) = (push.clone(), Fact::NotGathered);
        let budget = Budget::of(Duration::from_secs(60));
        put(fake, &budget, [&mut push, &mut tunnel, &mut describe]).await;
        assert_eq!(push, tunnel);
        (push.known().unwrap().policies.clone(), fake.made.lock().unwrap().clone())
    }

    const ROLE: &str = "arn:aws:iam::123456789012:role/team/ops";
    const USER: &str = "arn:aws:iam::123456789012:user/ann";

    #[tokio::test]
    async fn an_allowed_call_asks_for_nothing() {
        let allowed = results(
            json!([{ "EvalDecision": "allowed", "MatchedStatements": [{ "SourcePolicyId": "x" }] }, { "EvalDecision": "implicitDeny" }]),
        );
        assert_eq!(put_to(&Fake::healthy(), ROLE, allowed).await, (vec![], vec![]));
    }

    #[tokio::test]
    async fn each_kind_of_policy_is_read_by_its_own_call_once_for_all_answers() {
        let fake = || Fake { document: "{}".into(), ..Fake::healthy() };
        let (quoted, made) = put_to(&fake(), ROLE, denied_by("role_ops_guard_x")).await;
        assert_eq!(made, [("iam:GetRolePolicy", "ops guard_x".to_owned())]);
        assert_eq!(
            (quoted[0].policy.as_str(), &quoted[0].document),
            ("the inline policy guard_x of role ops", &Fact::Known("{}".into()))
        );
        let (_, made) = put_to(&fake(), USER, denied_by("user_ann_guard")).await;
        assert_eq!(made, [("iam:GetUserPolicy", "ann guard".to_owned())]);
        let (_, made) = put_to(&fake(), USER, denied_by("group_admins_guard")).await;
        assert_eq!(made, [("iam:GetGroupPolicy", "admins guard".to_owned())]);
        let (quoted, made) = put_to(&fake(), ROLE, denied_by("Guard")).await;
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy/Guard");
        assert_eq!(made, [("iam:GetPolicy", arn.clone()), ("iam:GetPolicyVersion", format!("{arn} v3"))]);
        assert_eq!((&quoted[0].policy, quoted[0].read_by.as_str()), (&arn, "iam:GetPolicyVersion"));
    }

    #[tokio::test]
    async fn a_name_that_the_account_does_not_have_may_be_awss_and_is_absent_where_it_is_not() {
        let mut fake = Fake::healthy();
        fake.refuse.insert("iam:GetPolicy", "NoSuchEntity");
        let (quoted, made) = put_to(&fake, ROLE, denied_by("AWSDenyAll")).await;
        assert_eq!(made[1].1, "arn:aws:iam::aws:policy/AWSDenyAll");
        assert_eq!(quoted[0].document, Fact::Absent);
        fake.refuse = [("iam:GetGroupPolicy", "NoSuchEntity")].into();
        let (_, made) = put_to(&fake, USER, denied_by("group_a_b_c_d_e_f_g")).await;
        assert_eq!(made.iter().filter(|(action, _)| *action == "iam:GetGroupPolicy").count(), SPLITS);
    }

    #[tokio::test]
    async fn the_boundary_is_read_only_where_it_does_not_allow() {
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy/boundary");
        let fake = Fake {
            boundary: Some(AttachedPermissionsBoundary { permissions_boundary_arn: Some(arn.clone()) }),
            ..Fake::healthy()
        };
        let outside = results(json!([{
            "EvalDecision": "implicitDeny",
            "ResourceSpecificResults": [{ "PermissionsBoundaryDecisionDetail": { "AllowedByPermissionsBoundary": false } }],
        }]));
        let (quoted, made) = put_to(&fake, ROLE, outside).await;
        let actions: Vec<&str> = made.iter().map(|(action, _)| *action).collect();
        assert_eq!(actions, ["iam:GetRole", "iam:GetPolicy", "iam:GetPolicyVersion"]);
        assert_eq!((quoted[0].source_policy_id.as_str(), &quoted[0].policy), ("", &arn));
    }

    #[tokio::test]
    async fn many_policies_are_bounded_and_a_refusal_names_its_action() {
        let mut fake = Fake::healthy();
        fake.refuse.insert("iam:GetRolePolicy", "AccessDenied");
        let many = (0..9).flat_map(|number| denied_by(&format!("role_ops_{number}"))).collect();
        let (quoted, _) = put_to(&fake, ROLE, many).await;
        assert_eq!(quoted.len(), POLICIES);
        let Fact::Unreadable(why) = &quoted[0].document else { panic!("read") };
        assert_eq!(why.missing_action.as_deref(), Some("iam:GetRolePolicy"));
    }
}
