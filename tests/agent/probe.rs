//! The probe script under a real shell, and the text that goes through SSM Run Command.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use eic_doctor_agent::report::{Courier, FactsError, facts_from_stdout, ssm_script};
use eic_doctor_proto::block::{self, Kind, SSM_STDOUT_LIMIT};
use eic_doctor_proto::{Attempt, Fact, Via};

fn attempt() -> Attempt {
    Attempt {
        os_user: "root".parse().unwrap(),
        via: Via::Public,
        source: Some("2001:db8::/64".parse().unwrap()),
        address: Some("192.0.2.7".parse().unwrap()),
        ..Attempt::usual()
    }
}

fn run(shell: &[&str], script: &str) -> Output {
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn the_script_runs_here_and_its_answer_is_read_back() {
    let output = run(&["/bin/sh"], &ssm_script(&attempt(), Courier::ScriptOnly));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.len() <= SSM_STDOUT_LIMIT);
    let facts = facts_from_stdout(&format!("noise of a profile\n{stdout}noise"), &attempt()).unwrap();
    assert_eq!(facts.gathered_by, Fact::Known("probe script 1".to_owned()));
    assert_eq!(facts.account.os_user.known().unwrap().uid, 0);
    assert!(facts.system.os_release.known().is_some());
    // Whatever this machine is, somebody looked at everything that the script looks at.
    assert_ne!(facts.sshd.effective, Fact::NotGathered);
    assert_ne!(facts.sshd.listeners, Fact::NotGathered);
    assert_ne!(facts.imds.as_root.token, Fact::NotGathered);
    assert_ne!(facts.imds.as_keys_user.token, Fact::NotGathered);
    assert_ne!(facts.package.manager, Fact::NotGathered);
}

#[test]
fn every_shell_of_the_usual_ones_can_read_the_script() {
    for courier in [Courier::Auto, Courier::AgentOnly, Courier::ScriptOnly] {
        let script = ssm_script(&attempt(), courier);
        for shell in [&["/bin/sh", "-n"][..], &["bash", "-n"], &["bash", "--posix", "-n"], &["busybox", "sh", "-n"]] {
            let is_there = Command::new(shell[0]).arg("--help").output().is_ok();
            assert!(!is_there || run(shell, &script).status.success(), "{shell:?} {courier:?}");
        }
    }
}

#[test]
fn values_of_the_attempt_are_assignments_and_nothing_looks_like_a_parameter_of_ssm() {
    let mut attempt = attempt();
    attempt.os_user = "a.b@c$".parse().unwrap();
    let script = ssm_script(&attempt, Courier::Auto);
    let head: Vec<_> = script.lines().take(7).collect();
    assert_eq!(
        head,
        [
            "#!/bin/sh",
            "eic_os_user='a.b@c$'",
            "eic_port=22",
            "eic_via=public",
            "eic_source=2001:db8::/64",
            "eic_source_address=2001:db8::",
            "eic_address=192.0.2.7"
        ]
    );
    assert!(!script.contains("{{"));
    assert_eq!(script.matches("a.b@c$").count(), 1);
}

#[test]
fn without_an_agent_the_agents_own_courier_fails_and_says_so() {
    let script = ssm_script(&attempt(), Courier::AgentOnly)
        .replace("/usr/bin/eic", "/nowhere/eic")
        .replace("/usr/local", "/nowhere");
    let output = run(&["/bin/sh"], &script);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("eic-doctor-agent is not installed here"));
    let error = facts_from_stdout(&String::from_utf8_lossy(&output.stdout), &attempt()).unwrap_err();
    assert!(matches!(error, FactsError::Block(block::BlockError::NoBegin)));
}

#[test]
fn an_answer_in_which_nothing_repeats_still_fits() {
    // 200 kB of random text in the place of what was gathered.
    let script = ssm_script(&attempt(), Courier::ScriptOnly);
    let noise = "all=$(printf '@probe\\t1\\n'; head -c 150000 /dev/urandom | base64 | sed 's/^/|/')";
    let changed = script.replace("all=$(gather 2>/dev/null)", noise);
    assert_ne!(script, changed);
    let output = run(&["/bin/sh"], &changed);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.len() <= SSM_STDOUT_LIMIT, "{}", stdout.len());
    let (kind, bytes) = block::decode(&stdout).unwrap();
    assert_eq!(kind, Kind::Raw);
    assert!(bytes.ends_with(b"@cut\n"));
}

#[test]
fn an_answer_cut_anywhere_or_made_by_others_is_one_clear_error() {
    let block = block::encode(Kind::Raw, b"@probe\t1\n@value\tuid\tknown\t0\n").unwrap();
    assert!(facts_from_stdout(&block, &attempt()).is_ok());
    for length in 0..block.trim_end().len() {
        assert!(facts_from_stdout(block.get(..length).unwrap(), &attempt()).is_err());
    }
    let later = block::encode(Kind::Raw, b"@probe\t9\n").unwrap();
    let error = facts_from_stdout(&later, &attempt()).unwrap_err().to_string();
    assert_eq!(error, "the probe script's answer is of version `9`; this program reads version 1");
    let garbage = block::encode(Kind::Report, b"\xff\xff\xff\x1b[31m").unwrap();
    assert!(facts_from_stdout(&garbage, &attempt()).is_err());
    let truncated = format!("{}--output truncated--", block.get(..block.len() / 2).unwrap());
    assert!(facts_from_stdout(&truncated, &attempt()).unwrap_err().to_string().starts_with("the answer was cut"));
}
