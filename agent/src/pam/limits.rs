//! What limits.conf(5) says that ends a login: `maxlogins`, `maxsyslogins`, a limit that the kernel refuses to set, and one that leaves the
//! session too little.

use crate::facts::PamFile;

use super::access::Fit;
use super::login::Login;

/// A line that decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub file: String,
    pub line: u32,
    pub text: String,
    pub value: Option<u64>,
    /// Everybody's logins count, not the user's alone.
    pub counts_all: bool,
}

/// Of what the kernel limits, so much must be left: with less than `none_below` no session starts, and from `enough_from` on one does.
///
/// Measured with sshd 9.2 and bash: of processes 0 and 1 end it and 2 do not, of open files 10 and 16, of the stack 8 KiB and 64 KiB. The
/// numbers here leave room to both sides, for other versions and shells.
struct Need {
    item: &'static str,
    none_below: u64,
    enough_from: u64,
}

const NEEDS: [Need; 5] = [
    // sshd's own process counts as one of the user's, and the shell is the second.
    Need { item: "nproc", none_below: 2, enough_from: 8 },
    Need { item: "nofile", none_below: 4, enough_from: 16 },
    // In KiB, as what follows: execve(2) alone wants more of the stack and for it.
    Need { item: "as", none_below: 128, enough_from: 64 << 10 },
    Need { item: "data", none_below: 4, enough_from: 16 << 10 },
    Need { item: "stack", none_below: 4, enough_from: 64 },
];

/// A line that leaves a session little.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    pub line: Line,
    /// No session starts with it.
    pub is_too_little: bool,
}

/// The lines that are in force for this user; `None` where none is, `Err` where a group that nobody could look up decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub logins: Option<Line>,
    pub system_logins: Option<Line>,
    pub open_files: Option<Line>,
    pub narrow: Vec<Narrow>,
    /// A line of which it is not known whether it is this user's.
    pub doubts: Vec<Line>,
}

pub fn limits(files: &[&PamFile], login: &Login<'_>) -> Limits {
    let mut found = Limits::default();
    // The rank of what each is set by: a user's line beats a group's, that beats everybody's, and a later line one of the same rank.
    let (mut logins, mut open_files) = (u8::MAX, u8::MAX);
    // Of each need the soft and the hard limit, each with its rank.
    let mut kernels: [[Option<(u8, Line)>; 2]; NEEDS.len()] = Default::default();
    let lines = files.iter().flat_map(|file| file.lines.known().into_iter().flatten().map(move |line| (file, line)));
    for (file, line) in lines {
        let text = line.text.raw().split('#').next().unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        let here = |value| Line {
            file: file.path.to_string(),
            line: line.line,
            text: text.trim().to_owned(),
            value,
            counts_all: domain_of(&words).starts_with('%'),
        };
        let (&[domain, ..], fits) = (words.as_slice(), words.first().map_or(Fit::No, |domain| fits(domain, login)))
        else {
            continue;
        };
        let rank = rank(domain);
        match (words.as_slice(), fits) {
            (_, Fit::No) => {}
            // `@wheel -`: no limits, and nothing else is read.
            (&[_, "-"], Fit::Yes) if domain != "*" => return Limits::default(),
            (&[_, kind, item, value], fits) => {
                let item = item.to_ascii_lowercase();
                let value = value.to_ascii_lowercase();
                let number = value.parse().ok();
                let is_login = item == "maxlogins" || item == "maxsyslogins";
                // A hard limit bounds the soft one too.
                let is_hard = kind.eq_ignore_ascii_case("hard") || kind == "-";
                let is_soft = kind.eq_ignore_ascii_case("soft") || kind == "-";
                if let Some(place) = NEEDS.iter().position(|need| need.item == item) {
                    let is_little = |need: &Need| number.is_some_and(|number: u64| number < need.enough_from);
                    if fits == Fit::Unsure && NEEDS.get(place).is_some_and(is_little) {
                        found.doubts.push(here(number));
                    }
                    let both = kernels.get_mut(place).into_iter().flatten().zip([is_soft, is_hard]);
                    for (known, is_set) in both.filter(|_| fits == Fit::Yes) {
                        if is_set && known.as_ref().is_none_or(|(known, _)| rank <= *known) {
                            *known = Some((rank, here(number)));
                        }
                    }
                }
                if !is_login && (item != "nofile" || !is_hard || number.is_none()) {
                    continue;
                }
                if fits == Fit::Unsure {
                    found.doubts.push(here(number));
                    continue;
                }
                if is_login && rank <= logins {
                    logins = rank;
                    let line = Some(here(number));
                    (found.logins, found.system_logins) = if item == "maxlogins" { (line, None) } else { (None, line) };
                } else if !is_login && rank <= open_files {
                    open_files = rank;
                    found.open_files = Some(here(number));
                }
            }
            _ => {}
        }
    }
    for (need, set) in NEEDS.iter().zip(kernels) {
        // What is not a number is `unlimited`.
        let lines = set.into_iter().flatten().map(|(_, line)| line).filter(|line| line.value.is_some());
        if let Some(line) = lines.min_by_key(|line| line.value)
            && let Some(value) = line.value.filter(|value| *value < need.enough_from)
        {
            found.narrow.push(Narrow { line, is_too_little: value < need.none_below });
        }
    }
    found
}

fn domain_of<'a>(words: &[&'a str]) -> &'a str {
    words.first().copied().unwrap_or_default()
}

fn rank(domain: &str) -> u8 {
    match domain {
        "*" => 4,
        "%" => 3,
        domain if domain.starts_with('%') => 2,
        domain if domain.starts_with('@') => 1,
        _ => 0,
    }
}

fn fits(domain: &str, login: &Login<'_>) -> Fit {
    let (uid, gid) = (login.account.uid, login.account.gid);
    // root is held to what names it alone.
    let is_yes = |yes: bool| if yes { Fit::Yes } else { Fit::No };
    match domain {
        "*" | "%" => Fit::Yes,
        _ if domain == login.account.name.raw() => Fit::Yes,
        _ => match domain.strip_prefix('@').or_else(|| domain.strip_prefix('%')) {
            Some(group) => match range(group) {
                Some(range) => is_yes(range.contains(&gid)),
                None => login.is_in_group(group),
            },
            None => is_yes(range(domain).is_some_and(|range| range.contains(&uid))),
        },
    }
}

/// `500:1000`, `500:`, `:500`.
fn range(text: &str) -> Option<std::ops::RangeInclusive<u32>> {
    let (first, last) = text.split_once(':')?;
    match (first, last) {
        ("", "") => None,
        // `:500` is the one number, as the manual says.
        ("", only) => only.parse().ok().map(|only| only..=only),
        (first, "") => first.parse().ok().map(|first| first..=u32::MAX),
        (first, last) => Some(first.parse().ok()?..=last.parse().ok()?),
    }
}
