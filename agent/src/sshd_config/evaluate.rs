//! The files and the command line, in sshd's two passes: once without a connection, then the `Match` blocks for one
//! (OpenSSH `servconf.c`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::condition::{self, Asked};
use super::files::{Files, Line, arguments};
use super::keywords::{self, KEYWORDS, Keyword, Kind};
use super::patterns::Holds;
use super::values::{self, Written};
use super::version::Version;
use super::words;

/// `SERVCONF_MAX_DEPTH`.
const DEPTH: usize = 16;
/// Lines walked in all, files that are included twice counted twice.
const LINES: usize = 50_000;
const PROBLEMS: usize = 20;
/// `MAX_PORTS` of servconf.h.
const MAX_PORTS: usize = 256;
/// sshd itself has room for 16 (`MAX_LISTEN_SOCKS`), and prints as many as are asked for.
const SOCKETS: usize = 1_024;

/// What sshd was started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// `-o`: keyword and value, in their order.
    pub options: Vec<(String, String)>,
    /// `-p`.
    pub ports: Vec<u16>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// `-o` or `-p`.
    #[default]
    CommandLine,
    Line {
        file: String,
        number: u32,
    },
}

/// One line that speaks of a keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As newer versions of `sshd -T` print it.
    pub keyword: &'static str,
    /// One for each line that `sshd -T` prints.
    pub values: Vec<String>,
    pub at: Place,
    /// The criteria of the `Match` line that it stands below.
    pub condition: Option<String>,
    /// Whether it applies to the connection; never `No`.
    pub holds: Holds,
}

/// What keeps sshd from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `None`: of no one line.
    pub at: Option<Place>,
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluated {
    /// In order of precedence: the first counts, or all of one pass do where a keyword gathers its lines.
    pub settings: Vec<Setting>,
    /// What `sshd -T` would print of the keywords that are set, or hang on those that are.
    pub effective: BTreeMap<&'static str, Vec<String>>,
    pub problems: Vec<Problem>,
    /// What could not be looked at.
    pub gaps: Vec<String>,
}

impl Evaluated {
    /// The lines that speak of a keyword and apply, or may apply, to the connection.
    pub fn of<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a Setting> {
        self.settings.iter().filter(move |setting| setting.keyword == keyword)
    }

    /// What holds where no line says anything.
    pub fn default_of(keyword: &str) -> Option<&'static str> {
        KEYWORDS.iter().find(|one| one.name == keyword).map(|one| one.default).filter(|default| !default.is_empty())
    }

    /// What `sshd -T` would print, as far as it does not differ between builds.
    pub fn with_defaults(&self) -> BTreeMap<&'static str, Vec<String>> {
        let defaults = KEYWORDS.iter().filter(|keyword| !keyword.default.is_empty());
        let mut all: BTreeMap<_, _> = defaults.map(|one| (one.name, vec![one.default.to_owned()])).collect();
        all.extend(self.effective.iter().map(|(keyword, values)| (*keyword, values.clone())));
        all
    }

    /// Values that a keyword has instead for a part of the connections that were asked about, each with the line that says so.
    pub fn others<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a Setting> {
        let mut is_decided = false;
        self.of(keyword).filter(move |setting| {
            let counts = !is_decided && setting.holds == Holds::Perhaps;
            is_decided |= setting.holds == Holds::Yes;
            counts
        })
    }
}

pub fn evaluate(files: &Files, command_line: &CommandLine, version: Version, asked: &Asked<'_>) -> Evaluated {
    let mut pass = Pass::new(files, version, None);
    for (keyword, value) in &command_line.options {
        pass.option(keyword, value);
    }
    pass.walk(0, State { active: Holds::Yes, is_before_match: false, never: false, condition: None }, 0);
    let global = pass.finished();
    let mut pass = Pass::new(files, version, Some(asked));
    pass.walk(0, State { active: Holds::No, is_before_match: true, never: false, condition: None }, 0);
    let matched = pass.finished();
    combine(files, command_line, version, global, matched)
}

/// One pass over the files.
struct Pass<'a> {
    files: &'a Files,
    version: Version,
    asked: Option<&'a Asked<'a>>,
    settings: Vec<Setting>,
    /// Names in it, for there may be as many as lines.
    subsystems: BTreeSet<String>,
    has_methods: bool,
    problems: Vec<Problem>,
    gaps: Vec<String>,
    walked: usize,
    /// `Include` went too deep: sshd ends there.
    is_too_deep: bool,
}

#[derive(Clone, Debug)]
struct State {
    active: Holds,
    /// In the second pass what stands before any `Match` has been taken already.
    is_before_match: bool,
    /// Included from a block that does not apply: read for its syntax alone.
    never: bool,
    condition: Option<String>,
}

impl<'a> Pass<'a> {
    fn new(files: &'a Files, version: Version, asked: Option<&'a Asked<'a>>) -> Self {
        Self {
            files,
            version,
            asked,
            settings: Vec::new(),
            subsystems: BTreeSet::new(),
            has_methods: false,
            problems: Vec::new(),
            gaps: Vec::new(),
            walked: 0,
            is_too_deep: false,
        }
    }

    fn finished(self) -> (Vec<Setting>, Vec<Problem>, Vec<String>) {
        (self.settings, self.problems, self.gaps)
    }

    fn problem(&mut self, at: Place, text: impl Into<String>) {
        let problem = Problem { at: Some(at), text: text.into() };
        if self.problems.len() < PROBLEMS && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn option(&mut self, keyword: &str, value: &str) {
        let at = Place::CommandLine;
        if value.is_empty() {
            return self.problem(at, format!("no argument after keyword `{keyword}`"));
        }
        match keywords::find(keyword, self.version) {
            None => self.problem(at, format!("bad configuration option: {keyword}")),
            Some(Keyword { kind: Kind::Include | Kind::Match, .. }) => {
                self.problem(at, format!("`{keyword}` is not for the command line"));
            }
            Some(keyword) => self.take(keyword, value, at, &None, Holds::Yes),
        }
    }

    fn walk(&mut self, file: usize, state: State, depth: usize) {
        let Some(file) = self.files.files.get(file) else { return };
        let mut state = state;
        for line in &file.lines {
            self.walked += 1;
            if self.walked > LINES {
                if self.gaps.is_empty() {
                    self.gaps.push(format!("more than {LINES} lines"));
                }
                return;
            }
            if self.is_too_deep {
                return;
            }
            self.line(line, &file.path, &mut state, depth);
        }
    }

    fn line(&mut self, line: &Line, file: &str, state: &mut State, depth: usize) {
        let at = Place::Line { file: file.to_owned(), number: line.number };
        if line.rest.is_empty() {
            return self.problem(at, format!("no argument after keyword `{}`", line.keyword));
        }
        let Some(keyword) = keywords::find(&line.keyword, self.version) else {
            return self.problem(at, format!("bad configuration option: {}", line.keyword));
        };
        if state.active == Holds::No && !keyword.is_allowed_in_match(self.version) {
            // In the second pass it has been taken already.
            if self.asked.is_none() {
                self.problem(at, format!("`{}` is not allowed below Match", keyword.name));
            }
            return;
        }
        match keyword.kind {
            Kind::Include => self.include(line, at, state, depth),
            Kind::Match => {
                let asked = self.asked.filter(|_| !state.never);
                match condition::holds(&line.rest, self.version, asked) {
                    Ok(holds) => state.active = if state.never { Holds::No } else { holds },
                    Err(error) => {
                        state.active = Holds::No;
                        self.problem(at, format!("bad Match condition: {error}"));
                    }
                }
                state.is_before_match = false;
                state.condition = Some(line.rest.clone());
            }
            _ => self.take(keyword, &line.rest, at, &state.condition, state.active),
        }
    }

    fn include(&mut self, line: &Line, at: Place, state: &State, depth: usize) {
        match arguments(&line.rest, self.version) {
            None => return self.problem(at, "a quote is not closed"),
            Some(words) if words.is_empty() || words.iter().any(String::is_empty) => {
                return self.problem(at, "the name of a file is missing");
            }
            Some(_) => {}
        }
        if depth == DEPTH && !line.included.is_empty() {
            self.is_too_deep = true;
            return self.problem(at, "too many recursive configuration includes");
        }
        for file in &line.included {
            let never = !state.is_before_match && state.active == Holds::No;
            self.walk(*file, State { never, ..state.clone() }, depth + 1);
        }
    }

    fn take(&mut self, keyword: &'static Keyword, rest: &str, at: Place, condition: &Option<String>, active: Holds) {
        let Some(arguments) = words_of(keyword, rest, self.version) else {
            return self.problem(at, "a quote is not closed");
        };
        match values::read(keyword, Written { rest, arguments: &arguments, version: self.version }) {
            Ok(values) => {
                if keyword.name == "subsystem" && active > Holds::No {
                    let name = arguments.first().map(String::as_str).unwrap_or_default();
                    if !self.subsystems.insert(name.to_owned()) {
                        if self.version < Version::SUBSYSTEM {
                            self.problem(at, format!("subsystem `{name}` is already defined"));
                        }
                        return;
                    }
                }
                // From 8.7 to 9.8 a block cannot take back by `any` what stands before it.
                let is_any = keyword.name == "authenticationmethods" && values.iter().any(|value| value == "any");
                let stays = (Version::ARGUMENTS..Version::REFUSE_CONNECTION).contains(&self.version);
                if is_any && stays && self.has_methods {
                    return self.problem(at, "authenticationmethods: `any` must stand alone, in a block too");
                }
                if active > Holds::No && keyword.kind != Kind::Ignored {
                    self.has_methods |= keyword.name == "authenticationmethods";
                    let condition = condition.clone();
                    self.settings.push(Setting { keyword: keyword.name, values, at, condition, holds: active });
                }
            }
            Err(error) if error.starts_with(values::NAME) => self.gaps.push(error),
            Err(error) => self.problem(at, format!("{}: {error}", keyword.name)),
        }
    }
}

fn words_of(keyword: &Keyword, rest: &str, version: Version) -> Option<Vec<String>> {
    if version < Version::ARGUMENTS && keyword.name == "setenv" {
        return words::split_old(rest, false);
    }
    arguments(rest, version)
}

type Passed = (Vec<Setting>, Vec<Problem>, Vec<String>);

fn combine(files: &Files, command_line: &CommandLine, version: Version, global: Passed, matched: Passed) -> Evaluated {
    let (mut global, mut problems, mut gaps) = global;
    let (mut matched, more, more_gaps) = matched;
    for problem in more {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    gaps.extend(more_gaps);
    gaps.extend(files.gaps.iter().cloned());
    gaps.dedup();
    if !command_line.ports.is_empty() {
        // `-p` makes the files' ports ignored, and stands beside those of `-o`.
        global.retain(|setting| setting.keyword != "port" || setting.at == Place::CommandLine);
        let ports = command_line.ports.iter().map(u16::to_string).collect();
        let (at, holds) = (Place::CommandLine, Holds::Yes);
        global.push(Setting { keyword: "port", values: ports, at, condition: None, holds });
    }
    put_last_first(&mut global, version);
    put_last_first(&mut matched, version);
    let mut effective: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for pass in [&global, &matched] {
        let mut of_pass: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for setting in pass.iter().filter(|setting| setting.holds == Holds::Yes) {
            let values = of_pass.entry(setting.keyword);
            match values {
                std::collections::btree_map::Entry::Vacant(empty) => {
                    empty.insert(setting.values.clone());
                }
                std::collections::btree_map::Entry::Occupied(mut taken) if gathers(setting.keyword) => {
                    taken.get_mut().extend(setting.values.iter().cloned());
                }
                std::collections::btree_map::Entry::Occupied(_) => {}
            }
        }
        // What only the first pass takes is not taken from a block that applies.
        let is_first = std::ptr::eq(pass, &global);
        effective.extend(of_pass.into_iter().filter(|(keyword, _)| is_first || is_matched(keyword)));
    }
    finish(&mut effective, &mut problems, version);
    check_together(&global, &mut problems);
    let settings = matched.into_iter().filter(|setting| is_matched(setting.keyword)).chain(global).collect();
    Evaluated { settings, effective, problems, gaps }
}

/// Where the last line counts it comes first; the order of different keywords means nothing.
fn put_last_first(settings: &mut [Setting], version: Version) {
    let is_last = |setting: &Setting| keyword(setting.keyword).is_some_and(|keyword| keyword.last_counts(version));
    settings.sort_by_key(is_last);
    let from = settings.iter().position(is_last).unwrap_or(settings.len());
    if let Some(last) = settings.get_mut(from..) {
        last.reverse();
    }
}

fn keyword(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

fn is_matched(name: &str) -> bool {
    keyword(name).is_some_and(|keyword| keyword.in_match)
}

/// Every line counts.
fn gathers(name: &str) -> bool {
    let gathers = |kind| matches!(kind, Kind::Each(_) | Kind::Port | Kind::ListenAddress | Kind::Subsystem);
    keyword(name).is_some_and(|keyword| gathers(keyword.kind))
}

/// What hangs on several keywords, and what `none` clears.
fn finish(effective: &mut BTreeMap<&'static str, Vec<String>>, problems: &mut Vec<Problem>, version: Version) {
    if effective
        .get("channeltimeout")
        .is_some_and(|values| values.iter().all(|value| value.eq_ignore_ascii_case("none")))
    {
        effective.insert("channeltimeout", Vec::new());
    }
    for name in ["authorizedkeyscommand", "authorizedprincipalscommand", "forcecommand", "chrootdirectory", "banner"] {
        if let Some(values) = effective.get_mut(name) {
            for value in values.iter_mut().filter(|value| value.eq_ignore_ascii_case("none")) {
                *value = "none".to_owned();
            }
        }
    }
    if version < Version::ARGUMENTS {
        // Two keywords that are one today.
        let value = |keyword: &str| effective.get(keyword).and_then(|values| values.first()).cloned();
        let challenge = value("challengeresponseauthentication").unwrap_or_else(|| "yes".to_owned());
        let keyboard = match value("kbdinteractiveauthentication") {
            Some(keyboard) if challenge == "no" => keyboard,
            _ => challenge,
        };
        effective.insert("kbdinteractiveauthentication", vec![keyboard]);
    }
    let is_set = ["port", "addressfamily", "listenaddress"].iter().any(|name| effective.contains_key(name));
    if is_set {
        let addresses = listen_addresses(effective, problems);
        effective.insert("listenaddress", addresses);
    }
}

fn listen_addresses(effective: &BTreeMap<&'static str, Vec<String>>, problems: &mut Vec<Problem>) -> Vec<String> {
    let ports: Vec<u16> = match effective.get("port") {
        Some(ports) => ports.iter().filter_map(|port| port.parse().ok()).collect(),
        None => vec![22],
    };
    if ports.len() > MAX_PORTS {
        problems.push(Problem { at: None, text: "too many ports".to_owned() });
        return Vec::new();
    }
    let family = effective.get("addressfamily").and_then(|family| family.first()).map_or("any", String::as_str);
    let is_of_family = |address: &IpAddr| match family {
        "inet" => address.is_ipv4(),
        "inet6" => address.is_ipv6(),
        _ => true,
    };
    let mut shown = Vec::new();
    match effective.get("listenaddress") {
        Some(addresses) => {
            for text in addresses {
                if shown.len() > SOCKETS || problems.len() > 2 * PROBLEMS {
                    problems.push(Problem { at: None, text: "Too many listen sockets".to_owned() });
                    break;
                }
                let (address, port) = values::address_and_port(text);
                let Ok(address) = address.parse::<IpAddr>() else { continue };
                if !is_of_family(&address) {
                    let text = format!("listenaddress: `{address}` is not of the address family");
                    problems.push(Problem { at: None, text });
                }
                match port.and_then(|port| port.parse().ok()) {
                    Some(port) => shown.push(SocketAddr::new(address, port).to_string()),
                    None => shown.extend(ports.iter().map(|port| SocketAddr::new(address, *port).to_string())),
                }
            }
        }
        None => {
            let every = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
            for port in ports {
                let of_family = every.iter().filter(|address| is_of_family(address));
                shown.extend(of_family.map(|address| SocketAddr::new(*address, port).to_string()));
            }
        }
    }
    shown
}

/// What sshd looks at once all is read, before it starts.
fn check_together(global: &[Setting], problems: &mut Vec<Problem>) {
    let first = |name: &str| global.iter().find(|setting| setting.keyword == name);
    let value = |name: &str| first(name).and_then(|setting| setting.values.first()).map(String::as_str);
    let is_some = |value: Option<&str>| value.is_some_and(|value| !value.eq_ignore_ascii_case("none"));
    for (command, user, text) in [
        (
            "authorizedkeyscommand",
            "authorizedkeyscommanduser",
            "AuthorizedKeysCommand set without AuthorizedKeysCommandUser",
        ),
        (
            "authorizedprincipalscommand",
            "authorizedprincipalscommanduser",
            "AuthorizedPrincipalsCommand set without AuthorizedPrincipalsCommandUser",
        ),
    ] {
        if is_some(value(command)) && value(user).is_none() {
            problems.push(Problem { at: first(command).map(|setting| setting.at.clone()), text: text.to_owned() });
        }
    }
    let is_on = |name: &str, default: bool| value(name).map_or(default, |value| value == "yes");
    let is_enabled = |method: &&str| match *method {
        "publickey" => is_on("pubkeyauthentication", true),
        "password" => is_on("passwordauthentication", true),
        "keyboard-interactive" => is_on("kbdinteractiveauthentication", true),
        "hostbased" => is_on("hostbasedauthentication", false),
        "gssapi-with-mic" => is_on("gssapiauthentication", false),
        _ => true,
    };
    let lists: Vec<&str> = value("authenticationmethods").map(|value| value.split(' ').collect()).unwrap_or_default();
    let is_possible =
        |list: &&str| *list == "any" || values::methods(list).is_some_and(|methods| methods.iter().all(is_enabled));
    if !lists.is_empty() && !lists.iter().any(is_possible) {
        let text = "AuthenticationMethods cannot be satisfied by enabled authentication methods".to_owned();
        problems.push(Problem { at: first("authenticationmethods").map(|setting| setting.at.clone()), text });
    }
}

#[cfg(test)]
mod tests;
