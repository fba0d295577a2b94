//! Bad input gets one clear message and the documented exit code; nothing panics.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::lab::{Run, Scenario, doctor, lab, root, run};

fn refused(arguments: &[&str]) -> Run {
    let mut command = doctor();
    command.args(arguments).args(["--region", "eu-west-1"]);
    run(command)
}

#[test]
fn a_malformed_argument_is_refused_before_anything_is_asked() {
    let good = "i-0123456789abcdef0";
    for (arguments, word) in [
        (vec!["check", "i-xyz"], "i-xyz"),
        (vec!["check", "0123456789abcdef0"], "0123456789abcdef0"),
        (vec!["check", good, "--os-user", "a;b"], "a;b"),
        (vec!["check", good, "--os-user", "x".repeat(33).leak()], "xxx"),
        (vec!["check", good, "--principal", "arn:aws:iam::12:role/x"], "arn:aws:iam::12:role/x"),
        (vec!["check", good, "--principal", "admin"], "admin"),
        (vec!["check", good, "--via", "public", "--source", "203.0.113.7/33"], "203.0.113.7/33"),
        (vec!["check", good, "--via", "public", "--source", "hello"], "hello"),
        (vec!["check", good, "--port", "0"], "0"),
        (vec!["check", good, "--port", "65536"], "65536"),
        (vec!["check", good, "--via", "pigeon"], "pigeon"),
        (vec!["check", good, "--output", "papyrus"], "papyrus"),
        (vec!["check", good, "--timeout", "soon"], "soon"),
        (vec!["check", good, "--no-such-flag"], "--no-such-flag"),
        (vec!["explain", "os.sshd.running", "--output", "json"], "to stdout only"),
        (vec!["serve", "--syntax-only"], "--check-config"),
    ] {
        let found = refused(&arguments);
        assert_eq!((found.code, found.stdout.as_str()), (2, ""), "{arguments:?}: {}", found.stderr);
        assert!(found.stderr.contains(word), "{arguments:?}: {}", found.stderr);
    }
}

#[test]
fn an_unknown_region_is_named() {
    let mut command = doctor();
    command.args(["check", "i-0123456789abcdef0", "--region", "eu-nowhere"]);
    let found = run(command);
    assert_eq!(found.code, 2, "{}", found.stderr);
    assert!(found.stderr.contains("eu-nowhere"), "{}", found.stderr);
}

#[test]
fn an_only_that_matches_nothing_is_nothing_checked() {
    let world = root().join("tests/worlds/al2023-public");
    let found = refused(&["check", "--world", world.to_str().unwrap(), "--only", "os.no-such-thing"]);
    assert_eq!(found.code, 4, "{}", found.stderr);
    assert!(found.stderr.contains("os.no-such-thing"), "{}", found.stderr);
}

/// A copy of a healthy world in which one file holds these bytes.
fn spoilt(file: &str, bytes: &[u8]) -> (tempfile::TempDir, Run) {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("tests/worlds/al2023-public"), folder.path());
    fs::write(folder.path().join(file), bytes).unwrap();
    let found = refused(&["check", "--world", folder.path().to_str().unwrap(), "--output", "json"]);
    (folder, found)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

#[test]
fn a_truncated_or_hostile_file_of_a_world_is_named_and_costs_what_hangs_on_it_alone() {
    let whole = fs::read(root().join("tests/worlds/al2023-public/os.json")).unwrap();
    let half = whole.get(..whole.len() / 2).unwrap();
    let deep = "[".repeat(100_000);
    for (file, lost, left) in [
        ("os.json", "os.sshd.running", "aws.instance.running"),
        ("aws/ec2-describe-instances.json", "aws.instance.running", "aws.region.offered"),
        ("aws/ec2-describe-security-groups.json", "aws.network.security-group-ingress", "os.sshd.running"),
    ] {
        for bytes in [half, deep.as_bytes(), b"\xff\xfe\x00", b"", b"null", b"[1,2]"] {
            let (_folder, found) = spoilt(file, bytes);
            assert!([3, 4].contains(&found.code), "{file}: {} {}", found.code, found.stderr);
            assert_eq!(found.result(lost)["status"], "unknown", "{file}");
            let why = found.result(lost)["why"].as_str().unwrap().to_owned();
            assert!(why.contains(file) && why.contains("line"), "{file}: {why}");
            assert_ne!(found.result(left)["status"], "unknown", "{file}: {}", found.findings());
        }
    }
    let (_folder, found) = spoilt("world.json", half);
    assert_eq!((found.code, found.stdout.as_str()), (2, ""), "{}", found.stderr);
    assert!(found.stderr.contains("world.json"), "{}", found.stderr);
}

#[test]
fn an_agent_that_lies_cuts_or_prints_escape_sequences_costs_the_os_half_only() {
    let scenario = lab().scenario(json!({}));
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("agent");
    let agents = [
        ("nothing", "exit 0"),
        ("garbage", "head -c 3000 /dev/urandom"),
        ("a cut block", "printf 'EIC-DOCTOR-BEGIN 1 report\\nH4sIAAAAAAAA\\n'"),
        ("another version", "printf 'EIC-DOCTOR-BEGIN 9 report\\nAAAA\\nEIC-DOCTOR-END 4\\n'"),
        ("escape sequences", "printf '\\033[2J\\033]0;owned\\007' >&2; printf '\\033[31mhello'; exit 3"),
        ("a flood", "yes 0123456789abcdef | head -c 300000"),
    ];
    for (what, body) in agents {
        fs::write(&fake, format!("#!/bin/sh\n{body}\n")).unwrap();
        scenario.put(&fake, "/usr/bin/eic-doctor-agent");
        let found = scenario.check(&["--via", "browser", "--os-facts", "ssm"]);
        found.expect(3, "unknown", &[]);
        assert!(!found.stdout.contains('\u{1b}') && !found.stdout.contains("\\u001b"), "{what}: {}", found.stdout);
        assert_eq!(found.result("os.sshd.running")["status"], "unknown", "{what}");
        assert_eq!(found.result("aws.network.security-group-ingress")["status"], "ok", "{what}");
    }
    // An agent that does not work is passed over: the probe script looks in its place.
    fs::write(&fake, "#!/bin/sh\nexit 1\n").unwrap();
    scenario.put(&fake, "/usr/bin/eic-doctor-agent");
    scenario.check(&["--via", "browser"]).expect(0, "yes", &[]);
}

#[test]
fn a_report_that_cannot_be_written_is_our_own_failure() {
    let world = root().join("tests/worlds/al2023-public");
    let found = refused(&["check", "--world", world.to_str().unwrap(), "--output", "json=/nonexistent/report.json"]);
    assert_eq!(found.code, 5, "{}", found.stderr);
    assert!(found.stderr.contains("/nonexistent/report.json"), "{}", found.stderr);
    // It takes none of the others along.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.xml");
    let junit = format!("junit={}", file.display());
    let outputs = ["json=/nonexistent/a", "yaml=/nonexistent/b", &junit].map(|output| ["--output", output]);
    let found = refused(&[&["check", "--world", world.to_str().unwrap()], &outputs.concat()[..]].concat());
    assert_eq!(found.code, 5, "{}", found.stderr);
    assert!(["/nonexistent/a", "/nonexistent/b"].iter().all(|path| found.stderr.contains(path)), "{}", found.stderr);
    assert!(fs::read_to_string(file).unwrap().ends_with("</testsuites>\n"));
}

#[test]
fn a_standard_output_that_is_closed_is_noticed_and_one_that_is_thrown_away_is_not() {
    let check =
        format!("{} check --world tests/worlds/al2023-public --allow-unknown", env!("CARGO_BIN_EXE_eic-doctor"));
    for (redirection, code) in [(">&-", 5), (">/dev/null", 0), ("<>/dev/null >&0", 0)] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{check} {redirection}")]).current_dir(root());
        let found = run(shell);
        assert_eq!(found.code, code, "{redirection}: {}", found.stderr);
    }
}

#[test]
fn a_healthy_instance_is_left_as_it_was_found() {
    let scenario = Scenario::healthy();
    scenario.check(&["--via", "browser"]).expect(0, "yes", &[]);
    assert!(scenario.login(true), "the check must not change the instance");
}

#[test]
fn a_run_command_that_is_cut_or_fails_costs_the_os_half_only_and_says_how() {
    let scenario = Scenario::healthy();
    for (change, word) in [
        (json!({ "command_cut": 700 }), "cut"),
        (json!({ "command_cut": null, "command_outcome": "Undeliverable" }), "could not be delivered"),
        (json!({ "command_outcome": "DeliveryTimedOut" }), "did not reach the instance"),
        (json!({ "command_outcome": "Failed" }), "exit status 1"),
        (json!({ "command_outcome": "Cancelled" }), "cancelled"),
    ] {
        scenario.lab.control("POST", &format!("/instance/{}/node", scenario.id()), &change);
        let found = scenario.check(&["--via", "browser"]);
        found.expect(3, "unknown", &[]);
        let result = found.result("os.sshd.running");
        assert_eq!(result["status"], "unknown");
        let why = result["why"].as_str().unwrap().to_lowercase();
        assert!(why.contains(word), "{change}: {why}");
    }
}

#[test]
fn two_reports_to_one_file_are_refused_before_either_is_written() {
    let world = root().join("tests/worlds/al2023-public");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report");
    let (json, yaml) = (format!("json={}", file.display()), format!("yaml={}", file.display()));
    let found = refused(&["check", "--world", world.to_str().unwrap(), "--output", &json, "--output", &yaml]);
    assert_eq!(found.code, 2, "{}", found.stderr);
    assert!(found.stderr.contains(file.to_str().unwrap()) && !file.exists(), "{}", found.stderr);
    // However it is spelt.
    let yaml = format!("yaml={}/./report", folder.path().display());
    let found = refused(&["check", "--world", world.to_str().unwrap(), "--output", &json, "--output", &yaml]);
    assert!(found.code == 2 && !file.exists(), "{}", found.stderr);
}

#[test]
fn what_serve_would_refuse_is_not_called_sound() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("coordinator.toml");
    let good = fs::read_to_string(root().join("packaging/coordinator.toml")).unwrap();
    let certificates = folder.path().join("certificates");
    fs::create_dir(&certificates).unwrap();
    let good = good.replace("/etc/eic-doctor/identity-certificates", certificates.to_str().unwrap());
    let secret = folder.path().join("secret");
    fs::write(&secret, "too short").unwrap();
    let page = format!("[page]\nsession_secret_file = {secret:?}\n");
    let hook = "[[notify]]\nkind = \"webhook\"\nname = \"n\"\nurl = \"https://h/\"\nsecret_file = \"/nonexistent/s\"\n[limits]\n";
    let tls = "operators_tls = \"0.0.0.0:7444\"\n[store]";
    let own = "certificate = \"/nonexistent/crt\"\nkey = \"/nonexistent/key\"";
    let cut = folder.path().join("cut");
    fs::create_dir(&cut).unwrap();
    let mut key =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(cut.join("authority.pem")).unwrap();
    key.write_all(b"-----BEGIN PRIVATE KEY-----\n").unwrap();
    for (from, to, word) in [
        ("", "", "sound"),
        ("sqlite:/var/lib/eic-doctor/store.db", "mysql://x", "`store.url`"),
        (certificates.to_str().unwrap(), "/nonexistent/certificates", "/nonexistent/certificates"),
        ("[page]\n", page.as_str(), "fewer than 32 bytes"),
        ("[limits]\n", hook, "/nonexistent/s"),
        ("directory = \"/var/lib/eic-doctor/authority\"", own, "/nonexistent/key"),
        (
            "#also_trusted = [\"/etc/eic-doctor/previous-authority.pem\"]",
            "also_trusted = [\"/nonexistent/old\"]",
            "/nonexistent/old",
        ),
        ("/var/lib/eic-doctor/authority", cut.to_str().unwrap(), "authority.pem"),
        ("[store]", tls, "`operators.authorities`"),
    ] {
        fs::write(&file, good.replacen(from, to, 1)).unwrap();
        let found = refused(&["serve", "--check-config", "--config", file.to_str().unwrap()]);
        assert_eq!(found.code, if word == "sound" { 0 } else { 2 }, "{to}: {}", found.stderr);
        assert!(found.stderr.contains(word), "{to}: {}", found.stderr);
        // Where the files are not, what they are called can be read all the same.
        let found = refused(&["serve", "--check-config", "--syntax-only", "--config", file.to_str().unwrap()]);
        assert_eq!(found.code, if word.starts_with('`') { 2 } else { 0 }, "{to}: {}", found.stderr);
    }
    // A service manager starts nothing again that cannot be served; and whoever reads JSON reads the reason in it.
    fs::write(&file, good.replace("sqlite:/var/lib/eic-doctor/store.db", "mysql://x")).unwrap();
    let found = refused(&["serve", "--log-json", "--config", file.to_str().unwrap()]);
    let line: serde_json::Value = serde_json::from_str(found.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(found.code, 2);
    assert!(line["message"].as_str().unwrap().contains("`store.url`"), "{line}");
}

#[test]
fn a_world_of_another_region_than_the_one_that_is_asked_for_is_refused() {
    let world = root().join("tests/worlds/al2023-public");
    let mut command = doctor();
    command.args(["check", "--world", world.to_str().unwrap(), "--region", "us-east-1"]);
    let found = run(command);
    assert_eq!(found.code, 2, "{}", found.stderr);
    assert!(found.stderr.contains("eu-west-1") && found.stderr.contains("us-east-1"), "{}", found.stderr);
}

#[test]
fn a_file_that_was_saved_with_a_byte_order_mark_is_read() {
    let mut bytes = b"\xef\xbb\xbf".to_vec();
    bytes.extend(fs::read(root().join("tests/worlds/al2023-public/os.json")).unwrap());
    let (_folder, found) = spoilt("os.json", &bytes);
    assert_eq!(found.result("os.sshd.running")["status"], "ok", "{}", found.stderr);
}

#[test]
fn the_facts_of_another_instance_judge_nothing() {
    let text = fs::read_to_string(root().join("tests/worlds/al2023-public/os.json")).unwrap();
    let other = text.replace("i-0123456789abcdef0", "i-0fedcba9876543210");
    let (_folder, found) = spoilt("os.json", other.as_bytes());
    let result = found.result("os.sshd.running");
    assert_eq!(result["status"], "unknown", "{}", found.findings());
    assert!(result["why"].as_str().unwrap().contains("i-0fedcba9876543210"), "{result}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("os.json");
    fs::write(&file, other).unwrap();
    let world = root().join("tests/worlds/al2023-public");
    let arguments = ["check", "--world", world.to_str().unwrap(), "--os-facts", file.to_str().unwrap()];
    let found = refused(&[&arguments[..], &["--output", "json"]].concat());
    assert_eq!(found.result("os.sshd.running")["status"], "unknown", "{}", found.findings());
}
