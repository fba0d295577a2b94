//! A report with a result of each status.

use eic_doctor_proto::{Attempt, CheckResult, Evidence, Remedy, Report, Scope, Status, Subject, Tool};

pub(super) fn report() -> Report {
    let ids = [
        (Status::Ok, "aws.instance.exists"),
        (Status::Warn, "aws.instance.status-checks"),
        (Status::Fail, "aws.network.security-group-ingress"),
        (Status::Unknown, "aws.iam.principal"),
        (Status::Blocked, "os.sshd.port"),
        (Status::NotApplicable, "aws.iam.open-tunnel"),
    ];
    let results = ids.into_iter().map(|(status, id)| result(status, id)).collect();
    let tool = Tool { name: "eic-doctor".to_owned(), version: "0.0.0".to_owned() };
    let subject = Subject { instance_id: Some("i-0123456789abcdef0".to_owned()), ..Subject::default() };
    let started = "2026-11-28T06:00:00Z".to_owned();
    Report::of(tool, Scope::Whole, subject, Attempt::usual(), started, results)
}

/// What a writer writes.
pub(super) fn text_of(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The same of an instance whose place is known.
pub(super) fn located() -> Report {
    let mut report = report();
    report.subject.account_id = Some("111122223333".to_owned());
    report.subject.region = Some("eu-west-1".to_owned());
    report
}

fn result(status: Status, id: &str) -> CheckResult {
    let is_finding = status.is_finding();
    CheckResult {
        id: id.to_owned(),
        title: format!("title of {id}"),
        status,
        evidence: if is_finding { vec![Evidence::new("seen", "ec2:DescribeSecurityGroups")] } else { Vec::new() },
        remedy: is_finding.then(|| Remedy {
            text: "Mend it".to_owned(),
            command: Some("aws ec2 mend".to_owned()),
            verify: "eic-doctor check".to_owned(),
        }),
        blocked_by: Vec::new(),
        why: match status {
            Status::Ok => String::new(),
            Status::Warn => "warned".to_owned(),
            _ => format!("why {status}"),
        },
        missing_action: None,
        doc: format!("eic-doctor explain {id}"),
        required: true,
    }
}
