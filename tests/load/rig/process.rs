//! A server as a process of its own: what it says, how much memory and processor time it takes, and its sudden end.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

pub struct Process {
    child: Child,
    pub agents: SocketAddr,
    /// Its first lines, before the one that says where it serves.
    pub said: Vec<String>,
}

/// Said by whoever serves, before the address.
pub const SERVING: &str = "serving agents on ";

impl Process {
    pub fn coordinator(dir: &Path, url: &str, at: SocketAddr, more: &str) -> Self {
        Self::begin(serve(dir, url, at, more))
    }

    /// A program that says on stderr where it serves.
    pub fn begin(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, said) = channel();
        // To its end, so that it never waits for whoever reads.
        thread::spawn(move || {
            let mut before = Vec::new();
            for line in stderr.lines().map_while(Result::ok) {
                match line.split_once(SERVING).map(|(_, address)| address.parse()) {
                    Some(Ok(address)) => drop(sender.send((Some(address), std::mem::take(&mut before)))),
                    _ if before.len() < 20 => before.push(line),
                    _ => {}
                }
            }
            drop(sender.send((None, before)));
        });
        match said.recv().unwrap() {
            (Some(agents), said) => Self { child, agents, said },
            (None, said) => panic!("it does not serve: {}", said.join("\n")),
        }
    }

    /// A line of `/proc/PID/limits`: its soft and its hard limit.
    pub fn open_files(&self) -> (String, String) {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    }

    /// Bytes in memory: all, and those that belong to no file.
    pub fn resident(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
        };
        (of("VmRSS:"), of("RssAnon:"))
    }

    /// Processor time so far, in hundredths of a second (Linux's `USER_HZ`).
    pub fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name before it may hold anything.
        let (_, after) = stat.rsplit_once(')').unwrap();
        // proc_pid_stat(5): utime and stime are the 14th and 15th, the state after the name is the 3rd.
        after.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Dead already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `eic-doctor serve` with a store at `url`, its files in `dir`; `at` may have port 0, and `more` is the rest of the configuration.
pub fn serve(dir: &Path, url: &str, at: SocketAddr, more: &str) -> Command {
    let certificates = dir.join("certificates");
    // Nobody enrols: each has a certificate already.
    std::fs::create_dir_all(&certificates).unwrap();
    let config = dir.join("coordinator.toml");
    let (certificates, dir) = (certificates.display(), dir.display());
    let text = format!(
        "[listen]\nagents = \"{at}\"\noperators = \"{dir}/operator.sock\"\n[store]\nurl = \"{url}\"\n\
         [authority]\ndirectory = \"{dir}/authority\"\nnames = [\"localhost\"]\n\
         [enrolment]\naccounts = [\"111122223333\"]\nidentity_certificates = \"{certificates}\"\n\
         describe_instances = false\n{more}"
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_eic-doctor"));
    command.args(["serve", "--config"]).arg(&config).stdout(Stdio::null());
    command
}

/// As many open files as this process may have, for itself and what it starts; how many that are.
pub fn raise_open_files() -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    usize::try_from(hard).unwrap()
}
