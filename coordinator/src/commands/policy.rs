//! `eic-doctor policy`: the least-privilege IAM policy, from the calls that the code makes.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::checks;
use crate::gather::QUOTING_ACTIONS;

/// Actions that no check reads but that bring OS facts over Systems Manager.
pub const COURIER_ACTIONS: &[&str] = &["ssm:GetCommandInvocation", "ssm:SendCommand"];

/// The one that tells the role of an instance whose SSM Agent is not heard of.
const PROFILE_ACTION: &str = "iam:GetInstanceProfile";

/// The one that only a fleet over a whole organization calls.
const ORGANIZATION_ACTION: &str = "organizations:ListAccounts";

/// Every action that the coordinator may call. `sts:GetCallerIdentity` needs no permission, so it is not among them; nor is
/// `sts:AssumeRole`, which is for each role's owner to grant, and only on that role.
pub fn actions() -> BTreeSet<&'static str> {
    checks::abouts()
        .into_iter()
        .flat_map(|about| about.actions.iter().copied())
        .chain(COURIER_ACTIONS.iter().copied())
        .chain([ORGANIZATION_ACTION, PROFILE_ACTION])
        .chain(QUOTING_ACTIONS.iter().copied())
        .filter(|action| *action != "sts:GetCallerIdentity")
        .collect()
}

/// The policy document. The EC2 and most SSM actions know no resource but `*` (Service Authorization Reference); IAM's are narrowed
/// to users and roles, SendCommand to one AWS-owned document and to instances.
pub fn policy(partition: &str) -> Value {
    let (mut everywhere, mut principals, mut send, mut quote) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for action in actions() {
        match action {
            "ssm:SendCommand" => send.push(action),
            PROFILE_ACTION => quote.push(action),
            _ if QUOTING_ACTIONS.contains(&action) => quote.push(action),
            _ if action.starts_with("iam:") => principals.push(action),
            _ => everywhere.push(action),
        }
    }
    let holders =
        ["role", "user", "group", "policy", "instance-profile"].map(|kind| format!("arn:{partition}:iam::*:{kind}/*"));
    json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Sid": "Look", "Effect": "Allow", "Action": everywhere, "Resource": "*" },
            {
                "Sid": "AskWhetherThePrincipalMay", "Effect": "Allow", "Action": principals,
                "Resource": [format!("arn:{partition}:iam::*:role/*"), format!("arn:{partition}:iam::*:user/*")],
            },
            {
                "Sid": "ReadPoliciesAndProfiles", "Effect": "Allow", "Action": quote,
                "Resource": holders,
            },
            {
                "Sid": "AskTheInstance", "Effect": "Allow", "Action": send,
                "Resource": [
                    format!("arn:{partition}:ssm:*::document/AWS-RunShellScript"),
                    format!("arn:{partition}:ec2:*:*:instance/*"),
                ],
            },
        ],
    })
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

pub fn write(partition: &str, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &policy(partition))?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_of_every_check_is_granted_and_nothing_that_writes() {
        let text = policy("aws").to_string();
        for action in actions() {
            assert!(text.contains(&format!("\"{action}\"")), "{action}");
            let verb = action.split(':').nth(1).unwrap();
            let reads = ["Describe", "Get", "List", "Simulate", "Lookup"].iter().any(|prefix| verb.starts_with(prefix));
            assert!(reads || action == "ssm:SendCommand", "{action}");
        }
    }
}
