//! `/proc/PID/cmdline` of sshd, which may be sshd's own rewritten title, and sshd's options in it.
//!
//! sshd's listener writes `sshd: ARGV [listener] N of A-B startups` over its arguments (OpenSSH `sshd.c`, since 8.2), its words joined by
//! single spaces, so that the border between a value with spaces and the next argument is lost (`domain.md` §0.1). Older ones
//! (AL2's 7.4) leave the arguments alone.

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::{SshdOption, SshdProcess, Startups};

use super::{Parsed, text};

/// Options of sshd that take a value (the option string of `sshd.c`, old and new versions together).
const WITH_VALUE: &str = "CEbcfghkopu";
/// Options that take none.
const WITHOUT_VALUE: &str = "46DGQRTdeiqrtV";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// NULs as spaces, without those at the end.
    pub shown: String,
    pub arguments: Vec<String>,
    /// The process wrote its own title (`sshd: …`): the borders between arguments are gone.
    pub is_title: bool,
}

pub fn parse_command_line(bytes: &[u8]) -> Parsed<CommandLine> {
    let whole = text(bytes);
    let whole = whole.trim_end_matches(['\0', '\n', ' ']);
    let is_title = whole.starts_with("sshd: ") || whole.starts_with("sshd-session: ");
    let shown = whole.replace('\0', " ");
    let arguments = if is_title || !whole.contains('\0') {
        shown.split_whitespace().map(str::to_owned).collect()
    } else {
        whole.split('\0').map(str::to_owned).collect()
    };
    Parsed { value: CommandLine { shown, arguments, is_title }, not_understood: Vec::new() }
}

impl CommandLine {
    /// The listener says so in its title, or its title begins with the program's path, or it has no title of its own and neither
    /// serves one connection (`-i`, `-R`) nor tests a configuration (`-t`, `-T`, `-G`, `-V`).
    pub fn is_listener(&self) -> bool {
        let mut words = self.arguments.iter().map(String::as_str);
        if self.is_title {
            return words.clone().any(|word| word == "[listener]") || words.nth(1).is_some_and(|w| w.starts_with('/'));
        }
        let program = words.next().unwrap_or_default();
        let is_sshd = program.rsplit('/').next() == Some("sshd");
        let serves_one = words.any(|word| word.strip_prefix('-').is_some_and(|f| f.len() == 1 && "iRtTGV".contains(f)));
        is_sshd && !serves_one
    }
}

/// Program, `-o`, `-f` and `-p` of sshd's arguments; the rest is passed over.
///
/// `line` may be a title or a plain list of arguments (as `systemctl show` gives them).
pub fn parse_sshd_arguments(line: &CommandLine) -> Parsed<SshdProcess> {
    let mut parsed = Parsed::<SshdProcess>::default();
    parsed.value.command_line = line.shown.as_str().into();
    parsed.value.startups = if line.is_title { startups(&line.arguments) } else { Fact::Absent };
    let mut words = line.arguments.iter().map(String::as_str).skip(usize::from(line.is_title)).peekable();
    parsed.value.program = words.next().unwrap_or_default().into();
    while let Some(word) = words.next() {
        if line.is_title && word == "[listener]" {
            break;
        }
        let Some(flags) = word.strip_prefix('-').filter(|flags| !flags.is_empty()) else {
            parsed.pass_over(word);
            continue;
        };
        // As getopt reads a bundle: `-De` is two flags, `-Dp22` is `-D` and `-p 22`.
        let mut rest = flags.chars();
        while let Some(flag) = rest.next() {
            if WITHOUT_VALUE.contains(flag) {
                continue;
            }
            if !WITH_VALUE.contains(flag) {
                parsed.pass_over(word);
                break;
            }
            let mut value = rest.as_str().to_owned();
            if value.is_empty() {
                value = words.next().unwrap_or_default().to_owned();
            }
            if flag == 'o' && line.is_title {
                while let Some(next) = words.next_if(|next| !begins_option(next) && *next != "[listener]") {
                    value.push(' ');
                    value.push_str(next);
                }
            }
            take(&mut parsed, flag, &value);
            break;
        }
    }
    parsed
}

/// `[listener] 0 of 10-100 startups` at the end of a title.
fn startups(words: &[String]) -> Fact<Startups> {
    let [.., listener, now, of, limits, what] = words else { return Fact::Absent };
    if (listener.as_str(), of.as_str(), what.as_str()) != ("[listener]", "of", "startups") {
        return Fact::Absent;
    }
    let read = || {
        let (begin, full) = limits.split_once('-')?;
        Some(Startups { now: now.parse().ok()?, begin: begin.parse().ok()?, full: full.parse().ok()? })
    };
    read().map_or(Fact::Absent, Fact::Known)
}

fn take(parsed: &mut Parsed<SshdProcess>, flag: char, value: &str) {
    match flag {
        'o' => match option(value) {
            Some(option) => parsed.value.options.push(option),
            None => parsed.pass_over(value),
        },
        'f' => parsed.value.config_file = Some(value.into()),
        'p' => match value.parse() {
            Ok(port) => parsed.value.ports.push(port),
            Err(_) => parsed.pass_over(value),
        },
        _ => {}
    }
}

/// `Keyword=value`, `Keyword value` or `Keyword = value`: `strdelim` of OpenSSH's `misc.c`.
fn option(text: &str) -> Option<SshdOption> {
    let text = text.trim();
    let border = text.find(|c: char| c.is_whitespace() || c == '=')?;
    let (keyword, rest) = text.split_at_checked(border)?;
    let rest = rest.trim_start();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    let is_keyword = !keyword.is_empty() && keyword.chars().all(|c| c.is_ascii_alphanumeric());
    let keyword = Untrusted::from(keyword.to_ascii_lowercase());
    is_keyword.then(|| SshdOption { keyword, value: value.into() })
}

/// A word of a title that can only be sshd's next option, not a part of the value before it.
fn begins_option(word: &str) -> bool {
    let Some(flags) = word.strip_prefix('-') else { return false };
    flags.chars().next().is_some_and(|flag| WITH_VALUE.contains(flag) || WITHOUT_VALUE.contains(flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(bytes: &[u8]) -> (SshdProcess, Vec<(String, String)>) {
        let process = parse_sshd_arguments(&parse_command_line(bytes).value).value;
        let options = process.options.iter().map(|o| (o.keyword.raw().to_owned(), o.value.raw().to_owned())).collect();
        (process, options)
    }

    #[test]
    fn the_title_of_an_ubuntu_listener_gives_its_options_back() {
        let title = b"sshd: /usr/sbin/sshd -D -o AuthorizedKeysCommand /usr/share/ec2-instance-connect/eic_run_authorized_keys %u %f \
            -o AuthorizedKeysCommandUser ec2-instance-connect -p 2222 [listener] 0 of 10-100 startups\0\0\0";
        let line = parse_command_line(title).value;
        assert!(line.is_title && line.is_listener());
        let (process, options) = options(title);
        assert_eq!(process.program.raw(), "/usr/sbin/sshd");
        assert_eq!(process.ports, [2222]);
        assert_eq!(process.startups, Fact::Known(Startups { now: 0, begin: 10, full: 100 }));
        assert_eq!(
            options,
            [
                (
                    "authorizedkeyscommand".to_owned(),
                    "/usr/share/ec2-instance-connect/eic_run_authorized_keys %u %f".to_owned()
                ),
                ("authorizedkeyscommanduser".to_owned(), "ec2-instance-connect".to_owned())
            ]
        );
    }

    #[test]
    fn arguments_that_were_left_alone_keep_their_borders() {
        let (process, options) =
            options(b"/usr/sbin/sshd\0-D\0-f\0/etc/ssh/other\0-oPort=22\0-o\0Banner = /x -y\0-p2200\0");
        assert_eq!(process.config_file, Some("/etc/ssh/other".into()));
        assert_eq!(process.ports, [2200]);
        assert_eq!(options, [("port".to_owned(), "22".to_owned()), ("banner".to_owned(), "/x -y".to_owned())]);
    }

    #[test]
    fn a_process_that_serves_a_session_is_no_listener() {
        for line in [
            &b"sshd: ec2-user [priv]\0"[..],
            b"sshd: ec2-user@pts/0",
            b"sshd: unknown [net]",
            b"sshd-session: ec2-user [priv]",
            b"/usr/sbin/sshd\0-i\0",
            b"/usr/sbin/sshd\0-D\0-R\0",
            b"sshd\0-T\0",
            b"/usr/bin/vim\0sshd\0",
            b"",
        ] {
            assert!(!parse_command_line(line).value.is_listener(), "{}", text(line));
        }
        for line in [&b"/usr/sbin/sshd\0-D\0"[..], b"sshd: /usr/sbin/sshd -D -o A b -o cut at the e"] {
            assert!(parse_command_line(line).value.is_listener(), "{}", text(line));
        }
    }
}
