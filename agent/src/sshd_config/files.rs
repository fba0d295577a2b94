//! The files of a configuration: sshd's own, and those that it includes.

use eic_doctor_proto::{Fact, Why};

use super::version::Version;
use super::{patterns, words};

/// Where sshd looks for an included file whose path is not absolute.
const FOLDER: &str = "/etc/ssh";
/// More files than any configuration has.
const FILES: usize = 128;
const LINES: usize = 65_536;

/// What files are read from.
pub trait Source {
    fn read(&self, path: &str) -> Fact<Vec<u8>>;

    /// The names in a folder, sorted.
    fn list(&self, folder: &str) -> Fact<Vec<String>>;
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The first is sshd's own; each path once.
    pub files: Vec<File>,
    /// What could not be read, and what was too much to read.
    pub gaps: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    pub path: String,
    /// Those that are neither empty nor comments.
    pub lines: Vec<Line>,
    /// sshd could not open it.
    pub is_missing: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: u32,
    /// Lower case.
    pub keyword: String,
    /// What follows the keyword.
    pub rest: String,
    /// All of it, without the white space around it.
    pub text: String,
    /// For `Include`: the files that it names, by their place in [`Files`].
    pub included: Vec<usize>,
}

/// Why there is nothing to work with: sshd's own file could not be read.
pub fn load(source: &dyn Source, path: &str, version: Version) -> Result<Files, Fact<()>> {
    let bytes = match source.read(path) {
        Fact::Known(bytes) => bytes,
        Fact::Absent => return Err(Fact::Absent),
        Fact::Unreadable(Why { reason, .. }) => return Err(Fact::unreadable(format!("{path}: {reason}"))),
        Fact::NotGathered => return Err(Fact::NotGathered),
    };
    let mut files = Files {
        files: vec![File { path: path.to_owned(), lines: lines(&bytes, version), is_missing: false }],
        gaps: Vec::new(),
    };
    let mut at = 0;
    while at < files.files.len() {
        files.include_from(source, at, version);
        at += 1;
    }
    Ok(files)
}

impl Files {
    /// Some `Match` asks for an address or a name, so that it matters where a connection comes from.
    pub fn ask_for_addresses(&self) -> bool {
        self.asks_for(&["address", "host"])
    }

    /// Some `Match` asks for a group.
    pub fn ask_for_groups(&self) -> bool {
        self.asks_for(&["group"])
    }

    /// Some lines hold for a part of the connections only.
    pub fn have_match(&self) -> bool {
        self.matches().next().is_some()
    }

    fn matches(&self) -> impl Iterator<Item = &Line> {
        self.files.iter().flat_map(|file| &file.lines).filter(|line| line.keyword == "match")
    }

    fn asks_for(&self, criteria: &[&str]) -> bool {
        self.matches().any(|line| criteria.iter().any(|criterion| line.rest.to_ascii_lowercase().contains(criterion)))
    }

    fn include_from(&mut self, source: &dyn Source, at: usize, version: Version) {
        let Some(file) = self.files.get(at) else { return };
        let wanted: Vec<(usize, Vec<String>)> = file
            .lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.keyword == "include")
            .map(|(place, line)| (place, arguments(&line.rest, version).unwrap_or_default()))
            .collect();
        for (place, patterns) in wanted {
            let mut included = Vec::new();
            for pattern in patterns {
                let pattern = if pattern.starts_with(['/', '~']) { pattern } else { format!("{FOLDER}/{pattern}") };
                for path in self.expand(source, &pattern) {
                    included.extend(self.place_of(source, path, version));
                }
            }
            if let Some(line) = self.files.get_mut(at).and_then(|file| file.lines.get_mut(place)) {
                line.included = included;
            }
        }
    }

    /// glob(3): the paths that are there, sorted.
    fn expand(&mut self, source: &dyn Source, pattern: &str) -> Vec<String> {
        let mut paths = vec![String::new()];
        for component in pattern.split('/').filter(|component| !component.is_empty()) {
            if !component.contains(['*', '?', '[']) {
                paths.iter_mut().for_each(|path| path.push_str(&format!("/{component}")));
                continue;
            }
            let mut found = Vec::new();
            for folder in paths {
                let folder = if folder.is_empty() { "/" } else { &folder };
                let names = match source.list(folder) {
                    Fact::Known(names) => names,
                    Fact::Absent => continue,
                    Fact::Unreadable(Why { reason, .. }) => {
                        self.gap(format!("{folder}: {reason}"));
                        continue;
                    }
                    Fact::NotGathered => {
                        self.gap(format!("{folder}: not looked at"));
                        continue;
                    }
                };
                let is_meant = |name: &&String| {
                    let is_hidden = name.starts_with('.') && !component.starts_with('.');
                    !is_hidden && glob_matches(name, component)
                };
                let folder = folder.trim_end_matches('/');
                found.extend(names.iter().filter(is_meant).map(|name| format!("{folder}/{name}")));
                if found.len() > FILES {
                    self.gap(format!("{pattern} names more than {FILES} files"));
                    found.truncate(FILES);
                }
            }
            paths = found;
        }
        paths
    }

    /// The place of a file that is there, read now if it was not yet.
    fn place_of(&mut self, source: &dyn Source, path: String, version: Version) -> Option<usize> {
        if let Some(place) = self.files.iter().position(|file| file.path == path) {
            return Some(place);
        }
        if self.files.len() >= FILES {
            self.gap(format!("more than {FILES} files are included"));
            return None;
        }
        let mut file = File { path, ..File::default() };
        match source.read(&file.path) {
            Fact::Known(bytes) => file.lines = lines(&bytes, version),
            // A name without a pattern that is not there is passed over; a link that leads nowhere is not, but it is rare.
            Fact::Absent => return None,
            Fact::Unreadable(Why { reason, .. }) => self.gap(format!("{}: {reason}", file.path)),
            Fact::NotGathered => self.gap(format!("{}: not looked at", file.path)),
        }
        self.files.push(file);
        Some(self.files.len() - 1)
    }

    fn gap(&mut self, what: String) {
        if self.gaps.len() < 8 && !self.gaps.contains(&what) {
            self.gaps.push(what);
        }
    }
}

/// The arguments of a line as this version cuts them; `None` for a quote that is never closed.
pub fn arguments(rest: &str, version: Version) -> Option<Vec<String>> {
    if version >= Version::ARGUMENTS { words::split(rest, true) } else { words::split_old(rest, true) }
}

fn lines(bytes: &[u8], version: Version) -> Vec<Line> {
    let text = String::from_utf8_lossy(bytes);
    let numbered = (1..).zip(text.split('\n')).take(LINES);
    let without_comment = |line| match version < Version::ARGUMENTS {
        // Anywhere, in quotes too.
        true => str::split(line, '#').next().unwrap_or_default(),
        false => line,
    };
    numbered.filter_map(|(number, line)| parse(number, without_comment(line))).collect()
}

fn parse(number: u32, line: &str) -> Option<Line> {
    // White space at the end, and form feeds there alone.
    let line = line.trim_start_matches([' ', '\t', '\r']).trim_end_matches([' ', '\t', '\r', '\u{c}']);
    let mut rest = Some(line.to_owned());
    let mut keyword = words::next_word(&mut rest)?;
    if keyword.is_empty() {
        keyword = words::next_word(&mut rest)?;
    }
    if keyword.is_empty() || keyword.starts_with('#') {
        return None;
    }
    let rest = rest.unwrap_or_default();
    let (keyword, text) = (keyword.to_ascii_lowercase(), line.to_owned());
    Some(Line { number, keyword, rest, text, included: Vec::new() })
}

/// One component of a pattern of glob(7).
fn glob_matches(name: &str, pattern: &str) -> bool {
    if !pattern.contains('[') {
        return patterns::matches(name, pattern);
    }
    let name: Vec<char> = name.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    // One row of the usual table: which beginnings of the name the pattern so far may match.
    let mut ends = vec![false; name.len() + 1];
    if let Some(first) = ends.first_mut() {
        *first = true;
    }
    let mut at = 0;
    while let Some(character) = pattern.get(at) {
        let (set, next) = if *character == '[' { bracket(&pattern, at) } else { (None, at + 1) };
        let mut after = vec![false; name.len() + 1];
        for (place, reached) in ends.iter().enumerate().filter(|(_, reached)| **reached) {
            debug_assert!(*reached);
            match (set.as_ref(), character, name.get(place)) {
                (None, '*', _) => after.iter_mut().skip(place).for_each(|end| *end = true),
                (Some((excluded, members)), _, Some(c))
                    if members.iter().any(|(from, to)| from <= c && c <= to) != *excluded =>
                {
                    mark(&mut after, place + 1);
                }
                (None, '?', Some(_)) => mark(&mut after, place + 1),
                (None, wanted, Some(c)) if wanted == c => mark(&mut after, place + 1),
                _ => {}
            }
        }
        ends = after;
        at = next;
    }
    ends.last().copied().unwrap_or(false)
}

fn mark(ends: &mut [bool], at: usize) {
    if let Some(end) = ends.get_mut(at) {
        *end = true;
    }
}

/// Whether it excludes, and its ranges.
type Set = (bool, Vec<(char, char)>);

/// The set that begins at `at`, and the place behind it. One that is never closed is a bracket.
fn bracket(pattern: &[char], at: usize) -> (Option<Set>, usize) {
    let mut place = at + 1;
    let is_excluded = matches!(pattern.get(place), Some('!' | '^'));
    if is_excluded {
        place += 1;
    }
    let begin = place;
    let mut members = Vec::new();
    loop {
        match (pattern.get(place), pattern.get(place + 1), pattern.get(place + 2)) {
            (None, ..) => return (None, at + 1),
            (Some(']'), ..) if place > begin => return (Some((is_excluded, members)), place + 1),
            (Some(from), Some('-'), Some(to)) if *to != ']' => {
                members.push((*from, *to));
                place += 3;
            }
            (Some(member), ..) => {
                members.push((*member, *member));
                place += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Tree(BTreeMap<&'static str, &'static str>);

    impl Source for Tree {
        fn read(&self, path: &str) -> Fact<Vec<u8>> {
            self.0.get(path).map_or(Fact::Absent, |text| Fact::Known(text.as_bytes().to_vec()))
        }

        fn list(&self, folder: &str) -> Fact<Vec<String>> {
            let prefix = if folder == "/" { "/".to_owned() } else { format!("{folder}/") };
            let mut names: Vec<String> = self
                .0
                .keys()
                .filter_map(|path| path.strip_prefix(prefix.as_str()))
                .filter_map(|rest| rest.split('/').next().map(str::to_owned))
                .collect();
            names.dedup();
            if names.is_empty() { Fact::Absent } else { Fact::Known(names) }
        }
    }

    fn paths(files: &[(&'static str, &'static str)]) -> Vec<String> {
        let tree = Tree(files.iter().copied().collect());
        let loaded = load(&tree, "/etc/ssh/sshd_config", Version(902)).unwrap();
        loaded.files.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn patterns_relative_paths_and_several_arguments_are_followed() {
        let found = paths(&[
            ("/etc/ssh/sshd_config", "Include sshd_config.d/*.conf \"/opt/with space/x\" /nowhere\n"),
            ("/etc/ssh/sshd_config.d/20-b.conf", ""),
            ("/etc/ssh/sshd_config.d/10-a.conf", "Include /srv/*/[a-c]?.conf"),
            ("/etc/ssh/sshd_config.d/.hidden.conf", ""),
            ("/etc/ssh/sshd_config.d/README", ""),
            ("/opt/with space/x", ""),
            ("/srv/one/a1.conf", ""),
            ("/srv/two/b2.conf", ""),
            ("/srv/two/d2.conf", ""),
        ]);
        assert_eq!(
            found,
            [
                "/etc/ssh/sshd_config",
                "/etc/ssh/sshd_config.d/10-a.conf",
                "/etc/ssh/sshd_config.d/20-b.conf",
                "/opt/with space/x",
                "/srv/one/a1.conf",
                "/srv/two/b2.conf"
            ]
        );
    }

    #[test]
    fn a_file_that_includes_itself_is_read_once() {
        assert_eq!(paths(&[("/etc/ssh/sshd_config", "Include sshd_config\nInclude /etc/ssh/*\n")]).len(), 1);
    }

    #[test]
    fn lines_lose_their_white_space_and_keep_their_numbers() {
        let text = b"\r\n# Port 1\n\t Port\t22 \r\nBanner\n=x y\nPort=23 \x0c\n";
        let found: Vec<_> =
            lines(text, Version(902)).into_iter().map(|line| (line.number, line.keyword, line.rest)).collect();
        let expected = [(3, "port", "22"), (4, "banner", ""), (5, "x", "y"), (6, "port", "23")];
        let expected = expected.map(|(number, keyword, rest)| (number, keyword.to_owned(), rest.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn brackets_and_stars_match_as_glob_does() {
        for (name, pattern, expected) in [
            ("10-a.conf", "[0-9][0-9]-*.conf", true),
            ("x0-a.conf", "[0-9][0-9]-*.conf", false),
            ("a.conf", "[!b]*", true),
            ("b.conf", "[^b]*", false),
            ("[x", "[x", true),
            ("]", "[]]", true),
            ("", "*", true),
        ] {
            assert_eq!(glob_matches(name, pattern), expected, "{name} {pattern}");
        }
    }
}
