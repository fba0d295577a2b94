//! What PAM does for sshd: its rules with every drawn-in file, and the files that their modules read.

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::{EffectiveConfig, NumberedLine, PamFacts, PamFile, PamRule};
use crate::parse;

use super::host::Host;

/// Where Linux-PAM looks for a service, in this order (`libpam/pam_private.h`).
const FOLDERS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];
/// As deep as Linux-PAM goes (PAM_SUBSTACK_MAX_LEVEL).
const DEPTH: usize = 16;
const FILES: usize = 64;
const RULES: usize = 128;
/// A phase that the service has no rule for is this service's.
const OTHER: &str = "other";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Account,
    Session,
}

impl Phase {
    fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Session => "session",
        }
    }
}

pub(super) fn gather_pam(host: &dyn Host, effective: &Fact<EffectiveConfig>) -> Fact<PamFacts> {
    let value = |keyword| effective.known().and_then(|config| config.first(keyword)).map(Untrusted::raw);
    if value("usepam").is_some_and(|value| value == "no") {
        return Fact::NotGathered;
    }
    let service = value("pamservicename").filter(|name| !name.is_empty() && !name.contains('/')).unwrap_or("sshd");
    let account = stack(host, service, Phase::Account);
    let session = stack(host, service, Phase::Session);
    if account == Fact::NotGathered && session == Fact::NotGathered {
        return Fact::NotGathered;
    }
    let rules: Vec<&PamRule> = [&account, &session].into_iter().filter_map(Fact::known).flatten().collect();
    Fact::Known(PamFacts {
        service: service.into(),
        missing_modules: gather_missing_modules(host, &rules),
        files: gather_files(host, &rules),
        account,
        session,
    })
}

/// A module of the rules may ask which groups the user has.
pub(super) fn asks_for_groups(pam: &PamFacts) -> bool {
    let rules = [&pam.account, &pam.session].into_iter().filter_map(Fact::known).flatten();
    let modules = ["pam_access.so", "pam_listfile.so", "pam_limits.so", "pam_succeed_if.so"];
    rules.into_iter().any(|rule| {
        modules.iter().any(|module| rule.module.raw().ends_with(module))
            && (!rule.module.raw().ends_with("pam_succeed_if.so")
                || rule.arguments.iter().any(|argument| argument.raw().ends_with("ingroup")))
    })
}

fn stack(host: &dyn Host, service: &str, phase: Phase) -> Fact<Vec<PamRule>> {
    for service in [service, OTHER] {
        let mut reading = Reading { host, phase, rules: Vec::new(), files: 0 };
        match reading.draw_in(service, false, 0, 0) {
            Ok(_) if !reading.rules.is_empty() => return Fact::Known(reading.rules),
            Ok(_) => {}
            Err(unseen) => return unseen,
        }
    }
    // pam_start(3) fails without a rule for the phase.
    Fact::Absent
}

/// What the whole phase becomes where a file of it could not be seen.
type Unseen = Fact<Vec<PamRule>>;

struct Reading<'a> {
    host: &'a dyn Host,
    phase: Phase,
    rules: Vec<PamRule>,
    files: usize,
}

impl Reading<'_> {
    /// Whether there is such a file, or why nobody knows.
    fn draw_in(&mut self, name: &str, of_phase: bool, depth: usize, level: u8) -> Result<bool, Unseen> {
        if depth >= DEPTH {
            return Ok(false);
        }
        self.files += 1;
        if self.files > FILES || self.rules.len() > RULES {
            return Err(Fact::unreadable(format!(
                "sshd's PAM rules are more than {RULES}, or in more than {FILES} files"
            )));
        }
        let Some((path, bytes)) = self.open(name)? else { return Ok(false) };
        for line in parse::parse_pam(&bytes).value {
            let rule = |control: &str, module: &str| PamRule {
                file: path.as_str().into(),
                line: line.number,
                control: control.into(),
                module: module.into(),
                arguments: line.arguments.iter().map(|argument| argument.as_str().into()).collect(),
                level,
            };
            let kind = line.control.to_ascii_lowercase();
            if line.phase == "@include" {
                if !self.draw_in(&line.module, of_phase, depth + 1, level)? {
                    self.rules.push(rule("requisite", ""));
                }
            } else if line.phase != self.phase.word() {
                // A word that is no phase stands for the one that a file is drawn in for, and always fails.
                if of_phase && !["auth", "account", "password", "session"].contains(&line.phase.as_str()) {
                    self.rules.push(rule("required", ""));
                }
            } else if kind == "include" {
                if !self.draw_in(&line.module, true, depth + 1, level)? {
                    self.rules.push(rule("required", ""));
                }
            } else if kind == "substack" {
                self.rules.push(rule("substack", &line.module));
                if !self.draw_in(&line.module, true, depth + 1, level.saturating_add(1))? {
                    self.rules.push(rule("required", ""));
                }
            } else {
                let control = if line.control.is_empty() { "required" } else { &line.control };
                self.rules.push(rule(control, &line.module));
            }
        }
        Ok(true)
    }

    /// Where it was found, and what is in it; or why nobody knows.
    fn open(&self, name: &str) -> Result<Option<(String, Vec<u8>)>, Unseen> {
        let paths = if name.starts_with('/') {
            vec![name.to_owned()]
        } else {
            FOLDERS.iter().map(|folder| format!("{folder}/{name}")).collect()
        };
        for path in paths {
            match self.host.read(&path) {
                Fact::Known(bytes) => return Ok(Some((path, bytes))),
                Fact::Absent => {}
                Fact::Unreadable(why) => return Err(Fact::unreadable(format!("{path}: {}", why.reason))),
                // The folder of vendors is not shipped where the file of /etc is there.
                Fact::NotGathered => return Err(Fact::NotGathered),
            }
        }
        Ok(None)
    }
}

/// Linux-PAM looks in one folder that it was built with; each distribution's is among these.
fn gather_missing_modules(host: &dyn Host, rules: &[&PamRule]) -> Fact<Vec<Untrusted>> {
    let machine = host.machine().known().cloned().unwrap_or_default();
    let folders = [
        format!("/usr/lib/{machine}-linux-gnu/security"),
        "/usr/lib64/security".to_owned(),
        "/usr/lib/security".to_owned(),
        format!("/lib/{machine}-linux-gnu/security"),
        "/lib64/security".to_owned(),
        "/lib/security".to_owned(),
    ];
    let mut found: Vec<String> = Vec::new();
    for folder in folders {
        match host.list(&folder) {
            Fact::Known(names) => found.extend(names),
            Fact::Absent => {}
            Fact::Unreadable(why) => return Fact::unreadable(format!("{folder}: {}", why.reason)),
            Fact::NotGathered => return Fact::NotGathered,
        }
    }
    if !found.iter().any(|name| name == "pam_unix.so" || name == "pam_permit.so") {
        return Fact::unreadable("the folder of PAM's modules was not found");
    }
    let is_missing = |module: &str| match module {
        "" => false,
        module if module.contains("$ISA") => false,
        module if module.starts_with('/') => host.file_state(module).state == Fact::Absent,
        module => !found.iter().any(|name| name == module),
    };
    let mut missing: Vec<Untrusted> = Vec::new();
    for rule in rules.iter().filter(|rule| !rule.control.raw().eq_ignore_ascii_case("substack")) {
        if is_missing(rule.module.raw()) && !missing.contains(&rule.module) {
            missing.push(rule.module.clone());
        }
    }
    Fact::Known(missing)
}

fn gather_files(host: &dyn Host, rules: &[&PamRule]) -> Vec<PamFile> {
    let mut files: Vec<PamFile> = Vec::new();
    for rule in rules {
        for path in paths(host, rule) {
            if files.len() < FILES && !files.iter().any(|file| file.path.raw() == path) {
                files.push(gather_file(host, &path, rule));
            }
        }
    }
    files
}

/// The files that decide what the module says.
fn paths(host: &dyn Host, rule: &PamRule) -> Vec<String> {
    let module = rule.module.raw().rsplit('/').next().unwrap_or_default();
    let argument = |name: &str| {
        rule.arguments.iter().rev().find_map(|argument| argument.raw().strip_prefix(name)).map(str::to_owned)
    };
    let with_folder = |file: &str, folder: &str| {
        let names = host.list(folder).known().cloned().unwrap_or_default();
        let names = names.into_iter().filter(|name| name.ends_with(".conf") && !name.starts_with('.'));
        [file.to_owned()].into_iter().chain(names.map(|name| format!("{folder}/{name}"))).collect()
    };
    match module {
        "pam_access.so" => match argument("accessfile=") {
            Some(file) => vec![file],
            None => with_folder("/etc/security/access.conf", "/etc/security/access.d"),
        },
        "pam_limits.so" => match argument("conf=") {
            Some(file) => vec![file],
            None => with_folder("/etc/security/limits.conf", "/etc/security/limits.d"),
        },
        "pam_time.so" => vec![argument("conffile=").unwrap_or_else(|| "/etc/security/time.conf".to_owned())],
        "pam_listfile.so" | "pam_nologin.so" => argument("file=").into_iter().collect(),
        "pam_shells.so" => vec!["/etc/shells".to_owned()],
        "pam_usertype.so" => vec!["/etc/login.defs".to_owned()],
        _ => Vec::new(),
    }
}

fn gather_file(host: &dyn Host, path: &str, rule: &PamRule) -> PamFile {
    let wants_newline = rule.module.raw().ends_with("pam_access.so");
    // Whatever a rule names: nothing that may hold passwords is kept.
    let is_secret = ["shadow", "pwd", "secret"].iter().any(|word| path.contains(word));
    let read = if is_secret { Fact::unreadable("its name speaks of passwords") } else { host.read(path) };
    let lines = match read {
        Fact::Known(bytes) => match parse::parse_numbered(&bytes, wants_newline).value {
            Some(lines) => Fact::Known(lines),
            None => Fact::unreadable("it has more lines, or longer ones, than are kept"),
        },
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    };
    let is_of_use = |line: &NumberedLine| {
        path != "/etc/login.defs" || ["UID_MIN", "SYS_UID_MAX"].iter().any(|key| line.text.raw().starts_with(key))
    };
    PamFile {
        path: path.into(),
        mode: host.file_state(path).mode,
        lines: lines.map(|lines| lines.into_iter().filter(is_of_use).collect()),
    }
}
