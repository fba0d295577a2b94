//! The statement that decides, quoted from its policy.

use eic_doctor_proto::{Evidence, Fact};
use serde::de::IgnoredAny;
use serde_json::{Deserializer, Value};

use crate::facts::{MatchedStatement, Position, QuotedPolicy, Simulation};

/// Characters of a statement that are shown.
const WIDTH: usize = 600;
/// Statements of a permissions boundary that are shown.
const OF_BOUNDARY: usize = 4;

/// The statement that denies; nothing where nobody read the policy.
pub fn denying(simulation: &Simulation, matched: &MatchedStatement) -> Option<Evidence> {
    let name = matched.source_policy_id.as_deref().filter(|name| !name.is_empty())?;
    let policy = simulation.policies.iter().find(|policy| policy.source_policy_id == name)?;
    let said = match &policy.document {
        Fact::Known(document) => match statement(document, matched.start_position) {
            Some(statement) if effect(&statement).as_deref() == Some("Allow") => return None,
            Some(statement) => format!("{}: {}", policy.policy, bounded(&statement)),
            None => format!("which statement of {} it is could not be told", policy.policy),
        },
        Fact::Absent => format!("the statement is not quoted: IAM knows no policy {name} in the account's path `/`"),
        Fact::Unreadable(why) => format!("the statement is not quoted: {}", why.reason),
        Fact::NotGathered => return None,
    };
    Some(Evidence::new(said, &policy.read_by))
}

/// What the permissions boundary allows, which is everything that may be allowed at all.
pub fn of_boundary(simulation: &Simulation) -> Vec<Evidence> {
    let boundary = simulation.policies.iter().filter(|policy| policy.source_policy_id.is_empty());
    boundary.flat_map(evidence_of_boundary).collect()
}

fn evidence_of_boundary(boundary: &QuotedPolicy) -> Vec<Evidence> {
    let at = &boundary.read_by;
    let document = match &boundary.document {
        Fact::Known(document) => document,
        Fact::Absent => {
            return vec![Evidence::new("the permissions boundary is not quoted: IAM tells of none any more", at)];
        }
        Fact::Unreadable(why) => {
            return vec![Evidence::new(format!("the permissions boundary is not quoted: {}", why.reason), at)];
        }
        Fact::NotGathered => return Vec::new(),
    };
    let all = statements(document);
    let allowing: Vec<&String> = all.iter().filter(|statement| effect(statement).as_deref() == Some("Allow")).collect();
    let mut evidence: Vec<Evidence> = allowing
        .iter()
        .take(OF_BOUNDARY)
        .map(|statement| {
            Evidence::new(format!("the permissions boundary {}: {}", boundary.policy, bounded(statement)), at)
        })
        .collect();
    match allowing.len().checked_sub(OF_BOUNDARY) {
        Some(more) if more > 0 => {
            evidence.push(Evidence::new(format!("and {more} more statements of {}", boundary.policy), at));
        }
        _ if evidence.is_empty() => {
            evidence.push(Evidence::new(format!("the permissions boundary {} allows nothing", boundary.policy), at));
        }
        _ => {}
    }
    evidence
}

/// The statement that begins at a place in the document. IAM's place is just behind the `[` or `,` before it, lines and columns from 1
/// (AWS CLI, example of `simulate-principal-policy`), so that white space may come first. A document that was written anew since, or a place
/// that is not told, leaves one statement alone that denies.
fn statement(document: &str, start: Option<Position>) -> Option<String> {
    let there = start.and_then(|start| statement_at(document, start));
    there.or_else(|| {
        let mut denying = statements(document).into_iter().filter(|one| effect(one).as_deref() == Some("Deny"));
        denying.next().filter(|_| denying.next().is_none())
    })
}

fn statement_at(document: &str, start: Position) -> Option<String> {
    let line = usize::try_from(start.line?).ok()?.checked_sub(1)?;
    let column = usize::try_from(start.column?).ok()?.checked_sub(1)?;
    let lines: Vec<&str> = document.split('\n').collect();
    let before: usize = lines.get(..line)?.iter().map(|line| line.len() + 1).sum();
    let within: usize = lines.get(line)?.chars().take(column).map(char::len_utf8).sum();
    let rest = document.get(before + within..)?;
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '[' | ',' | ':'));
    let one = first_object(rest)?;
    effect(&one).map(|_| one)
}

/// The text of the JSON object that `text` begins with.
fn first_object(text: &str) -> Option<String> {
    let text = Some(text).filter(|text| text.starts_with('{'))?;
    let mut read = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    read.next()?.ok()?;
    Some(compact(text.get(..read.byte_offset())?))
}

fn statements(document: &str) -> Vec<String> {
    let parsed: Option<Value> = serde_json::from_str(document).ok();
    match parsed.as_ref().and_then(|document| document.get("Statement")) {
        Some(Value::Array(all)) => all.iter().map(Value::to_string).collect(),
        Some(one) => vec![one.to_string()],
        None => Vec::new(),
    }
}

fn effect(statement: &str) -> Option<String> {
    let statement: Value = serde_json::from_str(statement).ok()?;
    Some(statement.get("Effect")?.as_str()?.to_owned())
}

/// Without white space between the words; within a text it stays.
fn compact(json: &str) -> String {
    let (mut within, mut is_escaped) = (false, false);
    let keep = |character: &char| {
        let kept = within || !character.is_ascii_whitespace();
        match character {
            '"' if !is_escaped => within = !within,
            _ => {}
        }
        is_escaped = within && *character == '\\' && !is_escaped;
        kept
    };
    json.chars().filter(keep).collect()
}

fn bounded(statement: &str) -> String {
    match statement.chars().nth(WIDTH) {
        Some(_) => statement.chars().take(WIDTH).chain(['…']).collect(),
        None => statement.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Why;
    use serde_json::json;

    use super::*;

    const DOCUMENT: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "größe",
            "Effect": "Allow",
            "Action": "*",
            "Resource": "*"
        }, {
            "Effect": "Deny",
            "Action": "ec2-instance-connect:*", "Resource": "a \"b\" ]}"
        },
        { "Effect": "Deny", "Action": "s3:*", "Resource": "*" }
    ]
}"#;
    const SECOND: &str = r#"{"Effect":"Deny","Action":"ec2-instance-connect:*","Resource":"a \"b\" ]}"}"#;

    fn at(line: i32, column: i32) -> Option<String> {
        statement(DOCUMENT, Some(Position { line: Some(line), column: Some(column) }))
    }

    #[test]
    fn the_statement_is_found_behind_what_comes_before_it_or_at_its_brace() {
        // Behind the `,`, at the brace, and at the `,` itself.
        for column in [11, 12, 10] {
            assert_eq!(at(9, column).as_deref(), Some(SECOND), "{column}");
        }
        assert!(at(3, 19).unwrap().starts_with(r#"{"Sid":"größe","#));
        assert_eq!(at(12, 11).as_deref(), Some(r#"{"Effect":"Deny","Action":"s3:*","Resource":"*"}"#));
    }

    #[test]
    fn a_place_that_is_none_is_no_statement_unless_one_alone_denies() {
        for (line, column) in [(0, 0), (1, 1), (10, 3), (99, 1), (14, 2)] {
            assert_eq!(at(line, column), None, "{line}:{column}");
        }
        let alone = r#"{"Statement":{"Effect":"Deny","Action":"*"}}"#;
        assert_eq!(statement(alone, None).as_deref(), Some(r#"{"Action":"*","Effect":"Deny"}"#));
        assert_eq!(statement("nonsense", None), None);
    }

    fn evidence(document: Fact<String>) -> Option<Evidence> {
        let policy = QuotedPolicy {
            source_policy_id: "p".into(),
            policy: "the policy p".into(),
            read_by: "iam:GetRolePolicy".into(),
            document,
        };
        let simulation = Simulation { policies: vec![policy], ..Simulation::default() };
        let matched = json!({ "SourcePolicyId": "p", "StartPosition": { "Line": 9, "Column": 11 } });
        denying(&simulation, &serde_json::from_value(matched).unwrap())
    }

    #[test]
    fn the_evidence_quotes_it_or_says_why_not() {
        assert_eq!(evidence(Fact::Known(DOCUMENT.into())).unwrap().seen, format!("the policy p: {SECOND}"));
        let refused = evidence(Fact::Unreadable(Why::not_permitted("iam:GetRolePolicy"))).unwrap();
        assert_eq!(refused.seen, "the statement is not quoted: the credentials may not call iam:GetRolePolicy");
        assert!(evidence(Fact::Absent).unwrap().seen.contains("knows no policy p"));
        assert!(evidence(Fact::Known(DOCUMENT.replace("Deny", "Allow"))).is_none());
        let long = DOCUMENT.replace("instance-connect", &"x".repeat(2 * WIDTH));
        assert!(evidence(Fact::Known(long)).unwrap().seen.chars().count() < WIDTH + 30);
    }

    #[test]
    fn a_boundary_tells_what_it_allows_and_no_more_than_a_few_statements() {
        let boundary = |document: Value| {
            let policy = QuotedPolicy {
                policy: "arn:b".into(),
                document: Fact::Known(document.to_string()),
                ..QuotedPolicy::default()
            };
            let told = of_boundary(&Simulation { policies: vec![policy], ..Simulation::default() });
            told.into_iter().map(|evidence| evidence.seen).collect::<Vec<_>>()
        };
        let allow = json!({ "Effect": "Allow", "Action": "ec2:*", "Resource": "*" });
        assert_eq!(
            boundary(json!({ "Statement": [allow, { "Effect": "Deny" }] })),
            [format!("the permissions boundary arn:b: {allow}")]
        );
        assert_eq!(boundary(json!({ "Statement": [] })), ["the permissions boundary arn:b allows nothing"]);
        let many = boundary(json!({ "Statement": vec![allow; 9] }));
        assert_eq!((many.len(), many.last().unwrap().as_str()), (5, "and 5 more statements of arn:b"));
    }
}
