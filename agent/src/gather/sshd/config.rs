//! sshd's files, read and evaluated for this attempt.

use std::cell::RefCell;
use std::collections::BTreeSet;

use eic_doctor_proto::{Fact, Untrusted};

use crate::connection::Connection;
use crate::facts::{Account, ConfigPlace, ConfigProblem, ConfigSetting, ConfiguredLine, SshdConfig, SshdProcess};
use crate::gather::account::gather_groups;
use crate::gather::host::Host;
use crate::parse;
use crate::sshd_config::{self, Asked, CommandLine, Evaluated, Files, Holds, Place, Source, Version};

pub(super) const USUAL_CONFIG: &str = "/etc/ssh/sshd_config";
const DROP_INS: &str = "/etc/ssh/sshd_config.d";
const CONFIGURED_LINES: usize = 64;
const SETTINGS: usize = 400;
/// A list of algorithms has some hundred characters.
const VALUE: usize = 1_000;

/// The files, and the folders in which they were looked for.
pub(super) struct Read {
    pub files: Result<Files, Fact<()>>,
    pub folders: BTreeSet<String>,
}

pub(super) fn read(host: &dyn Host, daemon: &SshdProcess, version: Version) -> Read {
    let source = HostSource { host, folders: RefCell::default() };
    let path = daemon.config_file.as_ref().map_or(USUAL_CONFIG, Untrusted::raw);
    let files = sshd_config::load(&source, path, version);
    Read { files, folders: source.folders.into_inner() }
}

struct HostSource<'a> {
    host: &'a dyn Host,
    folders: RefCell<BTreeSet<String>>,
}

impl Source for HostSource<'_> {
    fn read(&self, path: &str) -> Fact<Vec<u8>> {
        self.host.read(path)
    }

    fn list(&self, folder: &str) -> Fact<Vec<String>> {
        self.folders.borrow_mut().insert(folder.to_owned());
        self.host.list(folder)
    }
}

/// Evaluates the files of one daemon, for as many connections as are asked about.
pub(super) struct Evaluator<'a> {
    pub files: &'a Files,
    pub command_line: CommandLine,
    pub version: Version,
    pub groups: Fact<Vec<String>>,
}

impl Evaluator<'_> {
    pub fn over(&self, connection: &Connection) -> Evaluated {
        let is_on = |evaluated: &Evaluated| {
            evaluated.effective.get("usedns").is_some_and(|values| values.iter().any(|value| value == "yes"))
        };
        let asked = |looks_up_names| {
            let asked = Asked { connection, groups: &self.groups, looks_up_names };
            sshd_config::evaluate(self.files, &self.command_line, self.version, &asked)
        };
        let evaluated = asked(false);
        if is_on(&evaluated) { asked(true) } else { evaluated }
    }
}

pub(super) fn command_line(daemon: &SshdProcess) -> CommandLine {
    let options = daemon.options.iter();
    CommandLine {
        options: options.map(|option| (option.keyword.raw().to_owned(), option.value.raw().to_owned())).collect(),
        ports: daemon.ports.clone(),
    }
}

pub(super) fn facts(evaluated: &Evaluated) -> SshdConfig {
    let short = |text: &str| Untrusted::from(text.chars().take(VALUE).collect::<String>());
    let place = |place: &Place| match place {
        Place::CommandLine => None,
        Place::Line { file, number } => Some(ConfigPlace { file: file.as_str().into(), line: *number }),
    };
    let settings = evaluated.settings.iter().take(SETTINGS).map(|setting| ConfigSetting {
        keyword: setting.keyword.into(),
        values: setting.values.iter().map(|value| short(value)).collect(),
        at: place(&setting.at),
        condition: setting.condition.as_deref().map(short),
        is_uncertain: setting.holds == Holds::Perhaps,
    });
    let problems = evaluated
        .problems
        .iter()
        .map(|problem| ConfigProblem { at: problem.at.as_ref().and_then(place), text: short(&problem.text) });
    SshdConfig {
        settings: settings.collect(),
        problems: problems.collect(),
        gaps: evaluated.gaps.iter().map(|gap| short(gap)).collect(),
    }
}

/// Lines about AuthorizedKeysCommand in the daemon's files, and in `sshd_config.d` even where nothing includes it. Of the latter those
/// about UsePAM too, in the second list.
pub(super) fn configured(host: &dyn Host, files: &Files) -> (Vec<ConfiguredLine>, Vec<ConfiguredLine>) {
    let is_about_keys = |keyword: &str| keyword.starts_with("authorizedkeyscommand");
    let mut found: Vec<ConfiguredLine> = Vec::new();
    for file in &files.files {
        let lines = file.lines.iter().filter(|line| is_about_keys(&line.keyword));
        found.extend(lines.map(|line| configured_line(&file.path, line.number, &line.text)));
    }
    let mut passed_over = Vec::new();
    let names = host.list(DROP_INS).known().cloned().unwrap_or_default();
    for name in names.iter().filter(|name| name.ends_with(".conf") && !name.starts_with('.')).take(64) {
        let path = format!("{DROP_INS}/{name}");
        if files.files.iter().any(|file| file.path == path) {
            continue;
        }
        let Fact::Known(bytes) = host.read(&path) else { continue };
        for line in parse::parse_sshd_config(&bytes).value {
            let one = || configured_line(&path, line.number, &line.text);
            if is_about_keys(&line.keyword) {
                found.push(one());
            }
            if is_about_keys(&line.keyword) || line.keyword == "usepam" {
                passed_over.push(one());
            }
        }
    }
    found.truncate(CONFIGURED_LINES);
    passed_over.truncate(CONFIGURED_LINES);
    (found, passed_over)
}

fn configured_line(file: &str, line: u32, text: &str) -> ConfiguredLine {
    ConfiguredLine { file: file.into(), line, text: text.chars().take(VALUE).collect::<String>().into() }
}

/// The names of the OS user's groups.
pub(super) fn groups(host: &dyn Host, account: &Fact<Account>) -> Fact<Vec<String>> {
    match account {
        Fact::Known(account) => gather_groups(host, account, true)
            .map(|groups| groups.iter().map(|group| group.name.raw().to_owned()).collect()),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why.clone()),
        Fact::NotGathered => Fact::NotGathered,
    }
}
