//! The page for a person, as `cli.md` shows it.

use std::net::IpAddr;

use eic_doctor_agent::render::{Style, human};
use eic_doctor_proto::{Attempt, CheckResult, Command, Evidence, Remedy, Report, Scope, Status, Subject, Tool, Via};

fn result(id: &str, title: &str, status: Status) -> CheckResult {
    CheckResult {
        id: id.to_owned(),
        title: title.to_owned(),
        status,
        evidence: Vec::new(),
        remedy: None,
        blocked_by: Vec::new(),
        why: String::new(),
        missing_action: None,
        doc: format!("eic-doctor explain {id}"),
        required: true,
    }
}

fn results() -> Vec<CheckResult> {
    let command = Command::new("aws")
        .args(["ec2", "authorize-security-group-ingress", "--region", "eu-west-1", "--group-id", "sg-0a1b2c3d"])
        .args(["--protocol", "tcp", "--port", "22", "--cidr", "203.0.113.7/32"]);
    vec![
        CheckResult {
            evidence: vec![Evidence::new("eu-west-1", "ec2:DescribeRegions")],
            ..result("aws.region.supported", "EC2 Instance Connect is offered in the Region", Status::Ok)
        },
        CheckResult {
            why: "sg-0a1b2c3d has no inbound rule for tcp/22 from 203.0.113.7/32 (3 rules read)".to_owned(),
            evidence: vec![
                Evidence::new("sg-0a1b2c3d has no inbound rule", "ec2:DescribeSecurityGroups"),
                Evidence::new("sgr-1 admits 198.51.100.0/24", "ec2:DescribeSecurityGroupRules"),
            ],
            remedy: Some(Remedy::by_command(
                "let the source in",
                &command,
                "eic-doctor check i-0123456789abcdef0 --only aws.network",
            )),
            ..result("aws.network.security-group-ingress", "the security group lets the source in", Status::Fail)
        },
        CheckResult {
            why: "sshd's effective configuration: permission denied".to_owned(),
            ..result("os.sshd.authorized-keys-command", "sshd looks up pushed keys", Status::Unknown)
        },
        CheckResult {
            why: "needs os.package.installed".to_owned(),
            blocked_by: vec!["os.package.installed".to_owned()],
            ..result("os.sshd.port", "sshd listens on the port", Status::Blocked)
        },
        CheckResult {
            why: "SELinux is \u{1b}[31mdisabled".to_owned(),
            ..result("os.newer.selinux", "SELinux lets sshd run the keys command", Status::NotApplicable)
        },
    ]
}

fn page(scope: Scope, results: Vec<CheckResult>, style: Style) -> String {
    let subject = Subject {
        instance_id: Some("i-0123456789abcdef0".to_owned()),
        name: Some("web-1".to_owned()),
        availability_zone: Some("eu-west-1a".to_owned()),
        operating_system: Some("Amazon Linux 2023".to_owned()),
        ..Subject::default()
    };
    let attempt = Attempt {
        via: Via::Public,
        source: Some("203.0.113.7/32".parse().unwrap()),
        address: Some(IpAddr::from([198, 51, 100, 20])),
        ..Attempt::usual()
    };
    let tool = Tool { name: "eic-doctor".to_owned(), version: "0.1.0".to_owned() };
    let report = Report::of(tool, scope, subject, attempt, "2026-11-23T00:00:00Z".to_owned(), results);
    let mut out = Vec::new();
    human(&report, &mut out, style).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_page_reads_as_documented() {
    let expected = "\
i-0123456789abcdef0 (web-1), eu-west-1a, Amazon Linux 2023
ec2-user from 203.0.113.7/32, public address 198.51.100.20, port 22

Region
  ok       EC2 Instance Connect is offered in the Region

Network
  FAIL     the security group lets the source in
           sg-0a1b2c3d has no inbound rule for tcp/22 from 203.0.113.7/32 (3 rules read)
           sgr-1 admits 198.51.100.0/24 (ec2:DescribeSecurityGroupRules)
           to mend: let the source in
             aws ec2 authorize-security-group-ingress --region eu-west-1 --group-id sg-0a1b2c3d \\
               --protocol tcp --port 22 --cidr 203.0.113.7/32
           to see that it worked:
             eic-doctor check i-0123456789abcdef0 --only aws.network
           more: eic-doctor explain aws.network.security-group-ingress

sshd
  unknown  sshd looks up pushed keys
           sshd's effective configuration: permission denied
  blocked  sshd listens on the port (needs os.package.installed)

Others
  n/a      SELinux lets sshd run the keys command
           SELinux is \\u{1b}[31mdisabled

5 checks: 1 ok, 1 fail, 1 unknown, 1 blocked, 1 not applicable
Connectable: no. One thing stands in the way: aws.network.security-group-ingress
";
    assert_eq!(page(Scope::Whole, results(), Style::default()), expected);
}

#[test]
fn colour_only_comes_on_top() {
    let style = Style { color: true, verbose: false };
    let colored = page(Scope::Whole, results(), style);
    assert!(colored.contains("\u{1b}[31;1mFAIL\u{1b}[0m     the security group"));
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, page(Scope::Whole, results(), Style::default()));
}

#[test]
fn evidence_of_an_ok_check_is_shown_when_asked_for() {
    let style = Style { color: false, verbose: true };
    assert!(page(Scope::Whole, results(), style).contains("           eu-west-1 (ec2:DescribeRegions)\n"));
}

#[test]
fn half_a_way_gives_half_an_answer() {
    let last = |results: Vec<CheckResult>| {
        let page = page(Scope::OperatingSystem, results, Style::default());
        page.lines().last().unwrap_or_default().to_owned()
    };
    let all = results();
    assert_eq!(last(vec![all[0].clone()]), "As far as the operating system goes, connectable: yes");
    assert_eq!(
        last(vec![all[0].clone(), all[2].clone()]),
        "As far as the operating system goes, connectable: unknown. One answer that a connection needs is missing"
    );
    assert_eq!(
        last(vec![all[1].clone(), CheckResult { id: "os.x.y".to_owned(), ..all[1].clone() }]),
        "As far as the operating system goes, connectable: no. \
         Two things stand in the way: aws.network.security-group-ingress, os.x.y"
    );
    assert_eq!(last(vec![]), "As far as the operating system goes, connectable: unknown. Nothing was checked");
}
