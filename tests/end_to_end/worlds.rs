//! Worlds: judged without network and credentials, captured from a lab instance, and made by the real AWS CLI.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::lab::{Scenario, doctor, root, run};

/// Status by check id.
fn statuses(report: &Value) -> Vec<(String, String)> {
    let results = report["results"].as_array().unwrap();
    results.iter().map(|r| (r["id"].as_str().unwrap().to_owned(), r["status"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn a_world_needs_neither_network_nor_credentials() {
    let world = root().join("tests/worlds/al2023-public");
    let mut command = Command::new("unshare");
    command
        .args(["--net", env!("CARGO_BIN_EXE_eic-doctor"), "check", "--output", "json", "--world"])
        .arg(world)
        .env_clear();
    command.args(["--via", "public", "--source", "203.0.113.7/32"]);
    run(command).expect(0, "yes", &[]);
}

#[test]
fn a_captured_instance_judges_the_same() {
    for fault in [None, Some("keys-command-overridden"), Some("gateway-detached")] {
        let scenario = Scenario::healthy();
        if let Some(fault) = fault {
            scenario.fault(fault);
        }
        let attempt = ["--via", "public", "--source", "203.0.113.7/32"];
        let live = scenario.check(&attempt);
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("world");
        let mut arguments =
            vec!["capture", scenario.id(), "--principal", scenario.get("role_arn"), "--to", to.to_str().unwrap()];
        arguments.extend(attempt);
        let captured = scenario.doctor(&arguments);
        assert_eq!(captured.code, 0, "{}{}", captured.stdout, captured.stderr);
        let mut command = doctor();
        command.args(["check", scenario.id(), "--world"]).arg(&to).args(["--output", "json"]).args(attempt);
        command.args(["--principal", scenario.get("role_arn")]);
        let again = run(command);
        assert_eq!((again.code, statuses(&again.report())), (live.code, statuses(&live.report())), "{fault:?}");
        assert_eq!(again.report()["path"], live.report()["path"]);
    }
}

#[test]
fn files_made_by_the_real_aws_cli_are_taken_as_they_are() {
    let scenario = Scenario::healthy();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("aws")).unwrap();
    let role = scenario.get("role_arn");
    let instance = format!("arn:aws:ec2:eu-west-1:{}:instance/{}", scenario.get("account_id"), scenario.id());
    let calls: Vec<Vec<&str>> = vec![
        vec!["ec2", "describe-instances"],
        vec!["ec2", "describe-instance-status", "--include-all-instances"],
        vec!["ec2", "describe-regions"],
        vec!["ec2", "describe-availability-zones"],
        vec!["ec2", "describe-subnets"],
        vec!["ec2", "describe-security-groups"],
        vec!["ec2", "describe-network-acls"],
        vec!["ec2", "describe-route-tables"],
        vec!["ec2", "describe-internet-gateways"],
        vec!["ec2", "describe-managed-prefix-lists"],
        vec!["ec2", "describe-vpc-block-public-access-options"],
        vec!["sts", "get-caller-identity"],
        vec![
            "iam",
            "simulate-principal-policy",
            "--policy-source-arn",
            role,
            "--action-names",
            "ec2-instance-connect:SendSSHPublicKey",
            "--resource-arns",
            &instance,
            "--context-entries",
            "ContextKeyName=ec2:osuser,ContextKeyValues=ec2-user,ContextKeyType=string",
        ],
        vec!["ssm", "describe-instance-information"],
    ];
    for call in calls {
        let mut command = scenario.command(&[]);
        let environment: Vec<_> = command.get_envs().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))).collect();
        command = Command::new("bash");
        command
            .arg(root().join("tests/lab/aws-cli"))
            .args(&call)
            .args(["--output", "json"])
            .env_clear()
            .envs(environment);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{call:?}: {}", String::from_utf8_lossy(&output.stderr));
        let name = format!("aws/{}-{}.json", call[0], call[1]);
        fs::write(folder.path().join(name), output.stdout).unwrap();
    }
    let mut command = doctor();
    command.args(["check", scenario.id(), "--world"]).arg(folder.path()).args(["--output", "json"]);
    command.args(["--via", "public", "--source", "203.0.113.7/32", "--principal", role]);
    let found = run(command);
    // Nobody recorded the instance's own half.
    found.expect(3, "unknown", &[]);
    for id in [
        "aws.instance.running",
        "aws.network.security-group-ingress",
        "aws.network.route-to-source",
        "aws.iam.send-ssh-public-key",
    ] {
        assert_eq!(found.result(id)["status"], "ok", "{}", found.findings());
    }
    assert_eq!(found.report()["path"]["answer"], json!("allowed"));
}
