//! Files of `pam.d(5)`: one rule a line, of any phase, or a line that draws in another file.

use super::{Parsed, text};

/// A stack of a real system has 10 to 40 lines.
const LINES: usize = 1_024;
const ARGUMENTS: usize = 64;

/// One line, continuation lines joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PamLine {
    /// Of its beginning, from 1.
    pub number: u32,
    /// `auth`, `account`, `password`, `session`; `@include` as Debian writes it; lower case. Anything else makes PAM refuse.
    pub phase: String,
    /// `required`, `include`, …, or what stands between brackets; empty where there is none.
    pub control: String,
    /// A module, or the file that is drawn in; empty where there is none.
    pub module: String,
    pub arguments: Vec<String>,
}

pub fn parse_pam(bytes: &[u8]) -> Parsed<Vec<PamLine>> {
    let mut parsed = Parsed::<Vec<PamLine>>::default();
    let whole = text(bytes);
    let mut lines = (1..).zip(whole.lines());
    while let Some((number, line)) = lines.next() {
        if parsed.value.len() == LINES {
            parsed.pass_over(line);
            break;
        }
        let mut joined = String::new();
        let mut next = Some(line);
        while let Some(line) = next {
            let line = line.split('#').next().unwrap_or_default();
            match line.trim_end().strip_suffix('\\') {
                Some(begun) => {
                    joined.push_str(begun);
                    joined.push(' ');
                    next = lines.next().map(|(_, line)| line);
                }
                None => {
                    joined.push_str(line);
                    next = None;
                }
            }
        }
        let mut words = tokens(&joined).into_iter();
        let Some(phase) = words.next() else { continue };
        let phase = phase.strip_prefix('-').unwrap_or(&phase).to_ascii_lowercase();
        if !["auth", "account", "password", "session", "@include"].contains(&phase.as_str()) {
            parsed.pass_over(line);
        }
        let control = if phase == "@include" { String::new() } else { words.next().unwrap_or_default() };
        let module = words.next().unwrap_or_default();
        parsed.value.push(PamLine { number, phase, control, module, arguments: words.take(ARGUMENTS).collect() });
    }
    parsed
}

/// Words at white space; what stands between brackets is one word, in which `\]` is a bracket (Linux-PAM, `_pam_tokenize`).
fn tokens(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let mut word = String::new();
        if let Some(inside) = rest.strip_prefix('[') {
            let mut characters = inside.chars();
            while let Some(character) = characters.next() {
                match character {
                    ']' => break,
                    '\\' if characters.as_str().starts_with(']') => word.extend(characters.next()),
                    _ => word.push(character),
                }
            }
            rest = characters.as_str();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (first, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            word.push_str(first);
            rest = after;
        }
        words.push(word);
        rest = rest.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_comments_and_continued_lines_are_read_as_libpam_reads_them() {
        let parsed = parse_pam(
            b"#%PAM-1.0\n-session optional pam_systemd.so # x\naccount [success=1 \\\n  default=ignore] pam_unix.so a [b c\\]]\n\
              @include common-account\nACCOUNT required\nrubbish\n",
        );
        let found: Vec<_> = parsed
            .value
            .iter()
            .map(|line| {
                format!(
                    "{} {} <{}> {} {}",
                    line.number,
                    line.phase,
                    line.control,
                    line.module,
                    line.arguments.join("|")
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                "2 session <optional> pam_systemd.so ",
                "3 account <success=1    default=ignore> pam_unix.so a|b c]",
                "5 @include <> common-account ",
                "6 account <required>  ",
                "7 rubbish <>  ",
            ]
        );
        assert_eq!(parsed.not_understood, ["rubbish".into()]);
    }
}
