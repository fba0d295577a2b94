//! Files of one entry a line that PAM's modules read: `access.conf(5)`, `limits.conf(5)`, `time.conf(5)`, `shells(5)`, lists of names.

use crate::facts::NumberedLine;

use super::{Parsed, text};

const LINES: usize = 200;
const CHARACTERS: usize = 1_000;

/// The lines that are neither empty nor a comment; `None` when there are too many, or one is too long, to be kept.
///
/// `wants_newline`: a last line that nothing ends does not count, as pam_access(8) has it.
pub fn parse_numbered(bytes: &[u8], wants_newline: bool) -> Parsed<Option<Vec<NumberedLine>>> {
    let whole = text(bytes);
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(whole.split_inclusive('\n')) {
        let is_ended = line.ends_with('\n');
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') || (wants_newline && !is_ended) {
            continue;
        }
        if lines.len() == LINES || line.chars().count() > CHARACTERS {
            return Parsed { value: None, not_understood: Vec::new() };
        }
        lines.push(NumberedLine { line: number, text: line.into() });
    }
    Parsed { value: Some(lines), not_understood: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_count_as_lines_and_an_unended_last_line_may_not_count() {
        let found = |wants_newline| {
            let lines = parse_numbered(b"# x\n\n- : ALL : ALL \n+:root:ALL", wants_newline).value.unwrap();
            lines.into_iter().map(|line| format!("{} {}", line.line, line.text)).collect::<Vec<_>>()
        };
        assert_eq!(found(true), ["3 - : ALL : ALL"]);
        assert_eq!(found(false), ["3 - : ALL : ALL", "4 +:root:ALL"]);
    }

    #[test]
    fn a_file_that_is_too_long_to_keep_is_told() {
        assert_eq!(parse_numbered("x\n".repeat(201).as_bytes(), false).value, None);
        assert_eq!(parse_numbered("x".repeat(1_001).as_bytes(), false).value, None);
    }
}
