//! The real binary: exit codes and streams. What it finds depends on the machine; what it promises does not.

use std::process::{Command, Output, Stdio};

use eic_doctor_agent::checks;
use eic_doctor_agent::report::facts_from_stdout;
use eic_doctor_proto::block::SSM_STDOUT_LIMIT;
use eic_doctor_proto::{Attempt, Fact, Report, Scope, Status};

fn agent(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_eic-doctor-agent")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn code_and_streams(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = agent(arguments);
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_wrong_call_is_2_with_a_message_on_stderr_alone() {
    for arguments in [
        &[][..],
        &["doctor"],
        &["check", "--os-user", "a b"],
        &["check", "--os-user", "x;reboot"],
        &["check", "--os-user", "DOMAIN\\user"],
        &["check", "--port", "0"],
        &["check", "--port", "65536"],
        &["check", "--port", "ssh"],
        &["check", "--source", "203.0.113.0/33"],
        &["check", "--via", "carrier-pigeon"],
        &["check", "--address", "203.0.113.7/32"],
        &["check", "--output", "junit"],
        &["check", "--timeout", "10"],
        &["check", "--timeout", "0s"],
        &["check", "--timeout", "99999999999999999999s"],
        &["ssm", "--only", "os.sshd"],
        &["check", "--skip", "os.no-such-area"],
        // No coordinator is named anywhere.
        &["enrol"],
        &["report", "--coordinator", "eic.example"],
        &["run", "--coordinator", "a b", "--authorities", "/nowhere"],
        &["run", "--interval", "1s"],
        &["run", "--jitter", "51"],
        &["run", "--config", "/nowhere/agent.conf"],
    ] {
        let (code, stdout, stderr) = code_and_streams(arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!stderr.is_empty() && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn what_ssm_cli_prints_tells_of_every_check() {
    let (_, stdout, stderr) = code_and_streams(&["check", "--output", "ssm-cli"]);
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["DiagnosticsOutput"].as_array().unwrap().len(), checks::abouts().len(), "{stderr}");
    let (_, table, _) = code_and_streams(&["check", "--output", "ssm-cli-table"]);
    assert!(table.starts_with('┌') && table.matches('├').count() == checks::abouts().len(), "{table}");
}

#[test]
fn a_relative_path_begins_where_the_caller_stands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("agent.conf"), "port = 0\n").unwrap();
    std::fs::write(folder.path().join("sound.conf"), "").unwrap();
    let called = ["--coordinator", "localhost:1", "--state-directory", "state"];
    for (arguments, told) in [
        (&["--config", "agent.conf"][..], "line 1: port"),
        (&["--config", "sound.conf", "--authorities", "ca.pem"], folder.path().join("ca.pem").to_str().unwrap()),
    ] {
        let mut report = Command::new(env!("CARGO_BIN_EXE_eic-doctor-agent"));
        let output = report.arg("report").args(called).args(arguments).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
}

#[test]
fn a_wrong_configuration_file_is_2_and_names_line_and_key_and_a_wrong_machine_is_5() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.conf");
    let path = path.to_str().unwrap();
    std::fs::write(path, "coordinator = \"eic.example\"\nauthorites = \"/x\"\n").unwrap();
    let (code, stdout, stderr) = code_and_streams(&["report", "--config", path]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("agent.conf`: line 2: there is no key `authorites`"), "{stderr}");
    std::fs::write(path, "coordinator = \"eic.example\"\nauthorities = \"/nowhere/ca.pem\"\n").unwrap();
    let (code, stdout, stderr) = code_and_streams(&["report", "--config", path]);
    assert_eq!((code, stdout.as_str()), (Some(5), ""));
    assert_eq!(
        stderr,
        "error: read the coordinator's authorities from `/nowhere/ca.pem`: No such file or directory (os error 2)\n"
    );
}

#[test]
fn a_pass_is_one_report_on_stdout() {
    // `ec2-user` on port 22, as protobuf in base64.
    let output = agent(&["pass", "--attempt=CghlYzItdXNlchoEYXV0bzAW", "--budget-ms=10000"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""));
    let pass = eic_doctor_agent::report::Pass::from_bytes(&output.stdout).unwrap();
    let report = eic_doctor_proto::wire::decode_report(&pass.report).unwrap();
    assert_eq!(report.results.len(), checks::abouts().len());
    assert_eq!(report.attempt.unwrap().os_user, "ec2-user");
}

#[test]
fn an_only_that_matches_nothing_is_4() {
    let (code, stdout, stderr) = code_and_streams(&["check", "--only", "os.no-such-area"]);
    assert_eq!((code, stdout.as_str()), (Some(4), ""));
    assert_eq!(stderr, "error: `--only os.no-such-area` matches no check; `eic-doctor explain` lists them\n");
}

#[test]
fn a_report_that_cannot_be_written_is_5() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_eic-doctor-agent"))
        .args(["ssm"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "error: write to standard output: No space left on device (os error 28)\n");
}

#[test]
fn json_is_one_document_with_every_check_and_the_exit_code_follows_from_it() {
    let (code, stdout, stderr) = code_and_streams(&[
        "check",
        "--output",
        "json",
        "--os-user",
        "root",
        "--source",
        "203.0.113.7",
        "--port",
        "22",
    ]);
    assert_eq!(stderr, "");
    let report: Report = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report.scope, Scope::OperatingSystem);
    assert_eq!(report.attempt.source, Some("203.0.113.7/32".parse().unwrap()));
    let ids: Vec<_> = report.results.iter().map(|result| result.id.as_str()).collect();
    assert_eq!(ids, checks::abouts().iter().map(|about| about.id).collect::<Vec<_>>());
    let needed_is_unknown = report.results.iter().any(|result| result.required && result.status == Status::Unknown);
    let expected = match () {
        () if report.counts.fail > 0 => 1,
        () if report.counts.ok + report.counts.warn == 0 => 4,
        () if needed_is_unknown => 3,
        () => 0,
    };
    assert_eq!(code, Some(expected));
}

#[test]
fn the_page_goes_to_stdout_without_colour_when_nobody_sees_it() {
    let (_, stdout, stderr) = code_and_streams(&["check"]);
    assert_eq!(stderr, "");
    assert!(!stdout.contains('\u{1b}'));
    let last = stdout.lines().last().unwrap_or_default();
    assert!(last.starts_with("As far as the operating system goes, connectable: "), "{last}");
}

#[test]
fn the_block_is_read_back_and_is_0_whatever_it_says() {
    let (code, stdout, stderr) = code_and_streams(&["ssm", "--os-user", "root", "--via", "Browser"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.len() <= SSM_STDOUT_LIMIT);
    let attempt = Attempt { os_user: "root".parse().unwrap(), ..Attempt::usual() };
    let facts = facts_from_stdout(&stdout, &attempt).unwrap();
    assert_eq!(facts.account.os_user.known().unwrap().uid, 0);
    assert!(matches!(facts.gathered_by, Fact::Known(name) if name.starts_with("eic-doctor-agent ")));
    // Nobody left out: each part was looked at.
    assert_ne!(facts.sshd.process, Fact::NotGathered);
    assert_ne!(facts.sshd.effective, Fact::NotGathered);
    assert_ne!(facts.imds.as_root.token, Fact::NotGathered);
    assert_ne!(facts.imds.as_keys_user.token, Fact::NotGathered);
    assert_ne!(facts.package.manager, Fact::NotGathered);
}

#[test]
fn when_the_time_is_up_the_rest_is_unknown_and_the_report_says_that_it_is_not_complete() {
    let (_, stdout, _) = code_and_streams(&["check", "--output", "json", "--timeout", "1ms"]);
    let report: Report = serde_json::from_str(&stdout).unwrap();
    assert!(!report.complete);
    let (_, stdout, _) = code_and_streams(&["ssm", "--timeout", "1ms"]);
    let facts = facts_from_stdout(&stdout, &Attempt::usual()).unwrap();
    let Fact::Unreadable(why) = facts.sshd.version else { panic!("{:?}", facts.sshd.version) };
    assert_eq!(why.reason, "the time for the run, 0.001 s, was up");
}

#[test]
fn the_environment_of_the_caller_does_not_reach_what_is_run() {
    let output = Command::new(env!("CARGO_BIN_EXE_eic-doctor-agent"))
        .args(["ssm"])
        .env_clear()
        .env("PATH", "/nowhere")
        .env("http_proxy", "http://192.0.2.1:1")
        .output()
        .unwrap();
    let facts = facts_from_stdout(&String::from_utf8(output.stdout).unwrap(), &Attempt::usual()).unwrap();
    assert_ne!(facts.account.os_user, Fact::unreadable("there is neither /etc/passwd nor `getent`"));
}
