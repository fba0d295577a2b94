//! `eic-doctor policy`: the least-privilege IAM policy, from the calls that the code makes.

use std::collections::BTreeSet;
use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::checks;
use crate::gather::QUOTING_ACTIONS;
use crate::gather::tell::TELL_ACTIONS;

/// Who is to have the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum For {
    /// Whoever runs `check` and `fleet`
    #[default]
    Check,
    /// The coordinator, `serve`, in its own account
    Serve,
    /// The role that the coordinator assumes in another account, `enrolment.role_name`
    Member,
}

/// Actions that no check reads but that bring OS facts over Systems Manager.
pub const COURIER_ACTIONS: &[&str] = &["ssm:GetCommandInvocation", "ssm:SendCommand"];

/// The one that tells the role of an instance whose SSM Agent is not heard of.
const PROFILE_ACTION: &str = "iam:GetInstanceProfile";

/// The one that only a fleet over a whole organization calls.
const ORGANIZATION_ACTION: &str = "organizations:ListAccounts";

/// Granted by the role's owner too: its trust policy says who may.
const ROLE_ACTION: &str = "sts:AssumeRole";

/// What nobody asks for each of many instances on an interval: consoles are a call each, and the trail has a slow page for each hour.
const NOT_SWEPT: &[&str] = &["cloudtrail:LookupEvents", "ec2:GetConsoleOutput"];

/// The actions that the holder needs.
pub fn actions_for(whom: For) -> BTreeSet<&'static str> {
    let looking = || {
        let looked = checks::abouts().into_iter().flat_map(|about| about.actions.iter().copied());
        // The instance profile is read of an instance that enrols.
        looked.filter(|action| !NOT_SWEPT.contains(action) && *action != CALLER_ACTION).chain([PROFILE_ACTION])
    };
    match whom {
        For::Check => actions(),
        For::Member => looking().collect(),
        For::Serve => looking().chain([ORGANIZATION_ACTION, ROLE_ACTION]).chain(TELL_ACTIONS.iter().copied()).collect(),
    }
}

/// Needs no permission.
const CALLER_ACTION: &str = "sts:GetCallerIdentity";

/// Every action that `check` and `fleet` may call. `sts:GetCallerIdentity` needs no permission, so it is not among them; nor is
/// `sts:AssumeRole`, which is for each role's owner to grant, and only on that role.
pub fn actions() -> BTreeSet<&'static str> {
    checks::abouts()
        .into_iter()
        .flat_map(|about| about.actions.iter().copied())
        .chain(COURIER_ACTIONS.iter().copied())
        .chain([ORGANIZATION_ACTION, PROFILE_ACTION])
        .chain(QUOTING_ACTIONS.iter().copied())
        .filter(|action| *action != CALLER_ACTION)
        .collect()
}

/// The policy document. The EC2 and most SSM actions know no resource but `*` (Service Authorization Reference); IAM's are narrowed
/// to users and roles, SendCommand to one AWS-owned document and to instances.
pub fn policy(partition: &str, whom: For) -> Value {
    let arns = |kinds: &[&str]| -> Vec<String> { kinds.iter().map(|kind| format!("arn:{partition}:{kind}")).collect() };
    let everything = vec!["*".to_owned()];
    let (roles, users) = ("iam::*:role/*", "iam::*:user/*");
    let mut statements = [
        ("Look", Vec::new(), everything),
        ("AskWhetherThePrincipalMay", Vec::new(), arns(&[roles, users])),
        (
            "ReadPoliciesAndProfiles",
            Vec::new(),
            arns(&[roles, users, "iam::*:group/*", "iam::*:policy/*", "iam::*:instance-profile/*"]),
        ),
        ("AskTheInstance", Vec::new(), arns(&["ssm:*::document/AWS-RunShellScript", "ec2:*:*:instance/*"])),
        ("EnterOtherAccounts", Vec::new(), arns(&[roles])),
        ("TellOfChanges", Vec::new(), arns(&["events:*:*:event-bus/*", "sns:*:*:*"])),
    ];
    for action in actions_for(whom) {
        let place = match action {
            "ssm:SendCommand" => 3,
            ROLE_ACTION => 4,
            PROFILE_ACTION => 2,
            _ if QUOTING_ACTIONS.contains(&action) => 2,
            _ if TELL_ACTIONS.contains(&action) => 5,
            _ if action.starts_with("iam:") => 1,
            _ => 0,
        };
        statements[place].1.push(action);
    }
    let statements = statements.into_iter().filter(|(_, actions, _)| !actions.is_empty());
    let statements = statements.map(
        |(sid, actions, resources)| json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources }),
    );
    json!({ "Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>() })
}

/// What `serve` needs beside what it looks by, as a Markdown table; the README holds it.
pub fn serve_table() -> String {
    let mut table = String::from("| action | for |\n|---|---|\n");
    let (serve, member, looked) = (actions_for(For::Serve), actions_for(For::Member), actions());
    for action in serve.iter().filter(|action| !looked.contains(*action) || !member.contains(*action)) {
        let what = match *action {
            ORGANIZATION_ACTION => "`enrolment.organization`",
            ROLE_ACTION => "instances of other accounts: `enrolment.role_name`",
            "events:PutEvents" => "targets of the kind `event-bridge`",
            "sns:Publish" => "targets of the kind `sns`",
            _ => "the sweep",
        };
        table.push_str(&format!("| `{action}` | {what} |\n"));
    }
    table
}

/// What turns `unknown` without each action, as a Markdown table; the README holds it.
pub fn table() -> String {
    let mut table = String::from("| without | unknown |\n|---|---|\n");
    for action in actions() {
        let checks: Vec<String> = checks::abouts()
            .into_iter()
            .filter(|about| about.actions.contains(&action))
            .map(|about| format!("`{}`", about.id))
            .collect();
        let unknown = match (COURIER_ACTIONS.contains(&action), action) {
            (true, _) => "every `os.*` check, unless the facts come from a file (`--os-facts`)".to_owned(),
            (false, "ec2:DescribeInstances") => "everything that hangs on the instance".to_owned(),
            (false, "iam:GetContextKeysForPrincipalPolicy") => {
                "nothing of one instance, but which condition keys were left unset is not listed; in a fleet `aws.iam.send-ssh-public-key`, \
                 where the instances have more than 500 different sets of tags"
                    .to_owned()
            }
            (false, action) if QUOTING_ACTIONS.contains(&action) => {
                "nothing, but the statement that denies is then named and not quoted".to_owned()
            }
            (false, PROFILE_ACTION) => {
                "nothing, but whether an instance profile's role may do what the SSM Agent needs is then not told".to_owned()
            }
            (false, ORGANIZATION_ACTION) => "nothing, unless a fleet is asked for with `--organization`".to_owned(),
            // Asked only where an ARN's path is not known.
            (false, "iam:GetRole" | "iam:GetUser") => {
                format!("{}, where the principal has a path that its ARN does not tell", checks.join(", "))
            }
            (false, _) => checks.join(", "),
        };
        table.push_str(&format!("| `{action}` | {unknown} |\n"));
    }
    table
}

pub fn write(partition: &str, whom: For, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &policy(partition, whom))?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::fleet::operations::PAGE_ACTIONS;
    use crate::gather::operations::ACTIONS;

    /// The one that runs something, the one that enters, and those that tell.
    const ACTS: [&str; 4] = ["ssm:SendCommand", "sts:AssumeRole", "events:PutEvents", "sns:Publish"];

    #[test]
    fn every_action_is_granted_and_nothing_that_writes() {
        for whom in [For::Check, For::Serve, For::Member] {
            let text = policy("aws", whom).to_string();
            for action in actions_for(whom) {
                assert_eq!(text.matches(&format!("\"{action}\"")).count(), 1, "{action} for {whom:?}");
                let verb = action.split(':').nth(1).unwrap();
                let reads =
                    ["Describe", "Get", "List", "Simulate", "Lookup"].iter().any(|prefix| verb.starts_with(prefix));
                assert!(reads || ACTS.contains(&action), "{action}");
            }
        }
    }

    #[test]
    fn a_coordinator_runs_nothing_on_an_instance_and_a_role_in_another_account_only_looks() {
        let (serve, member) = (actions_for(For::Serve), actions_for(For::Member));
        assert!(COURIER_ACTIONS.iter().all(|action| !serve.contains(action)));
        let more: Vec<&str> = serve.difference(&member).copied().collect();
        assert_eq!(more, ["events:PutEvents", "organizations:ListAccounts", "sns:Publish", "sts:AssumeRole"]);
        assert!(member.is_subset(&serve) && ACTS.iter().all(|action| !member.contains(action)));
    }

    #[test]
    fn what_serve_is_granted_is_what_the_code_calls() {
        let called: BTreeSet<&str> = [ACTIONS, PAGE_ACTIONS, TELL_ACTIONS].into_iter().flatten().copied().collect();
        let granted = actions_for(For::Serve);
        assert!(granted.is_subset(&called), "{:?}", granted.difference(&called));
        assert!(TELL_ACTIONS.iter().all(|action| granted.contains(action)));
    }
}
