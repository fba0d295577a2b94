//! What every format for people says in the same words: of what the report is, how its checks are grouped, how many said what.

use eic_doctor_proto::{CheckResult, Report, Via, visible};

/// Sections in their order: the area of a check's id, and the heading.
const SECTIONS: [(&str, &str); 17] = [
    ("aws.region.", "Region"),
    ("aws.instance.", "Instance"),
    ("aws.endpoint.", "Endpoint"),
    ("aws.network.", "Network"),
    ("aws.iam.", "IAM"),
    ("aws.ssm.", "Systems Manager"),
    ("os.host.", "Operating system"),
    ("os.package.", "Package"),
    ("os.account.", "Accounts"),
    ("os.imds.", "Instance metadata service"),
    ("os.trust.", "Trust and clock"),
    ("os.sshd.", "sshd"),
    ("os.security.", "Security modules"),
    ("os.firewall.", "Firewall on the instance"),
    ("os.network.", "Network on the instance"),
    ("os.log.", "Log"),
    ("both.", "AWS and the instance together"),
];

/// What holds the checks of no section.
const OTHERS: &str = "Others";

/// The results under the headings that have any, in their order.
pub fn sections(report: &Report) -> Vec<(&'static str, Vec<&CheckResult>)> {
    let heading = |result: &CheckResult| {
        SECTIONS.iter().find(|(prefix, _)| result.id.starts_with(prefix)).map_or(OTHERS, |(_, heading)| heading)
    };
    let headings = SECTIONS.iter().map(|(_, heading)| *heading).chain([OTHERS]);
    let of = |name| report.results.iter().filter(|result| heading(result) == name).collect::<Vec<_>>();
    headings.map(|name| (name, of(name))).filter(|(_, results)| !results.is_empty()).collect()
}

/// `i-0123456789abcdef0 (web-1), eu-west-1a, Amazon Linux 2023`.
pub fn subject(report: &Report) -> String {
    let subject = &report.subject;
    let mut parts = vec![subject.instance_id.clone().unwrap_or_else(|| "this instance".to_owned())];
    if let (Some(first), Some(name)) = (parts.first_mut(), &subject.name) {
        first.push_str(&format!(" ({name})"));
    }
    parts.extend(subject.availability_zone.clone().or_else(|| subject.region.clone()));
    parts.extend(subject.operating_system.clone().or_else(|| subject.platform.clone()));
    visible(&parts.join(", ")).into_owned()
}

/// `ec2-user from 203.0.113.7/32, public address 198.51.100.20, port 22`.
pub fn attempt(report: &Report) -> String {
    let attempt = &report.attempt;
    let mut parts = vec![attempt.os_user.to_string()];
    if let Some(first) = parts.first_mut() {
        match (attempt.source, attempt.via) {
            (Some(source), _) => first.push_str(&format!(" from {source}")),
            (None, Via::Browser) => first.push_str(" from the Region's EC2 Instance Connect addresses"),
            (None, _) => {}
        }
    }
    let dialled = report.path.as_ref().and_then(|path| path.address.clone());
    let address = attempt.address.map(|address| address.to_string()).or(dialled);
    let way = match attempt.via {
        Via::Auto => None,
        Via::Browser | Via::Public => Some("public address"),
        Via::Private => Some("private address"),
        Via::Endpoint => Some("through an EC2 Instance Connect Endpoint"),
    };
    match (way, address) {
        (Some(way), Some(address)) if attempt.via == Via::Endpoint => parts.push(format!("{way} to {address}")),
        (Some(way), Some(address)) => parts.push(format!("{way} {address}")),
        (Some(way), None) => parts.push(way.to_owned()),
        (None, Some(address)) => parts.push(format!("address {address}")),
        (None, None) => {}
    }
    parts.push(format!("port {}", attempt.port));
    visible(&parts.join(", ")).into_owned()
}

/// `31 checks: 28 ok, 1 fail, 1 unknown, 1 not applicable`.
pub fn counts(report: &Report) -> String {
    let total = report.counts.total;
    let parts: Vec<String> = report
        .counts
        .by_status()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| format!("{count} {}", status.word().replace('-', " ")))
        .collect();
    let noun = if total == 1 { "check" } else { "checks" };
    if parts.is_empty() { format!("{total} {noun}") } else { format!("{total} {noun}: {}", parts.join(", ")) }
}
