//! The rules of the AWS Security Finding Format, written from the Security Hub API Reference (`AwsSecurityFinding` and what it holds):
//! which fields there must be, how long they may be, and which words are known.

use serde_json::Value;

/// Path, and the most characters. Every one of them must be there and not blank.
const REQUIRED: [(&str, usize); 12] = [
    ("/SchemaVersion", 10),
    ("/Id", 512),
    ("/ProductArn", 2_048),
    ("/GeneratorId", 512),
    ("/AwsAccountId", 12),
    ("/CreatedAt", 40),
    ("/UpdatedAt", 40),
    ("/Title", 256),
    ("/Description", 1_024),
    ("/Severity/Label", 13),
    ("/Resources/0/Type", 256),
    ("/Resources/0/Id", 512),
];
const OPTIONAL: [(&str, usize); 3] =
    [("/ProductName", 128), ("/Region", 16), ("/Remediation/Recommendation/Text", 512)];
const WORDS: [(&str, &[&str]); 4] = [
    ("/SchemaVersion", &["2018-10-08"]),
    ("/Severity/Label", &["INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"]),
    ("/Compliance/Status", &["PASSED", "WARNING", "FAILED", "NOT_AVAILABLE"]),
    ("/RecordState", &["ACTIVE", "ARCHIVED"]),
];
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];
/// Everything that a finding of ours holds at the top; a name that ASFF does not know is refused by the API.
const KNOWN: [&str; 18] = [
    "AwsAccountId",
    "Compliance",
    "CreatedAt",
    "Description",
    "GeneratorId",
    "Id",
    "ProductArn",
    "ProductFields",
    "ProductName",
    "RecordState",
    "Region",
    "Remediation",
    "Resources",
    "SchemaVersion",
    "Severity",
    "Title",
    "Types",
    "UpdatedAt",
];

/// The findings of one line, which is what one call takes.
pub fn findings(line: &str) -> Vec<Value> {
    let batch: Value = serde_json::from_str(line).unwrap();
    let findings = batch["Findings"].as_array().unwrap().clone();
    assert!((1..=100).contains(&findings.len()) && line.len() < 6_000_000, "{} findings", findings.len());
    findings
}

pub fn problems(finding: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let text = |path: &str| finding.pointer(path).and_then(Value::as_str);
    for (path, most) in REQUIRED.into_iter().chain(OPTIONAL) {
        match text(path) {
            Some(text) if text.trim().is_empty() || text.chars().count() > most => {
                problems.push(format!("{path}: {text}"))
            }
            None if REQUIRED.contains(&(path, most)) => problems.push(format!("{path} is not there")),
            _ => {}
        }
    }
    for (path, words) in WORDS {
        if text(path).is_none_or(|word| !words.contains(&word)) {
            problems.push(format!("{path}: {:?}", text(path)));
        }
    }
    if text("/Resources/0/Partition").is_some_and(|partition| !PARTITIONS.contains(&partition)) {
        problems.push(format!("/Resources/0/Partition: {:?}", text("/Resources/0/Partition")));
    }
    let fields = finding.as_object().into_iter().flatten();
    problems.extend(fields.filter(|(name, _)| !KNOWN.contains(&name.as_str())).map(|(name, _)| name.clone()));
    let own = finding["ProductFields"].as_object().unwrap();
    if own.len() > 50 {
        problems.push(format!("{} product fields", own.len()));
    }
    for (name, value) in own {
        let value = value.as_str().unwrap();
        if name.len() > 128 || value.trim().is_empty() || value.chars().count() > 2_048 {
            problems.push(format!("ProductFields {name}: {value}"));
        }
    }
    let (account, region) = (text("/AwsAccountId").unwrap_or_default(), text("/Region").unwrap_or_default());
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    // A custom product of the account itself, the only one that anybody may import for.
    let product = format!(":securityhub:{region}:{account}:product/{account}/default");
    if !is_account || !text("/ProductArn").is_some_and(|arn| arn.starts_with("arn:aws") && arn.ends_with(&product)) {
        problems.push(format!("{account}: {:?}", text("/ProductArn")));
    }
    problems
}
