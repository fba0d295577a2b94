//! What the probe script ships: sections of raw bytes.
//!
//! ```text
//! @probe<TAB>1
//! @KIND<TAB>NAME<TAB>STATE<TAB>DETAIL
//! |a line of the file, or of standard output
//! !a line of standard error
//! @cut
//! ```
//!
//! Every line of content carries its mark, so no content can pass for a heading.

use super::{Parsed, text};

/// The version of this format; `probe.sh` writes it.
pub const PROBE_VERSION: &str = "1";
/// The script ships about 60.
const SECTIONS: usize = 4_096;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// `file`, `run`, `imds`, …
    pub kind: String,
    /// A path, or the name of a command or request.
    pub name: String,
    /// `known`, `absent`, `unreadable`, `exit`, `http`, `curl`.
    pub state: String,
    /// A reason, a status, numbers.
    pub detail: String,
    pub body: Vec<u8>,
    pub errors: Vec<u8>,
    /// The script's answer was full in the middle of this section.
    pub is_cut: bool,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectionsError {
    #[error("the probe script's answer does not begin with its version")]
    NoVersion,
    #[error("the probe script's answer is of version `{}`; this program reads version {PROBE_VERSION}", eic_doctor_proto::visible(.0))]
    Version(String),
    #[error("the probe script's answer has more than {SECTIONS} sections")]
    TooMany,
}

pub fn parse_sections(bytes: &[u8]) -> Result<Parsed<Vec<Section>>, SectionsError> {
    let whole = text(bytes);
    let mut lines = whole.lines();
    match lines.next().and_then(|line| line.strip_prefix("@probe\t")) {
        None => return Err(SectionsError::NoVersion),
        Some(PROBE_VERSION) => {}
        Some(other) => return Err(SectionsError::Version(other.chars().take(20).collect())),
    }
    let mut parsed = Parsed::<Vec<Section>>::default();
    for line in lines {
        if let Some(heading) = line.strip_prefix('@') {
            if heading == "cut" {
                if let Some(last) = parsed.value.last_mut() {
                    last.is_cut = true;
                }
                continue;
            }
            if parsed.value.len() == SECTIONS {
                return Err(SectionsError::TooMany);
            }
            let mut fields = heading.splitn(4, '\t').map(str::to_owned);
            let mut next = || fields.next().unwrap_or_default();
            let (kind, name, state, detail) = (next(), next(), next(), next());
            parsed.value.push(Section { kind, name, state, detail, ..Section::default() });
            continue;
        }
        let section = parsed.value.last_mut();
        match (section, line.strip_prefix('|'), line.strip_prefix('!')) {
            (Some(section), Some(content), _) => push(&mut section.body, content),
            (Some(section), _, Some(content)) => push(&mut section.errors, content),
            _ => parsed.pass_over(line),
        }
    }
    Ok(parsed)
}

fn push(content: &mut Vec<u8>, line: &str) {
    content.extend_from_slice(line.as_bytes());
    content.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_cannot_pass_for_a_heading() {
        let parsed = parse_sections(
            b"@probe\t1\n@file\t/a b\tknown\t\n|@file\t/x\tabsent\n||y\n@run\tz\texit\t1\n|out\n!err\n@cut\nrubbish\n",
        )
        .unwrap();
        let [file, run] = parsed.value.as_slice() else { panic!("{parsed:?}") };
        assert_eq!((file.name.as_str(), file.state.as_str()), ("/a b", "known"));
        assert_eq!(file.body, b"@file\t/x\tabsent\n|y\n");
        assert_eq!((run.body.as_slice(), run.errors.as_slice(), run.is_cut), (&b"out\n"[..], &b"err\n"[..], true));
        assert_eq!(parsed.not_understood, ["rubbish".into()]);
    }

    #[test]
    fn another_version_is_refused_and_named() {
        assert_eq!(parse_sections(b"@probe\t2\n"), Err(SectionsError::Version("2".into())));
        assert_eq!(parse_sections(b""), Err(SectionsError::NoVersion));
    }
}
