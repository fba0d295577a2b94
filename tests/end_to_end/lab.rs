//! Drives `tests/lab/lab.py` and runs `eic-doctor` against it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in a folder of the workspace")
}

/// The static agent that `packaging/build-agent` makes.
pub fn agent() -> PathBuf {
    let path = root().join("target/static/x86_64-unknown-linux-gnu/agent/eic-doctor-agent");
    assert!(path.is_file(), "there is no static agent; run `bash packaging/build-agent` first");
    path
}

pub struct Lab {
    control: PathBuf,
    // Its standard input is the leash: when this program ends, the pipe closes and the lab takes itself down.
    _daemon: Child,
}

/// The lab of this test program.
pub fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(|| {
        let mut daemon = Command::new("python3")
            .arg(root().join("tests/lab/lab.py"))
            .args(["serve", "--until-eof"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start tests/lab/lab.py");
        let mut ready = String::new();
        let stdout = daemon.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut ready).expect("read the lab's first line");
        let ready: Value = serde_json::from_str(&ready).unwrap_or_else(|_| panic!("the lab did not start: {ready:?}"));
        Lab { control: ready["control"].as_str().expect("control").into(), _daemon: daemon }
    })
}

impl Lab {
    /// One request to the lab's control socket; panics with the lab's answer when it is refused.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = UnixStream::connect(&self.control).expect("connect to the lab");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("ask the lab");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read the lab's answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let status = head.split(' ').nth(1).unwrap_or_default();
        assert!(status.starts_with('2'), "{method} {path}: {status} {body}");
        if body.trim().is_empty() { Value::Null } else { serde_json::from_str(body).expect("JSON from the lab") }
    }

    pub fn scenario(&'static self, wishes: Value) -> Scenario {
        let facts = self.control("POST", "/scenario", &wishes);
        Scenario { lab: self, facts }
    }

    /// A scenario with a booted machine on which the agent is installed.
    pub fn scenario_with_agent(&'static self, wishes: Value) -> Scenario {
        let scenario = self.scenario(wishes);
        scenario.put(&agent(), "/usr/bin/eic-doctor-agent");
        scenario
    }
}

/// One instance with its own VPC; taken down when dropped.
pub struct Scenario {
    pub lab: &'static Lab,
    pub facts: Value,
}

impl Scenario {
    /// A healthy instance that is a booted machine with the agent installed.
    pub fn healthy() -> Self {
        lab().scenario_with_agent(json!({}))
    }

    pub fn id(&self) -> &str {
        self.get("instance_id")
    }

    pub fn get(&self, name: &str) -> &str {
        self.facts[name].as_str().unwrap_or_else(|| panic!("the scenario has no {name}: {}", self.facts))
    }

    /// An address of the instance's own VPC.
    pub fn private_source(&self) -> String {
        let octets: Vec<&str> = self.get("private_ip").split('.').collect();
        format!("{}.{}.0.9", octets[0], octets[1])
    }

    pub fn fault(&self, name: &str) {
        self.lab.control("POST", "/fault", &json!({ "instance_id": self.id(), "name": name }));
    }

    /// Did a real `ssh` get in?
    pub fn login(&self, push: bool) -> bool {
        let asked = json!({ "os_user": "ec2-user", "push": push });
        self.lab.control("POST", &format!("/instance/{}/login", self.id()), &asked)["returncode"] == json!(0)
    }

    pub fn put(&self, source: &Path, target: &str) {
        let asked = json!({ "source": source, "target": target, "mode": "755" });
        self.lab.control("POST", &format!("/instance/{}/file", self.id()), &asked);
    }

    /// `eic-doctor ARGUMENTS` with the lab's endpoint and credentials and nothing else of this environment.
    pub fn doctor(&self, arguments: &[&str]) -> Run {
        run(self.command(arguments))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = doctor();
        command.args(arguments);
        for (name, value) in self.facts["env"].as_object().expect("the scenario's environment") {
            command.env(name, value.as_str().expect("text"));
        }
        command
    }

    /// One call of the real AWS CLI, with the scenario's environment.
    pub fn aws(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("bash");
        command.arg(root().join("tests/lab/aws-cli")).args(arguments).env_clear().env("PATH", "/usr/bin:/bin");
        for (name, value) in self.facts["env"].as_object().expect("the scenario's environment") {
            command.env(name, value.as_str().expect("text"));
        }
        let output = command.output().expect("run the AWS CLI");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("the AWS CLI prints UTF-8")
    }

    /// `eic-doctor check` of this instance for its connector role, as JSON.
    pub fn check(&self, arguments: &[&str]) -> Run {
        let mut all = vec!["check", self.id(), "--principal", self.get("role_arn"), "--output", "json"];
        all.extend(arguments);
        self.doctor(&all)
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.lab.control("DELETE", &format!("/scenario/{}", self.id()), &Value::Null);
        }
    }
}

/// `eic-doctor` with an empty environment: no credentials, no Region, no home.
pub fn doctor() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eic-doctor"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null());
    command
}

/// What a run left: exit code, stdout, stderr.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub fn run(mut command: Command) -> Run {
    let Output { status, stdout, stderr } = command.output().expect("run eic-doctor");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let run = Run { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) };
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    run
}

impl Run {
    pub fn report(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {}\n{}", self.stdout, self.stderr))
    }

    /// Everything that is not ok or not applicable, for a failing test's message.
    pub fn findings(&self) -> String {
        let report = self.report();
        let results = report["results"].as_array().expect("results");
        let odd = results.iter().filter(|r| r["status"] != "ok" && r["status"] != "not-applicable");
        odd.map(|r| format!("{} {}: {}\n", r["status"], r["id"], r["why"])).collect()
    }

    pub fn expect(&self, code: i32, connectable: &str, root_causes: &[&str]) {
        let report = self.report();
        assert_eq!(
            (self.code, &report["connectable"], &report["root_causes"]),
            (code, &json!(connectable), &json!(root_causes)),
            "\n{}{}",
            self.findings(),
            self.stderr
        );
    }

    pub fn result(&self, id: &str) -> Value {
        let report = self.report();
        let results = report["results"].as_array().expect("results");
        results.iter().find(|result| result["id"] == id).unwrap_or_else(|| panic!("no result {id}")).clone()
    }
}
