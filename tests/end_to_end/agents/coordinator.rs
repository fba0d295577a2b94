//! `eic-doctor serve` as a process, with its log as the events to wait for.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Run, Scenario, lab, run};

/// What no event of these tests takes; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct Coordinator {
    pub dir: PathBuf,
    pub agents: SocketAddr,
    /// The page's URL.
    pub page: Option<String>,
    child: Child,
    log: Receiver<String>,
}

/// What differs from one coordinator to another.
pub struct Wishes<'a> {
    /// `sqlite:…` or `postgres:…`.
    pub store: &'a str,
    /// Where the socket and the authority are.
    pub dir: &'a Path,
    /// The lines of `[authority]`, but for the names.
    pub authority: &'a str,
    /// More lines of `[enrolment]`.
    pub enrolment: &'a str,
    pub agents: SocketAddr,
    pub page: Option<SocketAddr>,
    /// To the end of the configuration.
    pub more: &'a str,
}

impl Coordinator {
    /// With the credentials of a scenario's operator.
    pub fn begin(scenario: &Scenario, wishes: &Wishes<'_>) -> Self {
        let identity = lab().control("GET", "/identity", &Value::Null);
        let dir = wishes.dir;
        let certificates = dir.join("certificates");
        std::fs::create_dir_all(&certificates).unwrap();
        let region = scenario.get("region");
        let certificate = identity["certificate"].as_str().unwrap();
        std::fs::write(certificates.join(format!("{region}.pem")), certificate).unwrap();
        let config = dir.join("coordinator.toml");
        let page = wishes.page.map(|at| format!("page = \"{at}\"\n")).unwrap_or_default();
        let text = format!(
            "[listen]\nagents = \"{agents}\"\noperators = \"{dir}/operator.sock\"\n{page}\
             [store]\nurl = \"{store}\"\n\
             [authority]\n{authority}\nnames = [\"coordinator.test\"]\ncertificate_life = \"20s\"\n\
             [enrolment]\naccounts = [\"{account}\"]\nidentity_certificates = \"{certificates}\"\n\
             also_pinned = [{{ region = \"{region}\", sha256 = \"{sha256}\" }}]\n{enrolment}\
             [reports]\ninterval = \"2s\"\nsilent_after = \"8s\"\n{more}",
            agents = wishes.agents,
            dir = dir.display(),
            store = wishes.store,
            authority = wishes.authority,
            account = scenario.get("account_id"),
            certificates = certificates.display(),
            sha256 = identity["sha256"].as_str().unwrap(),
            enrolment = wishes.enrolment,
            more = wishes.more,
        );
        std::fs::write(&config, text).unwrap();
        let mut command = scenario.command(&["serve", "--config"]);
        let mut child = command.arg(&config).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (lines, log) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let mut coordinator = Self { dir: dir.to_owned(), agents: wishes.agents, page: None, child, log };
        if wishes.page.is_some() {
            let line = coordinator.wait_for("serving the page on ");
            coordinator.page = line.rsplit_once(' ').map(|(_, url)| url.to_owned());
        }
        let line = coordinator.wait_for("serving agents on ");
        let (_, address) = line.rsplit_once(' ').unwrap();
        coordinator.agents = address.parse().unwrap();
        coordinator
    }

    /// The first line of the log from here on that holds `text`.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_for_each(&[text.to_owned()]).remove(0)
    }

    /// As above for each of `texts`, in whichever order they come; the lines in the order of `texts`.
    pub fn wait_for_each(&self, texts: &[String]) -> Vec<String> {
        let until = Instant::now() + PATIENCE;
        let (mut found, mut seen) = (vec![None; texts.len()], Vec::new());
        while found.contains(&None) {
            match self.log.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    for (text, first) in texts.iter().zip(&mut found) {
                        if first.is_none() && line.contains(text) {
                            *first = Some(line.clone());
                        }
                    }
                    seen.push(line);
                }
                Err(RecvTimeoutError::Timeout) => panic!("not each of {texts:?} is in:\n{}", seen.join("\n")),
                Err(RecvTimeoutError::Disconnected) => panic!("the coordinator ended:\n{}", seen.join("\n")),
            }
        }
        found.into_iter().flatten().collect()
    }

    pub fn at(&self) -> String {
        format!("unix:{}", self.dir.join("operator.sock").display())
    }

    /// `eic-doctor` as an operator of this machine.
    pub fn ask(&self, arguments: &[&str]) -> Run {
        run(self.command(arguments))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = crate::lab::doctor();
        command.args(arguments).env("EIC_DOCTOR_COORDINATOR", self.at());
        command
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        // Dead already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines that come as things happen.
pub struct Watched {
    child: Child,
    lines: Receiver<Value>,
}

impl Watched {
    /// A command that prints one JSON document a line.
    pub fn begin(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next one about this check of this instance; what hangs on the check may change with it.
    #[track_caller]
    pub fn next_of(&self, instance_id: &str, check_id: &str) -> Value {
        let mut seen = Vec::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("nothing happens to {check_id} of {instance_id}, but {seen:#?}");
            };
            seen.push(line.to_string());
            if line["instance_id"] == instance_id && line["check_id"] == check_id {
                return line;
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
