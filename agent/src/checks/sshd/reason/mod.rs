//! Why a running sshd does not ask EC2 Instance Connect, and what mends each reason.

use eic_doctor_proto::{Command, Evidence, Fact, Remedy, Untrusted};

use super::lines;
use crate::checks::keys_command::{self, Wired};
use crate::checks::platform;
use crate::facts::{ConfigPlace, ConfigSetting, ConfiguredLine, DropIn, OsFacts, Unit};
use crate::sshd_config::Version;

const CONFIG: &str = "/etc/ssh/sshd_config";
const DROP_INS: &str = "/etc/ssh/sshd_config.d";

pub enum Reason {
    /// The options say it, the effective configuration does not: only `Match` beats `-o`. Or an earlier line in the files.
    Outvoted {
        by: Vec<ConfiguredLine>,
        is_match: bool,
    },
    NotRestarted {
        pid: u32,
        unit: String,
    },
    NotReloaded {
        unit: String,
        drop_in: Option<String>,
    },
    Overridden {
        by: String,
    },
    SocketPerConnection {
        socket: String,
    },
    /// The package's silent rule: it configures nothing where somebody else has.
    LeftAlone {
        because_of: String,
    },
    /// It stands in a file below `sshd_config.d`, and nothing includes that.
    NotIncluded {
        by: ConfiguredLine,
    },
    NotConfigured,
}

impl Reason {
    /// The first that the facts show.
    pub fn of(facts: &OsFacts) -> Self {
        let configured = facts.sshd.configured.known().map_or(&[][..], Vec::as_slice);
        let others = || -> Vec<ConfiguredLine> {
            // What stands before EC2 Instance Connect's own, where the files could be evaluated.
            let settings = || lines::of(facts, "authorizedkeyscommand").filter(|setting| !setting.is_uncertain);
            let before: Vec<ConfiguredLine> =
                settings().take_while(|setting| !is_own_setting(setting)).filter_map(line_of).collect();
            if settings().next().is_some() && !before.is_empty() {
                return before;
            }
            configured.iter().filter(|line| is_other(line)).cloned().collect()
        };
        if runs_with_it(facts) {
            return Self::Outvoted { by: others(), is_match: true };
        }
        if let Some(socket) = socket_per_connection(facts) {
            return Self::SocketPerConnection { socket };
        }
        if let Some(reason) = facts.sshd.unit.known().and_then(|unit| Self::of_unit(facts, unit)) {
            return reason;
        }
        if let Some(by) = passed_over(facts) {
            return Self::NotIncluded { by: by.clone() };
        }
        if configured.iter().any(is_own) {
            return Self::Outvoted { by: others(), is_match: false };
        }
        // Only this one file is looked at by the package's maintainer scripts.
        match configured.iter().find(|line| line.file.raw() == CONFIG) {
            Some(line) => Self::LeftAlone { because_of: format!("{}:{}", line.file, line.line) },
            None => Self::NotConfigured,
        }
    }

    /// sshd's own options name the keys command, but each connection gets an sshd without them.
    pub fn of_what_passes_by_the_unit(facts: &OsFacts) -> Option<Self> {
        let configured = facts.sshd.configured.known()?;
        let socket = socket_per_connection(facts)?;
        (!configured.iter().any(is_own)).then_some(Self::SocketPerConnection { socket })
    }

    fn of_unit(facts: &OsFacts, unit: &Unit) -> Option<Self> {
        let name = unit.name.to_string();
        if unit.exec_start.iter().any(|word| keys_command::mentions(word.raw())) {
            let pid = facts.sshd.process.known()?.pid;
            return Some(Self::NotRestarted { pid, unit: name });
        }
        let is_stale = unit.need_daemon_reload == Fact::Known(true);
        let starts: Vec<&DropIn> = unit.drop_ins.iter().filter(|drop_in| starts_sshd(drop_in)).collect();
        let own = starts.iter().rfind(|drop_in| is_own_drop_in(drop_in));
        match (starts.last(), own) {
            (Some(last), Some(own)) if is_own_drop_in(last) => {
                is_stale.then(|| Self::NotReloaded { unit: name, drop_in: Some(own.path.to_string()) })
            }
            (Some(last), Some(_)) => Some(Self::Overridden { by: last.path.to_string() }),
            // Of the folders of drop-ins the package looks at the vendor's alone.
            (Some(last), None) if is_vendors(last) => Some(Self::LeftAlone { because_of: last.path.to_string() }),
            // systemd lists a new drop-in only after a reload.
            _ => is_stale.then_some(Self::NotReloaded { unit: name, drop_in: None }),
        }
    }

    pub fn words(&self) -> String {
        match self {
            Self::Outvoted { by, is_match } => {
                let what = if *is_match { "a `Match` block sets" } else { "an earlier line or a `Match` block sets" };
                match places(by) {
                    places if places.is_empty() => format!("{what} another value"),
                    places => format!("{what} another value ({places})"),
                }
            }
            Self::NotRestarted { pid, unit } => {
                format!("{unit} would start it so, but the running one (pid {pid}) was started otherwise")
            }
            Self::NotReloaded { unit, drop_in: Some(drop_in) } => {
                format!("`{drop_in}` says so, but {unit} was not reloaded since")
            }
            Self::NotReloaded { unit, drop_in: None } => format!("{unit} changed on disk and was not reloaded since"),
            Self::Overridden { by } => format!("`{by}` starts sshd its own way and overrides the package's drop-in"),
            Self::SocketPerConnection { socket } => format!(
                "{socket} starts an sshd of its own for each connection (Accept=yes), to which the package's drop-in does not apply"
            ),
            Self::NotIncluded { by } => format!("it stands in {}, and nothing includes that file", by.file),
            Self::LeftAlone { because_of } => format!("the package left sshd alone because of {because_of}"),
            Self::NotConfigured => "nothing in its options or files names a keys command".to_owned(),
        }
    }

    pub fn evidence(&self) -> Vec<Evidence> {
        match self {
            Self::Outvoted { by, .. } => by
                .iter()
                .map(|line| Evidence::new(line.text.raw().trim(), format!("{}:{}", line.file, line.line)))
                .collect(),
            Self::Overridden { by: path } | Self::NotReloaded { drop_in: Some(path), .. } => {
                vec![Evidence::new("ExecStart of its own", path)]
            }
            Self::NotReloaded { unit, drop_in: None } => vec![Evidence::new("NeedDaemonReload=yes", unit)],
            Self::NotRestarted { pid, .. } => {
                vec![Evidence::new("no AuthorizedKeysCommand among its options", format!("/proc/{pid}/cmdline"))]
            }
            Self::SocketPerConnection { socket } => vec![Evidence::new("Accept=yes", socket)],
            Self::NotIncluded { by } => {
                vec![Evidence::new(by.text.raw().trim(), format!("{}:{}", by.file, by.line))]
            }
            Self::LeftAlone { because_of } => vec![Evidence::new("somebody else's setting", because_of)],
            Self::NotConfigured => Vec::new(),
        }
    }
}

pub fn remedy(facts: &OsFacts, reason: &Reason, verify: &str) -> Remedy {
    let unit = platform::unit(facts);
    let systemctl = |verb: &str| Command::new("systemctl").args([verb, unit]);
    match reason {
        Reason::NotRestarted { .. } => Remedy::by_command(
            "Restart sshd, as root on the instance; open sessions stay",
            &systemctl("restart"),
            verify,
        ),
        Reason::NotReloaded { .. } => Remedy::by_command(
            "Let systemd read the unit again and restart sshd, as root on the instance; open sessions stay",
            &Command::new("systemctl").arg("daemon-reload").and(systemctl("restart")),
            verify,
        ),
        Reason::Outvoted { by, .. } => {
            let text = "Take the other value out, as root on the instance";
            let places: Vec<ConfigPlace> =
                by.iter().map(|line| ConfigPlace { file: line.file.clone(), line: line.line }).collect();
            let places: Vec<&ConfigPlace> = places.iter().collect();
            // Of lines that were not evaluated nobody knows which one counts.
            match lines::comment(&places).filter(|_| by.len() == 1 || is_evaluated(facts)) {
                Some(sed) => Remedy::by_command(text, &lines::then_reload(facts, sed), verify),
                None => Remedy::by_hand(
                    format!("{text}: look for AuthorizedKeysCommand in `{CONFIG}` and what it includes"),
                    verify,
                ),
            }
        }
        Reason::NotIncluded { .. } => {
            let text = format!("Include the folder before everything else in `{CONFIG}`, as root on the instance");
            let sed = Command::new("sed").args(["-i.bak", &format!("1i Include {DROP_INS}/*.conf"), CONFIG]);
            Remedy::by_command(text, &lines::then_reload(facts, sed), verify)
        }
        Reason::Overridden { .. }
        | Reason::SocketPerConnection { .. }
        | Reason::LeftAlone { .. }
        | Reason::NotConfigured => {
            // What is written first holds, and a file holds for every way in which sshd is started.
            let text = format!("Name the keys command before everything else in `{CONFIG}`, as root on the instance");
            let program = keys_command::program(facts).filter(|program| keys_command::is_plain(program));
            match program {
                Some(program) => {
                    let sed = Command::new("sed")
                        .args([
                            "-i.bak".to_owned(),
                            "-e".to_owned(),
                            format!("1i AuthorizedKeysCommand {program} %u %f"),
                        ])
                        .args(["-e", "1i AuthorizedKeysCommandUser ec2-instance-connect", CONFIG]);
                    Remedy::by_command(text, &lines::then_reload(facts, sed), verify)
                }
                None => Remedy::by_hand(text, verify),
            }
        }
    }
}

fn runs_with_it(facts: &OsFacts) -> bool {
    facts.sshd.process.known().is_some_and(|process| {
        process.options.iter().any(|option| {
            option.keyword.raw() == "authorizedkeyscommand"
                && matches!(keys_command::read(option.value.raw()), Wired::Own { .. })
        })
    })
}

fn socket_per_connection(facts: &OsFacts) -> Option<String> {
    let socket = facts.sshd.socket.known()?;
    let is_so = socket.active_state.raw() == "active" && socket.accept == Fact::Known(true);
    is_so.then(|| socket.name.to_string())
}

/// EC2 Instance Connect's own line in a file that sshd does not read and could: `Include` came with OpenSSH 8.2.
fn passed_over(facts: &OsFacts) -> Option<&ConfiguredLine> {
    let banner = facts.sshd.version.known()?;
    if Version::of(banner.raw())? < Version::INCLUDE {
        return None;
    }
    facts.sshd.passed_over.known()?.iter().find(|line| is_own(line))
}

/// sshd does not ask PAM for no other reason than that nothing includes the file that says so: with EC2 Instance Connect's own line, it
/// comes back by what brings that back.
pub fn use_pam_passed_over(facts: &OsFacts) -> Option<&ConfiguredLine> {
    passed_over(facts)?;
    let is_set = lines::of(facts, "usepam").next().is_some();
    let lines = facts.sshd.passed_over.known().filter(|_| !is_set)?;
    lines.iter().find(|line| {
        let mut words = line.text.raw().split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty());
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("UsePAM")) && words.next() == Some("yes")
    })
}

fn starts_sshd(drop_in: &DropIn) -> bool {
    drop_in.exec_start.known().is_some_and(|lines| !lines.is_empty())
}

fn is_vendors(drop_in: &DropIn) -> bool {
    drop_in.path.raw().starts_with("/lib/") || drop_in.path.raw().starts_with("/usr/lib/")
}

fn is_own_drop_in(drop_in: &DropIn) -> bool {
    drop_in.exec_start.known().is_some_and(|lines| lines.iter().any(|line| keys_command::mentions(line.raw())))
}

fn is_evaluated(facts: &OsFacts) -> bool {
    lines::of(facts, "authorizedkeyscommand").next().is_some()
}

fn is_own_setting(setting: &ConfigSetting) -> bool {
    setting.values.first().is_some_and(|value| matches!(keys_command::read(value.raw()), Wired::Own { .. }))
}

/// `None` for what stands on the command line.
fn line_of(setting: &ConfigSetting) -> Option<ConfiguredLine> {
    let place = setting.at.as_ref()?;
    let value = setting.values.first().map(Untrusted::raw).unwrap_or_default();
    let text = format!("AuthorizedKeysCommand {value}").into();
    Some(ConfiguredLine { file: place.file.clone(), line: place.line, text })
}

fn is_own(line: &ConfiguredLine) -> bool {
    value(line).is_some_and(|value| matches!(keys_command::read(&value), Wired::Own { .. }))
}

fn is_other(line: &ConfiguredLine) -> bool {
    value(line).is_some_and(|value| !matches!(keys_command::read(&value), Wired::Own { .. }))
}

/// The value of a line `AuthorizedKeysCommand value` or `AuthorizedKeysCommand=value`; `None` for the other keywords.
fn value(line: &ConfiguredLine) -> Option<String> {
    let text = line.text.raw().trim();
    let (keyword, value) = text.split_once(|c: char| c.is_whitespace() || c == '=')?;
    keyword
        .eq_ignore_ascii_case("AuthorizedKeysCommand")
        .then(|| value.trim_start_matches(|c: char| c.is_whitespace() || c == '=').to_owned())
}

fn places(lines: &[ConfiguredLine]) -> String {
    lines.iter().map(|line| format!("{}:{}", line.file, line.line)).collect::<Vec<_>>().join(", ")
}
