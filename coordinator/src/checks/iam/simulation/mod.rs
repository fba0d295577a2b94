//! What `SimulatePrincipalPolicy` says of one action on one resource, as a verdict.

mod context;
mod statement;

use eic_doctor_proto::{Attempt, Evidence, Fact, Finding, Remedy, Verdict, visible};

use serde_json::{Value, json};

use crate::arn::{Principal, PrincipalKind};
use crate::checks::command::{aws_global, check, with_way};
use crate::facts::{AwsFacts, EvaluationResult, MatchedStatement, Simulation};

pub use context::Context;

const AT: &str = "iam:SimulatePrincipalPolicy";

/// One question to the simulator.
pub struct Asked<'a> {
    pub action: &'a str,
    /// The resource, as a person calls it: `i-0123456789abcdef0`.
    pub resource: &'a str,
    /// `for `ec2-user``, or nothing.
    pub whom: &'a str,
    /// What the conditions of the policies ask about.
    pub context: Context<'a>,
}

/// Whose policies were simulated.
pub fn principal<'a>(facts: &'a AwsFacts, attempt: &'a Attempt) -> Result<&'a String, Verdict> {
    match (&facts.principal_arn, attempt.principal.as_ref()) {
        (Fact::NotGathered, Some(asked)) => Ok(asked),
        (arn, _) => arn.need("the principal"),
    }
}

/// `allow` makes the remedy where no statement allows it.
pub fn verdict(
    simulation: &Simulation,
    principal: &str,
    asked: &Asked<'_>,
    is_resource: impl Fn(&str) -> bool,
    allow: impl FnOnce() -> Remedy,
) -> Result<Verdict, Verdict> {
    let Asked { action, resource, whom, context } = asked;
    let decision = decision(simulation, action, is_resource)
        .ok_or_else(|| Verdict::unknown(format!("the simulator said nothing of {action} on {resource}")))?;
    let mut evidence = vec![Evidence::new(format!("{action} for {principal}{whom}: {}", decision.word), AT)];
    evidence.extend(decision.matched.iter().map(|statement| Evidence::new(words(statement), AT)));
    if decision.word == "explicitDeny" {
        evidence.extend(decision.matched.iter().filter_map(|matched| statement::denying(simulation, matched)));
    }
    if decision.outside_boundary {
        evidence.extend(statement::of_boundary(simulation));
    }
    evidence.extend(context.evidence(simulation, decision.missing));
    let open = context.open(decision.missing);
    if let [first, ..] = open.as_slice() {
        // Source: IAM API Reference, EvaluationResult, MissingContextValues: the answer could be another one with them.
        let keys = open.join(", ");
        let why = format!(
            "depends on {keys}, which the policies ask for and nothing here tells: {} without; `--context {first}=…` tells it",
            decision.word
        );
        return Err(Verdict::Unknown { why: visible(&why).into_owned(), missing_action: None, evidence });
    }
    let by = || {
        let mut policies: Vec<&str> = decision.matched.iter().filter_map(|s| s.source_policy_id.as_deref()).collect();
        policies.dedup();
        if policies.is_empty() { "a policy".to_owned() } else { policies.join(", ") }
    };
    let (why, remedy) = match (decision.word, decision.outside_organization, decision.outside_boundary) {
        ("allowed", ..) => return Ok(Verdict::Ok { evidence }),
        ("explicitDeny", true, _) => (
            format!("an Organizations policy denies {action}{whom}"),
            by_hand(
                "Have the organization's administrators narrow the service control policy that denies it: nothing in this account can outweigh it",
            ),
        ),
        ("implicitDeny", true, _) => (
            format!("an Organizations policy does not allow {action}"),
            by_hand(&format!(
                "Have the organization's administrators allow {action} in the service control policies of the account"
            )),
        ),
        ("explicitDeny", _, outside_boundary) => {
            let boundary = if outside_boundary { "; the permissions boundary does not allow it either" } else { "" };
            let text = match outside_boundary {
                true => format!(
                    "Remove or narrow the statement that denies it: no other statement can outweigh it; and see that the permissions \
                     boundary allows it ({})",
                    whose_boundary(principal)
                ),
                false => "Remove or narrow the statement that denies it: no other statement can outweigh it".to_owned(),
            };
            (format!("a statement of {} denies {action}{whom}{boundary}", by()), by_hand(&text))
        }
        ("implicitDeny", _, true) => (
            format!("the permissions boundary of {principal} does not allow {action}"),
            by_hand(&format!(
                "Add {action} to the permissions boundary ({}); a boundary grants nothing by itself, so a policy must allow it as well",
                whose_boundary(principal)
            )),
        ),
        ("implicitDeny", ..) => (format!("no policy of {principal} allows {action}{whom} on {resource}"), allow()),
        (other, ..) => return Err(Verdict::unknown(format!("the simulator says `{other}`, which is not known here"))),
    };
    Ok(Verdict::fail(Finding::new(why, remedy).with(evidence)))
}

/// What the simulator says of the one question, whichever shape it said it in.
struct Decision<'a> {
    word: &'a str,
    matched: &'a [MatchedStatement],
    missing: &'a [String],
    outside_organization: bool,
    outside_boundary: bool,
}

/// Since 2026-07-30 there is one result per action and the verdict per resource stands in `ResourceSpecificResults`; before, there was
/// one result per action and resource (botocore, iam/2010-05-08, commit 885f434f7).
fn decision<'a>(simulation: &'a Simulation, action: &str, is_resource: impl Fn(&str) -> bool) -> Option<Decision<'a>> {
    let is_ours = |arn: &Option<String>| arn.as_deref().is_some_and(&is_resource);
    let of_action: Vec<&EvaluationResult> = simulation
        .evaluation_results
        .iter()
        .filter(|result| result.eval_action_name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(action)))
        .collect();
    let outside_organization = |result: &EvaluationResult| {
        let detail = result.organizations_decision_detail.as_ref();
        detail.and_then(|detail| detail.allowed_by_organizations) == Some(false)
    };
    for result in &of_action {
        if let Some(ours) =
            result.resource_specific_results.iter().find(|specific| is_ours(&specific.eval_resource_name))
        {
            let boundary = ours
                .permissions_boundary_decision_detail
                .as_ref()
                .or(result.permissions_boundary_decision_detail.as_ref());
            return Some(Decision {
                word: ours.eval_resource_decision.as_deref()?,
                matched: &ours.matched_statements,
                missing: &ours.missing_context_values,
                outside_organization: outside_organization(result),
                outside_boundary: boundary.and_then(|detail| detail.allowed_by_permissions_boundary) == Some(false),
            });
        }
    }
    let result = of_action.into_iter().find(|result| is_ours(&result.eval_resource_name))?;
    let boundary = result.permissions_boundary_decision_detail.as_ref();
    Some(Decision {
        word: result.eval_decision.as_deref()?,
        matched: &result.matched_statements,
        missing: &result.missing_context_values,
        outside_organization: outside_organization(result),
        outside_boundary: boundary.and_then(|detail| detail.allowed_by_permissions_boundary) == Some(false),
    })
}

/// `decided by PolicyInputList.1 (IAM Policy), lines 1:17 to 9:6`
fn words(statement: &MatchedStatement) -> String {
    let policy = statement.source_policy_id.as_deref().unwrap_or("a policy");
    let kind = statement.source_policy_type.as_deref().map(|kind| format!(" ({kind})")).unwrap_or_default();
    let position =
        |position: Option<crate::facts::Position>| position.and_then(|p| Some(format!("{}:{}", p.line?, p.column?)));
    let place = match (position(statement.start_position), position(statement.end_position)) {
        (Some(start), Some(end)) => format!(", lines {start} to {end}"),
        _ => String::new(),
    };
    format!("decided by {policy}{kind}{place}")
}

pub fn by_hand(text: &str) -> Remedy {
    Remedy::by_hand(text, "`eic-doctor check` with the same principal and `--only aws.iam`")
}

/// For a principal that takes no policy of its own, or whose resource has no name: `text` says what is to be allowed.
pub fn allow_by_hand(principal: &str, text: &str) -> Remedy {
    // Source: IAM Identity Center User Guide, "Referencing permission sets in resource policies".
    let set = principal.rsplit('/').next().and_then(|name| name.strip_prefix("AWSReservedSSO_")?.rsplit_once('_'));
    match set.filter(|_| principal.contains(":role/aws-reserved/")) {
        Some((set, _)) => {
            by_hand(&format!("{text}: in the permission set {set} of IAM Identity Center, then provision it again"))
        }
        None => by_hand(text),
    }
}

/// The command that names the boundary.
fn whose_boundary(principal: &str) -> String {
    match kind_and_name(principal) {
        Some((kind, name)) => format!("`aws iam get-{kind} --{kind}-name {name}` names it"),
        None => "`aws iam get-role` names it".to_owned(),
    }
}

/// `role` or `user`, and the name without its path. Roles that AWS itself keeps, those of IAM Identity Center say, take no policy.
pub fn kind_and_name(arn: &str) -> Option<(&'static str, String)> {
    let principal: Principal = arn.parse().ok().filter(|_| !arn.contains(":role/aws-"))?;
    match principal.kind {
        PrincipalKind::Role { name } => Some(("role", name)),
        PrincipalKind::User { name } => Some(("user", name)),
        PrincipalKind::AssumedRole { .. } | PrincipalKind::Root | PrincipalKind::FederatedUser => None,
    }
}

/// Puts a policy of one statement to the principal, under a name of its own, so that no policy that is there is overwritten.
pub fn put(
    facts: &AwsFacts,
    attempt: &Attempt,
    principal: &str,
    policy: &str,
    text: &str,
    statement: &Value,
) -> Remedy {
    let Some((kind, name)) = kind_and_name(principal) else { return allow_by_hand(principal, text) };
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
    let put = aws_global(facts, "iam", &format!("put-{kind}-policy")).args([&format!("--{kind}-name"), &name]);
    let put = put.args(["--policy-name", policy, "--policy-document", &document.to_string()]);
    let again = check(facts).args(["--os-user", attempt.os_user.as_str(), "--principal", principal]);
    Remedy::by_command(text, &put, with_way(facts, again, attempt).args(["--only", "aws.iam"]).to_string())
}

/// The session of an assumed role names its role without the path.
fn is_same_principal(asked: &str, meant: &str) -> bool {
    let (Ok(asked), Ok(meant)) = (asked.parse::<Principal>(), meant.parse::<Principal>()) else {
        return asked == meant;
    };
    let name = |kind: &PrincipalKind| match kind {
        PrincipalKind::Role { name } | PrincipalKind::AssumedRole { role: name } => Some(format!("role {name}")),
        PrincipalKind::User { name } => Some(format!("user {name}")),
        PrincipalKind::Root | PrincipalKind::FederatedUser => None,
    };
    asked.account == meant.account && name(&asked.kind) == name(&meant.kind)
}

/// A recorded answer is of use only to the question that it was given to.
pub fn asked_about_principal(simulation: &Simulation, principal: &str, attempt: &Attempt) -> Result<(), Verdict> {
    let asked = simulation.asked.iter().map(|asked| asked.policy_source_arn.as_str()).find(|arn| !arn.is_empty());
    for meant in [Some(principal), attempt.principal.as_deref()].into_iter().flatten() {
        if let Some(asked) = asked.filter(|asked| !is_same_principal(asked, meant)) {
            return Err(Verdict::unknown(format!("the simulation was asked about {asked}, not about {meant}")));
        }
    }
    Ok(())
}
