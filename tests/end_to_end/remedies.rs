//! The printed command is pasted into a shell, with the real AWS CLI, and mends what it was printed for.

use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};

use crate::lab::{Run, Scenario, lab, root};

#[test]
fn each_command_for_awss_side_mends_its_fault() {
    let public = ["--via", "public", "--source", "203.0.113.7/32"].as_slice();
    for (fault, way) in [
        ("instance-stopped", public),
        ("metadata-endpoint-disabled", public),
        ("sg-no-rule", public),
        ("sg-narrow-cidr", public),
        ("sg-wrong-port-range", public),
        ("sg-udp-only", public),
        ("prefix-list-wrong-family", &["--via", "browser"]),
        ("acl-deny-inbound", public),
        ("acl-no-ephemeral-outbound", public),
        ("nacl-narrow-ephemeral", public),
        ("no-route-to-gateway", public),
        ("gateway-detached", public),
        ("blackhole-route", public),
        ("iam-implicit-deny", public),
        ("iam-osuser-mismatch", public),
    ] {
        let scenario = lab().scenario(json!({ "machine": false }));
        scenario.fault(fault);
        let check = || scenario.check(&[way, &["--os-facts", "none"]].concat());
        let found = findings(&check());
        let [(id, command)] = found.as_slice() else { panic!("{fault}: {found:?}") };
        paste(&scenario, command);
        assert_eq!(findings(&check()), [], "{fault}: {id} is still there after `{command}`");
    }
}

/// The switch holds for a whole Region, so this has one of its own.
#[test]
fn a_public_access_that_is_blocked_is_opened_for_the_subnet_alone() {
    let scenario = lab().scenario(json!({ "machine": false, "region": "eu-south-1" }));
    let check = || scenario.check(&["--via", "public", "--source", "203.0.113.7/32", "--os-facts", "none"]);
    assert_eq!(findings(&check()), []);
    for exclusions in [json!([]), egress_alone(&scenario)] {
        let blocked = json!({ "internetGatewayBlockMode": "block-bidirectional", "state": "update-complete",
            "exclusions": exclusions });
        lab().control("POST", "/region", &json!({ "region": "eu-south-1", "public_access": blocked }));
        let found = check();
        found.expect(1, "no", &["aws.network.block-public-access"]);
        assert_eq!(found.report()["path"]["answer"], "blocked");
        let [(_, command)] = findings(&found).try_into().unwrap();
        paste(&scenario, &command);
        assert_eq!(findings(&check()), [], "after `{command}`");
    }
}

fn egress_alone(scenario: &Scenario) -> Value {
    json!([{ "exclusionId": "vpcbpa-exclude-0123456789abcdef0", "internetGatewayExclusionMode": "allow-egress",
        "state": "create-complete",
        "resourceArn": format!("arn:aws:ec2:eu-south-1:111122223333:vpc/{}", scenario.get("vpc_id")) }])
}

/// The command as a person pastes it, with the real AWS CLI on the path.
pub fn paste(scenario: &Scenario, command: &str) {
    let bin = tempfile::tempdir().unwrap();
    symlink(root().join("tests/lab/aws-cli"), bin.path().join("aws")).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", format!("{}:/usr/bin:/bin", bin.path().display()));
    for (name, value) in scenario.command(&[]).get_envs().filter(|(name, _)| *name != "PATH") {
        shell.env(name, value.unwrap_or_default());
    }
    let pasted = shell.output().unwrap();
    assert!(pasted.status.success(), "{command}: {}", String::from_utf8_lossy(&pasted.stderr));
}

/// What fails or warns, and the command for it; but for the managed node, which a stopped instance is not yet again.
fn findings(run: &Run) -> Vec<(String, String)> {
    let report = run.report();
    let results = report["results"].as_array().unwrap().iter();
    let odd = results.filter(|result| ["fail", "warn"].contains(&result["status"].as_str().unwrap()));
    // Nobody looks into these instances, whose images bear Ubuntu's name while `ec2-user` is asked for.
    odd.filter(|result| result["id"] != "aws.ssm.managed-node" && result["id"] != "both.account.os-user")
        .map(|result| {
            let command = result["remedy"]["command"].as_str().unwrap_or_else(|| panic!("no command: {result}"));
            (result["id"].as_str().unwrap().to_owned(), command.to_owned())
        })
        .collect()
}
