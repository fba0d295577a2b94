//! Who calls, whose policies are asked about, and what the simulator says of them.

use eic_doctor_proto::{Fact, Why};

use super::budget::Budget;
use super::context::{About, entry};
use super::operations::{Aws, GetCallerIdentity, GetRole, GetUser, SimulatePrincipalPolicy};
use super::principal::role_without_path;
use super::refused::{Answer, Refused, RefusedKind, fact};
use super::run::Seen;
use crate::arn::{Principal, PrincipalKind};
use crate::facts::{CallerIdentity, Simulation, SimulationQuestion};

/// Push a key: the call whose permission decides on every way.
const PUSH: &str = "ec2-instance-connect:SendSSHPublicKey";

pub(super) struct Identity {
    pub caller: Fact<CallerIdentity>,
    pub principal_arn: Fact<String>,
    pub simulation: Fact<Simulation>,
}

pub(super) async fn caller<A: Aws>(aws: &A, budget: &Budget) -> Fact<CallerIdentity> {
    fact(budget.ask(<A as GetCallerIdentity>::ACTION, aws.get_caller_identity()).await)
}

pub(super) async fn look<A: Aws>(
    aws: &A,
    budget: &Budget,
    about: About<'_>,
    caller: impl Future<Output = Fact<CallerIdentity>>,
    instance: impl Future<Output = Seen>,
) -> Identity {
    let About { attempt, .. } = about;
    let asker = Asker { aws, budget, about };
    let named = attempt.principal.as_deref().map(str::parse::<Principal>);
    // A principal that was named is known at once: its role can be learnt while the instance is looked at.
    let (caller, role, seen) = match &named {
        Some(Ok(principal)) => {
            let (caller, role, seen) = tokio::join!(caller, asker.role_of_session(principal), instance);
            (caller, role, seen)
        }
        _ => {
            let (caller, seen) = tokio::join!(caller, instance);
            (caller, None, seen)
        }
    };
    let principal = match named {
        Some(Ok(principal)) => Ok(principal),
        Some(Err(error)) => Err(Why::new(error.to_string())),
        None => caller_principal(&caller),
    };
    let asked = match principal {
        Ok(principal) => asker.ask(&principal, role, &caller, &seen).await,
        Err(why) => Asked::neither(why),
    };
    Identity { caller, principal_arn: asked.principal_arn, simulation: asked.simulation }
}

pub(super) fn caller_principal(caller: &Fact<CallerIdentity>) -> Result<Principal, Why> {
    let caller = match caller {
        Fact::Known(caller) => caller,
        Fact::Unreadable(why) => return Err(why.clone()),
        Fact::Absent | Fact::NotGathered => return Err(Why::new("the caller is not known")),
    };
    let arn = caller.arn.as_deref().ok_or_else(|| Why::new("sts:GetCallerIdentity told no ARN"))?;
    arn.parse().map_err(|_| {
        Why::new(format!(
            "{arn} is neither a user nor a role, so its policies cannot be simulated: name the one that connects with \
                 `--principal`"
        ))
    })
}

struct Asked {
    principal_arn: Fact<String>,
    simulation: Fact<Simulation>,
}

impl Asked {
    fn neither(why: Why) -> Self {
        Self { principal_arn: Fact::Unreadable(why.clone()), simulation: Fact::Unreadable(why) }
    }

    fn path_not_learnt(refused: &Refused) -> Self {
        let why = refused.why();
        let reason = format!("the role's path could not be learnt: {}", why.reason);
        Self {
            principal_arn: refused.clone().into_fact(),
            simulation: Fact::Unreadable(Why { reason, missing_action: why.missing_action }),
        }
    }

    fn about(arn: &str, answer: Answer<Simulation>) -> Self {
        Self { principal_arn: Fact::Known(arn.to_owned()), simulation: fact(answer) }
    }
}

struct Asker<'a, A> {
    aws: &'a A,
    budget: &'a Budget,
    about: About<'a>,
}

impl<A: Aws> Asker<'_, A> {
    /// The ARN, path included, of the role behind a session; `None` for every other principal.
    async fn role_of_session(&self, principal: &Principal) -> Option<Answer<String>> {
        match &principal.kind {
            PrincipalKind::AssumedRole { role } => Some(self.role_arn(role).await),
            _ => None,
        }
    }

    async fn role_arn(&self, name: &str) -> Answer<String> {
        let action = <A as GetRole>::ACTION;
        let role = self.budget.ask(action, self.aws.get_role(name)).await?;
        role.arn.ok_or_else(|| Refused::new(action, RefusedKind::Ill, "the answer holds no ARN"))
    }

    async fn user_arn(&self, name: &str) -> Answer<String> {
        let action = <A as GetUser>::ACTION;
        let user = self.budget.ask(action, self.aws.get_user(name)).await?;
        user.arn.ok_or_else(|| Refused::new(action, RefusedKind::Ill, "the answer holds no ARN"))
    }

    async fn ask(
        &self,
        principal: &Principal,
        role: Option<Answer<String>>,
        caller: &Fact<CallerIdentity>,
        seen: &Seen,
    ) -> Asked {
        if principal.is_service_linked() {
            return Asked::neither(Why::new(format!(
                "{principal} is a service-linked role, which its AWS service alone assumes and whose policies are not simulated: \
                 name the user or role that connects with `--principal`"
            )));
        }
        let own_account = caller.known().and_then(|caller| caller.account.as_deref());
        if let Some(own) = own_account.filter(|own| *own != principal.account) {
            return Asked::neither(Why::new(format!(
                "{principal} is in another account than the caller ({own}), and iam:SimulatePrincipalPolicy reads only the \
                 caller's own: ask with credentials of account {}, by `--profile` or `--assume-role`",
                principal.account
            )));
        }
        if seen.instance == Fact::Absent {
            let why = Why::new("there is no such instance to simulate the call on");
            return Asked { principal_arn: Fact::Known(principal.arn().to_owned()), simulation: Fact::Unreadable(why) };
        }
        let Some(resource) = self.resource(principal, caller, seen) else {
            let why = Why::new("the instance's account is not known, so its ARN is not");
            return Asked { principal_arn: Fact::Known(principal.arn().to_owned()), simulation: Fact::Unreadable(why) };
        };
        let question = |arn: &str| self.question(arn, &resource, seen);
        match &principal.kind {
            PrincipalKind::Root => Asked::neither(Why::new(
                "the account's root user: no IAM policy binds it, and iam:SimulatePrincipalPolicy does not take it; connect as a \
                 user or role, and name it with `--principal`",
            )),
            PrincipalKind::FederatedUser => Asked::neither(Why::new(
                "a federated user's permissions also depend on its session policy, which iam:SimulatePrincipalPolicy does \
                 not take; name the IAM user or role with `--principal`",
            )),
            PrincipalKind::AssumedRole { role: name } => self.session(principal, name, role, question).await,
            PrincipalKind::User { name } => {
                let first = self.simulate(&question(principal.arn())).await;
                self.or_with_path(principal, first, self.user_arn(name), question).await
            }
            PrincipalKind::Role { name } => {
                let first = self.simulate(&question(principal.arn())).await;
                self.or_with_path(principal, first, self.role_arn(name), question).await
            }
        }
    }

    /// The role's path is not in a session's ARN. Most roles have none, so that guess is asked at once, beside `iam:GetRole`.
    async fn session(
        &self,
        principal: &Principal,
        name: &str,
        role: Option<Answer<String>>,
        question: impl Fn(&str) -> SimulationQuestion,
    ) -> Asked {
        let Some(guess) = role_without_path(principal, name) else {
            let role = match role {
                Some(role) => role,
                None => self.role_arn(name).await,
            };
            return match role {
                Ok(arn) => Asked::about(&arn, self.simulate(&question(&arn)).await),
                Err(refused) => Asked::path_not_learnt(&refused),
            };
        };
        let (role, first) = match role {
            Some(Ok(arn)) if arn != guess => return Asked::about(&arn, self.simulate(&question(&arn)).await),
            Some(role) => (role, self.simulate(&question(&guess)).await),
            None => tokio::join!(self.role_arn(name), async { self.simulate(&question(&guess)).await }),
        };
        match (role, first) {
            (Ok(arn), first) if arn == guess => Asked::about(&arn, first),
            (Ok(arn), _) => Asked::about(&arn, self.simulate(&question(&arn)).await),
            // The simulator knows the guess, so it was right: a role's name is unique in its account.
            (Err(_), Ok(first)) => Asked::about(&guess, Ok(first)),
            (Err(refused), Err(first)) if first.is_not_found() => Asked::path_not_learnt(&refused),
            (Err(refused), Err(first)) => {
                Asked { principal_arn: refused.into_fact(), simulation: Fact::Unreadable(first.why()) }
            }
        }
    }

    /// A user or role that IAM does not find under this ARN may have a path that was left out.
    async fn or_with_path(
        &self,
        principal: &Principal,
        first: Answer<Simulation>,
        learn: impl Future<Output = Answer<String>>,
        question: impl Fn(&str) -> SimulationQuestion,
    ) -> Asked {
        let first = match first {
            Err(first) if first.is_not_found() => first,
            answer => return Asked::about(principal.arn(), answer),
        };
        match learn.await {
            Ok(arn) if arn != principal.arn() => {
                let answer = self.simulate(&question(&arn)).await;
                Asked::about(&arn, answer)
            }
            Ok(_) => Asked { principal_arn: Fact::Absent, simulation: Fact::Unreadable(first.why()) },
            Err(refused) => Asked {
                principal_arn: refused.into_fact(),
                simulation: Fact::Unreadable(Why::new(format!("IAM knows no {principal}"))),
            },
        }
    }

    async fn simulate(&self, question: &SimulationQuestion) -> Answer<Simulation> {
        let action = <A as SimulatePrincipalPolicy>::ACTION;
        self.budget.ask(action, self.aws.simulate_principal_policy(question)).await
    }

    fn resource(&self, principal: &Principal, caller: &Fact<CallerIdentity>, seen: &Seen) -> Option<String> {
        let caller = caller.known().and_then(|caller| caller.account.as_deref());
        let owner = seen.owner_id.known().map(String::as_str).or(caller)?;
        let (partition, region, id) = (&principal.partition, self.about.region, &seen.instance_id);
        Some(format!("arn:{partition}:ec2:{region}:{owner}:instance/{id}"))
    }

    /// Everything that is known of the push, since the simulator looks nothing up by itself. What a policy asks for besides comes
    /// back as missing context.
    fn question(&self, arn: &str, resource: &str, seen: &Seen) -> SimulationQuestion {
        let mut context_entries = vec![entry("ec2:osuser", self.about.attempt.os_user.as_str(), "string")];
        context_entries.extend(self.about.of_every_request());
        for tag in seen.instance.known().map(|instance| instance.tags.as_slice()).unwrap_or_default() {
            if let Some(key) = &tag.key {
                let value = tag.value.as_deref().unwrap_or_default();
                context_entries.push(entry(&format!("aws:ResourceTag/{key}"), value, "string"));
                context_entries.push(entry(&format!("ec2:ResourceTag/{key}"), value, "string"));
            }
        }
        // Not aws:SourceIp: from where the connection comes says nothing of the address that the caller's requests to AWS come from.
        // These may leave through a VPC endpoint, a proxy or another network, and with the browser client the console sends them.
        SimulationQuestion {
            policy_source_arn: arn.to_owned(),
            action_names: vec![PUSH.to_owned()],
            resource_arns: vec![resource.to_owned()],
            context_entries: self.about.with_given(context_entries),
        }
    }
}
