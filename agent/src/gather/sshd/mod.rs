//! What sshd would do with this attempt, and what its files say.

use std::time::Duration;

use eic_doctor_proto::{Fact, Untrusted, Why};

use crate::connection::Connection;
use crate::facts::{ConfiguredLine, EffectiveConfig, SocketUnit, SshdProcess, Unit};
use crate::parse::{self, CommandLine};

use super::host::{Host, Run};

mod addresses;

pub(super) use addresses::gather_addresses;

const USUAL_PROGRAM: &str = "/usr/sbin/sshd";
const USUAL_CONFIG: &str = "/etc/ssh/sshd_config";
const CONFIG_FOLDER: &str = "/etc/ssh";
/// sshd reads its files and keys and prints: some 10 ms. One that waits for a name server does not come back.
const TIMEOUT: Duration = Duration::from_secs(3);
/// `Include` in included files, as deep as sshd goes (`servconf.c`, SERVCONF_MAX_DEPTH).
const INCLUDE_DEPTH: usize = 16;
const FILES: usize = 64;
const CONFIGURED_LINES: usize = 64;

/// `sshd -T` with the daemon's own arguments and this attempt's connection.
pub(super) fn gather_effective(
    host: &dyn Host,
    connection: &Connection,
    process: &Fact<SshdProcess>,
    unit: &Fact<Unit>,
    socket: &Fact<SocketUnit>,
) -> Fact<EffectiveConfig> {
    let daemon = daemon(process, unit, socket);
    let ask = |name, test: &str| {
        let run = Run::new(name, program(&daemon), TIMEOUT).args([test, "-C", &connection.specification()]);
        host.run(&run.args(arguments(&daemon)))
    };
    match ask("sshd-T", "-T") {
        Fact::Known(ran) if ran.status == Some(0) => Fact::Known(parse::parse_sshd_t(&ran.stdout).value),
        // `-T` also wants host keys and /run/sshd, which is not there before the first connection to a socket unit. sshd 9.3 and newer
        // print the same with `-G` and want neither.
        Fact::Known(failed) => match ask("sshd-G", "-G") {
            Fact::Known(ran) if ran.status == Some(0) => Fact::Known(parse::parse_sshd_t(&ran.stdout).value),
            _ => Fact::unreadable(failed.reason("`sshd -T`")),
        },
        Fact::Absent => Fact::unreadable(format!("there is no {}", program(&daemon))),
        Fact::Unreadable(Why { reason, .. }) => Fact::unreadable(format!("`sshd -T`: {reason}")),
        Fact::NotGathered => Fact::NotGathered,
    }
}

pub(super) fn gather_version(host: &dyn Host, process: &Fact<SshdProcess>) -> Fact<Untrusted> {
    let program = process.known().map_or(USUAL_PROGRAM, |process| process.program.raw());
    // The program says so with less effort than when it is started.
    if let Some(version) = host.texts(program, "OpenSSH_").known().and_then(|texts| parse::sshd_version_among(texts)) {
        return Fact::Known(version);
    }
    match host.run(&Run::new("sshd-V", program, TIMEOUT).args(["-V"])) {
        Fact::Known(ran) => {
            let said = [ran.stderr.as_slice(), b"\n", &ran.stdout].concat();
            parse::parse_sshd_version(&said)
                .value
                .map_or_else(|| Fact::unreadable("`sshd -V` did not print a version"), Fact::Known)
        }
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

/// The running daemon; else what the unit would start. Behind `Accept=yes` each connection has an sshd of its own, to which the
/// service's arguments do not apply (`domain.md` §0.1, 6).
fn daemon(process: &Fact<SshdProcess>, unit: &Fact<Unit>, socket: &Fact<SocketUnit>) -> SshdProcess {
    if let Fact::Known(process) = process {
        return process.clone();
    }
    let accepts_itself = socket.known().is_some_and(|socket| socket.accept == Fact::Known(true));
    match unit.known() {
        Some(unit) if !accepts_itself && !unit.exec_start.is_empty() => {
            // An older systemd has lost the borders between arguments, as a title has; `$SSHD_OPTS` is not expanded and left out.
            let words = unit.exec_start.iter().map(Untrusted::raw).filter(|word| !word.starts_with('$'));
            let arguments = ["sshd:"].into_iter().chain(words).map(str::to_owned).collect();
            parse::parse_sshd_arguments(&CommandLine { shown: String::new(), arguments, is_title: true }).value
        }
        _ => SshdProcess::default(),
    }
}

fn program(daemon: &SshdProcess) -> &str {
    Some(daemon.program.raw()).filter(|program| program.starts_with('/')).unwrap_or(USUAL_PROGRAM)
}

fn arguments(daemon: &SshdProcess) -> Vec<String> {
    let mut arguments = Vec::new();
    if let Some(file) = &daemon.config_file {
        arguments.extend(["-f".to_owned(), file.raw().to_owned()]);
    }
    for option in &daemon.options {
        arguments.extend(["-o".to_owned(), format!("{}={}", option.keyword.raw(), option.value.raw())]);
    }
    for port in &daemon.ports {
        arguments.extend(["-p".to_owned(), port.to_string()]);
    }
    arguments
}

/// Lines about AuthorizedKeysCommand in the daemon's file, in what it includes, and in `sshd_config.d` even where nothing includes it.
pub(super) fn gather_configured(host: &dyn Host, process: &Fact<SshdProcess>) -> Fact<Vec<ConfiguredLine>> {
    let file = process.known().and_then(|process| process.config_file.as_ref()).map_or(USUAL_CONFIG, Untrusted::raw);
    let mut reading = Reading { host, seen: Vec::new(), lines: Vec::new() };
    if let Some(why) = reading.read(file, 0) {
        return why;
    }
    reading.include("sshd_config.d/*.conf", 0);
    Fact::Known(reading.lines)
}

struct Reading<'a> {
    host: &'a dyn Host,
    seen: Vec<String>,
    lines: Vec<ConfiguredLine>,
}

impl Reading<'_> {
    /// Why the file could not be read, if it could not. What it includes may fail: that costs those lines only.
    fn read(&mut self, path: &str, depth: usize) -> Option<Fact<Vec<ConfiguredLine>>> {
        if depth > INCLUDE_DEPTH || self.seen.len() >= FILES || self.seen.iter().any(|seen| seen == path) {
            return None;
        }
        self.seen.push(path.to_owned());
        let bytes = match self.host.read(path) {
            Fact::Known(bytes) => bytes,
            Fact::Absent => return Some(Fact::Absent),
            Fact::Unreadable(why) => return Some(Fact::unreadable(format!("{path}: {}", why.reason))),
            Fact::NotGathered => return Some(Fact::NotGathered),
        };
        for line in parse::parse_sshd_config(&bytes).value {
            if line.keyword == "include" {
                for pattern in &line.arguments {
                    self.include(pattern, depth);
                }
            } else if line.keyword.starts_with("authorizedkeyscommand") && self.lines.len() < CONFIGURED_LINES {
                let text = line.text.chars().take(1_000).collect::<String>().into();
                self.lines.push(ConfiguredLine { file: path.into(), line: line.number, text });
            }
        }
        None
    }

    /// A path, or a folder's `*` or `*.conf`; sshd takes any glob, and other globs stay unread.
    fn include(&mut self, pattern: &str, depth: usize) {
        let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("{CONFIG_FOLDER}/{pattern}") };
        let Some((folder, name)) = pattern.rsplit_once('/') else { return };
        let Some(ending) = name.strip_prefix('*') else {
            let _ = self.read(&pattern, depth + 1);
            return;
        };
        let names = self.host.list(folder).known().cloned().unwrap_or_default();
        for name in names.iter().filter(|name| name.ends_with(ending) && !name.starts_with('.')) {
            let _ = self.read(&format!("{folder}/{name}"), depth + 1);
        }
    }
}
