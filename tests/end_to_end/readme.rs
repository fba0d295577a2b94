//! Every command of the README is run; one that is new there fails until this file says how.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::lab::{Scenario, lab, root, run};

/// The lines of the README's `sh` blocks.
fn commands() -> Vec<String> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => commands.push(line.to_owned()),
            _ => {}
        }
    }
    assert!(commands.len() >= 10, "{commands:?}");
    commands
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    let scenario = Scenario::healthy();
    let folder = tempfile::tempdir().unwrap();
    for command in commands() {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            // This test is part of it.
            ["bash", "tests/run"] => assert!(root().join("tests/run").is_file()),
            ["packaging/build-release"] => {
                reaches_the_compiler("packaging/build-release", &["aarch64-unknown-linux-gnu"])
            }
            // The lab's test of the packages runs it with programs that are built, and installs what comes of it.
            ["packaging/build-packages"] => {
                reaches_the_compiler("packaging/build-packages", &["--to", folder.path().to_str().unwrap()]);
                reaches_the_compiler("packaging/build-coordinator", &[]);
            }
            // There it is started, too.
            ["systemctl", "enable", "--now", unit] => {
                let file = if unit.contains('.') { (*unit).to_owned() } else { format!("{unit}.service") };
                assert!(root().join("packaging/systemd").join(&file).is_file(), "{file}");
            }
            // A test of its own below.
            ["bash", "tests/demo"] => {}
            [cases, "cargo", arguments @ ..] if cases.starts_with("EIC_DOCTOR_PATH_CASE") => {
                let (name, number) = cases.split_once('=').unwrap();
                // A million cases are for whoever has the time; that they are counted shows with fewer.
                let number = if number == "1000000" { "1000" } else { number };
                let cargo =
                    Command::new("cargo").args(arguments).env(name, number).current_dir(root()).output().unwrap();
                let said = String::from_utf8_lossy(&cargo.stdout).into_owned();
                assert!(cargo.status.success() && said.contains("1 passed"), "{command}: {said}");
            }
            ["bash", "tests/lab/setup.sh"] | ["python3", "tests/lab/lab.py", "up" | "down"] => {
                let mut command = Command::new(words[0]);
                command.arg(root().join(words[1]));
                if let Some(order) = words.get(2) {
                    command.arg("--dir").arg(folder.path().join("lab")).arg(order);
                }
                assert!(command.status().unwrap().success(), "{words:?}");
            }
            ["eic-doctor", "serve", "--check-config", "--syntax-only", "--config", file] => {
                let mut command = crate::lab::doctor();
                command.args(["serve", "--check-config", "--syntax-only", "--config"]).arg(root().join(file));
                let found = run(command);
                assert_eq!(found.code, 0, "{}", found.stderr);
            }
            ["eic-doctor", "policy", file] => {
                let policy = crate::lab::doctor().arg("policy").output().unwrap();
                assert!(policy.status.success());
                fs::write(folder.path().join(file.strip_prefix('>').unwrap()), policy.stdout).unwrap();
            }
            ["aws", arguments @ ..] => {
                let file = format!("file://{}/", folder.path().display());
                let arguments: Vec<String> =
                    arguments.iter().map(|word| of_this_instance(&word.replace("file://", &file), &scenario)).collect();
                scenario.aws(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            }
            ["eic-doctor-agent", arguments @ ..] => {
                let argv: Vec<&str> = [&["/usr/bin/eic-doctor-agent"], arguments].concat();
                let answer =
                    lab().control("POST", &format!("/instance/{}/exec", scenario.id()), &json!({ "argv": argv }));
                assert_eq!(answer["returncode"], 0, "{words:?}");
            }
            ["eic-doctor", arguments @ ..] => {
                let arguments: Vec<String> = arguments.iter().map(|word| of_this_instance(word, &scenario)).collect();
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let mut command = scenario.command(&arguments);
                command.current_dir(folder.path());
                let found = run(command);
                assert!(!found.stderr.contains("error"), "{words:?}: {}", found.stderr);
                assert!([0, 3].contains(&found.code), "{words:?}: {}\n{}", found.code, found.stdout);
            }
            _ => panic!("nothing is known here of `{command}`"),
        }
    }
}

/// The README's placeholders, as this scenario has them.
fn of_this_instance(word: &str, scenario: &Scenario) -> String {
    match word {
        "i-0123456789abcdef0" => scenario.id().to_owned(),
        "10.1.2.3" => scenario.private_source(),
        "arn:aws:iam::111122223333:role/ops" => scenario.get("role_arn").to_owned(),
        "ops" => scenario.get("role_arn").rsplit('/').next().unwrap().to_owned(),
        _ => word.replace("111122223333", scenario.get("role_arn").split(':').nth(4).unwrap()),
    }
}

/// Minutes of building for a release, or for another machine: tried is what leads there.
fn reaches_the_compiler(script: &str, arguments: &[&str]) {
    let mut build = Command::new(script);
    build.args(arguments).current_dir(root()).env("RUSTC_WRAPPER", "/bin/false");
    let output = build.env("CARGO_TARGET_DIR", tempfile::tempdir().unwrap().path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("/bin/false"), "{script}: {said}");
}

#[test]
fn the_first_command_names_each_of_three_broken_things() {
    let mut demo = Command::new("bash");
    demo.arg(root().join("tests/demo"));
    // What cargo tells a test of itself would make the demo's cargo take its own results for stale.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_") && name != "CARGO_HOME") {
        demo.env_remove(name);
    }
    let output = demo.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Each of the three was named."), "{said}");
}

#[test]
fn the_readmes_table_of_permissions_is_what_the_code_says() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    for table in [eic_doctor::commands::policy::table(), eic_doctor::commands::policy::serve_table()] {
        assert!(text.contains(&table), "{table}");
    }
}

/// The screen at the top is cut where it says `…`; every other line is what the binary prints, in that order.
#[test]
fn the_readmes_screen_is_what_the_binary_prints() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let screen = text.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let mut lines = screen.lines();
    let command = lines.next().unwrap().strip_prefix("$ eic-doctor ").unwrap();
    let mut doctor = crate::lab::doctor();
    doctor.args(command.split(' ')).arg("--world").arg(root().join("tests/worlds/browser-my-ip-only"));
    let printed = run(doctor).stdout;
    let mut printed = printed.lines();
    for line in lines.filter(|line| *line != "…") {
        assert!(printed.any(|other| other == line), "`{line}` is not printed, or not there");
    }
}
