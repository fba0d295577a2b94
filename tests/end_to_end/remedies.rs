//! The printed command is pasted into a shell, with the real AWS CLI, and mends what it was printed for.

use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::json;

use crate::lab::{Run, lab, root};

#[test]
fn each_command_for_awss_side_mends_its_fault() {
    let bin = tempfile::tempdir().unwrap();
    symlink(root().join("tests/lab/aws-cli"), bin.path().join("aws")).unwrap();
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
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env("PATH", format!("{}:/usr/bin:/bin", bin.path().display()));
        for (name, value) in scenario.command(&[]).get_envs().filter(|(name, _)| *name != "PATH") {
            shell.env(name, value.unwrap_or_default());
        }
        let pasted = shell.output().unwrap();
        assert!(pasted.status.success(), "{command}: {}", String::from_utf8_lossy(&pasted.stderr));
        assert_eq!(findings(&check()), [], "{fault}: {id} is still there after `{command}`");
    }
}

/// What fails or warns, and the command for it; but for the managed node, which a stopped instance is not yet again.
fn findings(run: &Run) -> Vec<(String, String)> {
    let report = run.report();
    let results = report["results"].as_array().unwrap().iter();
    let odd = results.filter(|result| ["fail", "warn"].contains(&result["status"].as_str().unwrap()));
    odd.filter(|result| result["id"] != "aws.ssm.managed-node")
        .map(|result| {
            let command = result["remedy"]["command"].as_str().unwrap_or_else(|| panic!("no command: {result}"));
            (result["id"].as_str().unwrap().to_owned(), command.to_owned())
        })
        .collect()
}
