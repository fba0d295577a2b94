//! What sshd would do with this attempt, and what its files say.

use std::time::Duration;

use eic_doctor_proto::{Attempt, Fact, Untrusted, Why};

use crate::connection::Connection;
use crate::facts::{
    Account, EffectiveConfig, FileType, Listener, PortHolder, Refusal, SocketUnit, SshdConfig, SshdFacts, SshdProcess,
    Unit,
};
use crate::parse::{self, CommandLine};
use crate::sshd_config::{Evaluated, Files, Version};

use super::host::{Host, Ran, Run};
use config::Evaluator;

mod addresses;
mod config;
mod extra;
mod since;

const USUAL_PROGRAM: &str = "/usr/sbin/sshd";
/// sshd reads its files and keys and prints: some 10 ms. One that waits for a name server does not come back.
const TIMEOUT: Duration = Duration::from_secs(3);
/// What sshd says when it refuses is a line or two; with several bad lines, as many.
const SAID: usize = 12;
const HOST_KEY: &str = "hostkey";
/// `_PATH_HOST_ED25519_KEY_FILE` (OpenSSH, pathnames.h).
const CHEAP_KEY: &str = "/etc/ssh/ssh_host_ed25519_key";

/// What others have found before.
pub(super) struct Seen<'a> {
    pub process: Fact<SshdProcess>,
    pub unit: Fact<Unit>,
    pub socket: Fact<SocketUnit>,
    pub listeners: Fact<Vec<Listener>>,
    pub port_holder: Fact<PortHolder>,
    pub account: &'a Fact<Account>,
}

/// `region` is asked for where the console's client connects and a `Match` asks for addresses: its answer may have to be waited for.
pub(super) fn gather_sshd(
    host: &dyn Host,
    attempt: &Attempt,
    seen: Seen<'_>,
    region: impl FnOnce() -> Option<String>,
) -> SshdFacts {
    let Seen { process, unit, socket, listeners, port_holder, account } = seen;
    let daemon = daemon(&process, &unit, &socket);
    let version = gather_version(host, &process);
    let read_as = version.known().and_then(|banner| Version::of(banner.raw())).unwrap_or_default();
    let addresses = addresses::gather_addresses(host);
    let read = config::read(host, &daemon, read_as);
    let files = read.files.as_ref().ok();
    let region = if files.is_none_or(Files::ask_for_addresses) { region() } else { None };
    let connection = Connection::of(attempt, &addresses, region.as_deref());
    let evaluator = files.map(|files| Evaluator {
        files,
        command_line: config::command_line(&daemon),
        version: read_as,
        groups: if files.ask_for_groups() { config::groups(host, account) } else { Fact::NotGathered },
    });
    let evaluated = evaluator.as_ref().map(|evaluator| evaluator.over(&connection));
    let has_known_defaults = version.known().is_some() && read_as >= Version::USUAL_DEFAULTS;
    let shown =
        evaluated.as_ref().filter(|_| has_known_defaults).and_then(|evaluated| shown(host, &process, &read, evaluated));
    let mut asked = shown.unwrap_or_else(|| ask(host, &daemon, &connection, evaluated.as_ref()));
    // An answer about another connection, as far as `Match` tells them apart.
    if let (Some(other), Some(evaluator), Some(evaluated), Fact::Known(effective)) =
        (host.asked_connection(), &evaluator, &evaluated, &mut asked.effective)
        && let Some(other) = Connection::of_specification(&other, attempt)
    {
        correct(effective, &evaluator.over(&other), evaluated);
    }
    let changed = match &process {
        Fact::Known(process) => match (since::read_at(host, process, asked.effective.known()), files) {
            (Fact::Known(read_at), Some(files)) => Fact::Known(since::changed(host, &read, files, read_at)),
            (Fact::Known(_), None) | (Fact::NotGathered, _) => Fact::NotGathered,
            (Fact::Absent, _) => Fact::Absent,
            (Fact::Unreadable(why), _) => Fact::Unreadable(why),
        },
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why.clone()),
        Fact::NotGathered => Fact::NotGathered,
    };
    let refusal = asked.refusal(host, &process);
    let effective = match (&changed, &asked.effective, &evaluated, &process) {
        (Fact::Known(files), ..) if !files.is_empty() => Fact::unreadable(stale(files)),
        (_, Fact::Known(_), ..) | (_, _, None, _) => asked.effective,
        // Whoever cannot see the process does not know its options.
        (.., Fact::Unreadable(_) | Fact::NotGathered) => asked.effective,
        (_, _, Some(evaluated), _) if asked.may_be_worked_out && is_whole(evaluated) => {
            Fact::Known(worked_out(evaluated))
        }
        _ => asked.effective,
    };
    let (configured, passed_over) = match &read.files {
        Ok(files) => {
            let (read, passed_over) = config::configured(host, files);
            (Fact::Known(read), Fact::Known(passed_over))
        }
        Err(why) => (why.clone().map(|()| Vec::new()), why.clone().map(|()| Vec::new())),
    };
    SshdFacts {
        keys_program: effective.known().map(|config| extra::keys_program(host, config)).unwrap_or_default(),
        revoked_keys: effective.known().map(|config| extra::revoked_keys(host, config)).unwrap_or_default(),
        session: effective.known().map(|config| extra::session(host, config, account)).unwrap_or_default(),
        configured,
        passed_over,
        config: match (&read.files, &evaluated) {
            (Ok(_), Some(evaluated)) => Fact::Known(config::facts(evaluated)),
            (Err(why), _) => why.clone().map(|()| SshdConfig::default()),
            (Ok(_), None) => Fact::NotGathered,
        },
        process,
        unit,
        socket,
        effective,
        listeners,
        port_holder,
        version,
        addresses,
        refusal,
        changed,
    }
}

/// What sshd answered.
struct Asked {
    effective: Fact<EffectiveConfig>,
    /// How it failed, where it did.
    failed: Option<Ran>,
    /// It failed for a reason that has nothing to do with its files.
    may_be_worked_out: bool,
}

/// What `sshd -T` would answer, where the running sshd shows that it takes its files: it has read them as they are, and nothing has changed
/// by which it starts. Then they are all that decides, and the costliest program of a look is not started. What is less than certain, and
/// whatever hangs on who connects, sshd is asked.
fn shown(host: &dyn Host, process: &Fact<SshdProcess>, read: &config::Read, evaluated: &Evaluated) -> Option<Asked> {
    let (process, files) = (process.known()?, read.files.as_ref().ok()?);
    // The built-in lists of a system in FIPS mode are others.
    let is_fips = host.read("/proc/sys/crypto/fips_enabled").known().is_some_and(|bytes| bytes.trim_ascii() != b"0");
    if files.have_match() || is_fips || !may_take_one_key(host, evaluated) {
        return None;
    }
    let effective = worked_out(evaluated);
    let read_at = *since::read_at(host, process, Some(&effective)).known()?;
    since::would_start_as_before(host, process.pid, read, files, read_at).then_some(Asked {
        effective: Fact::Known(effective),
        failed: None,
        may_be_worked_out: false,
    })
}

/// `sshd -T` with the daemon's own arguments and this attempt's connection.
fn ask(host: &dyn Host, daemon: &SshdProcess, connection: &Connection, evaluated: Option<&Evaluated>) -> Asked {
    let ask = |name, test: &str, more: &[&str]| {
        let run = Run::new(name, program(daemon), TIMEOUT).args([test, "-C", &connection.specification()]);
        host.run(&run.args(arguments(daemon)).args(more.iter().copied()))
    };
    let answer = |ran: &Ran| parse::parse_sshd_t(&ran.stdout).value;
    let unasked = |effective| Asked { effective, failed: None, may_be_worked_out: true };
    if evaluated.is_some_and(|evaluated| may_take_one_key(host, evaluated))
        && let Fact::Known(ran) = ask("sshd-T", "-T", &["-h", CHEAP_KEY])
        && ran.status == Some(0)
    {
        let mut effective = answer(&ran);
        // Only the one that it was given.
        effective.keywords.remove(HOST_KEY);
        return Asked { effective: Fact::Known(effective), failed: None, may_be_worked_out: false };
    }
    match ask("sshd-T", "-T", &[]) {
        Fact::Known(ran) if ran.status == Some(0) => {
            Asked { effective: Fact::Known(answer(&ran)), failed: None, may_be_worked_out: false }
        }
        // `-T` also wants host keys and /run/sshd, which is not there before the first connection to a socket unit. sshd 9.3 and newer
        // print the same with `-G` and want neither.
        Fact::Known(failed) => {
            let reason = failed.reason("`sshd -T`");
            let may_be_worked_out = wants_more_than_files(&failed);
            let effective = match ask("sshd-G", "-G", &[]) {
                Fact::Known(ran) if ran.status == Some(0) => Fact::Known(answer(&ran)),
                _ => Fact::unreadable(reason),
            };
            Asked { effective, failed: Some(failed), may_be_worked_out }
        }
        Fact::Absent => unasked(Fact::unreadable(format!("there is no {}", program(daemon)))),
        Fact::Unreadable(Why { reason, .. }) => unasked(Fact::unreadable(format!("`sshd -T`: {reason}"))),
        Fact::NotGathered => Asked { effective: Fact::NotGathered, failed: None, may_be_worked_out: false },
    }
}

/// `sshd -T` reads every host key, and to look into an RSA key costs it more than all the rest. Where no line names a host key, sshd wants
/// one of its usual ones, and this one is enough to see that it would start. When it is not good, sshd is asked without it.
fn may_take_one_key(host: &dyn Host, evaluated: &Evaluated) -> bool {
    is_whole(evaluated)
        && !evaluated.settings.iter().any(|setting| setting.keyword == HOST_KEY)
        && host.file_state(CHEAP_KEY).state == Fact::Known(FileType::Regular)
}

/// Host keys and the folder of privilege separation are looked for once the files have been read and found good.
fn wants_more_than_files(failed: &Ran) -> bool {
    let said = String::from_utf8_lossy(&failed.stderr).to_ascii_lowercase();
    ["no hostkeys available", "privilege separation", "must be owned by root and not group"]
        .iter()
        .any(|reason| said.contains(reason))
}

impl Asked {
    /// What sshd said, where that is not for want of rights or of what its unit makes at its start.
    fn refusal(&self, host: &dyn Host, process: &Fact<SshdProcess>) -> Fact<Refusal> {
        let Some(failed) = &self.failed else {
            return match &self.effective {
                Fact::Known(_) => Fact::Absent,
                Fact::Unreadable(why) => Fact::Unreadable(why.clone()),
                Fact::Absent | Fact::NotGathered => Fact::NotGathered,
            };
        };
        let text = String::from_utf8_lossy(&failed.stderr);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if host.uid() != Fact::Known(0) {
            return Fact::unreadable(format!("needs root; {}", lines.last().unwrap_or(&"it said nothing")));
        }
        if lines.is_empty() {
            // An sshd that refuses its files says so: this one was ended by something else, or did not get so far.
            return Fact::unreadable(failed.reason("`sshd -T`"));
        }
        let wants_folder = text.contains("Missing privilege separation directory");
        if wants_folder && *process == Fact::Absent {
            return Fact::Absent;
        }
        let from = lines.len().saturating_sub(SAID);
        let short = |line: &&str| Untrusted::from(line.chars().take(300).collect::<String>());
        Fact::Known(Refusal { said: lines.get(from..).unwrap_or_default().iter().map(short).collect() })
    }
}

fn stale(files: &[Untrusted]) -> String {
    let files: Vec<&str> = files.iter().map(Untrusted::raw).collect();
    format!("sshd has not read {} since the last change, and what it read before is not known", files.join(", "))
}

fn is_whole(evaluated: &Evaluated) -> bool {
    evaluated.problems.is_empty() && evaluated.gaps.is_empty()
}

fn worked_out(evaluated: &Evaluated) -> EffectiveConfig {
    let values = |values: Vec<String>| values.into_iter().map(Untrusted::from).collect();
    let keywords = evaluated.with_defaults().into_iter().filter(|(_, values)| !values.is_empty());
    EffectiveConfig {
        is_worked_out: true,
        keywords: keywords.map(|(keyword, found)| (keyword.to_owned(), values(found))).collect(),
    }
}

/// What sshd said about one connection, where its files say otherwise of the one that is meant.
fn correct(effective: &mut EffectiveConfig, asked: &Evaluated, meant: &Evaluated) {
    let (asked, meant) = (asked.with_defaults(), meant.with_defaults());
    for (keyword, values) in &meant {
        if asked.get(keyword) != Some(values) {
            let values = values.iter().map(|value| value.as_str().into()).collect();
            effective.keywords.insert((*keyword).to_owned(), values);
        }
    }
    for keyword in asked.keys().filter(|keyword| !meant.contains_key(*keyword)) {
        effective.keywords.remove(*keyword);
    }
}

fn gather_version(host: &dyn Host, process: &Fact<SshdProcess>) -> Fact<Untrusted> {
    let program = process.known().map_or(USUAL_PROGRAM, |process| process.program.raw());
    // The program says so with less effort than when it is started.
    if let Some(version) =
        host.texts(program, "OpenSSH_", &|_| false).known().and_then(|texts| parse::sshd_version_among(texts))
    {
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
