//! The JSON document in YAML that readers of version 1.1 and of 1.2 understand alike.
//!
//! To the first, which are many (PyYAML, Psych), `no` without quotes is false and a time is a date: only words that nobody takes for
//! anything else stand without quotes.

use std::io::{self, Write};

use eic_doctor_proto::Report;
use serde::Serialize;
use serde_yaml_ng::Value;

/// What either version takes for something else than a text, as far as it looks like a word of ours.
const NO_TEXTS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    write_document(report, out)
}

/// Fields in their order; a list at the margin continues one that was written before it.
pub(super) fn write_document(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let tree = serde_yaml_ng::to_value(document).map_err(io::Error::other)?;
    lines(&tree)?.iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn lines(value: &Value) -> io::Result<Vec<String>> {
    let mut written = Vec::new();
    match value {
        Value::Mapping(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let (key, below) = (scalar(key)?, lines(value)?);
                match value {
                    Value::Mapping(inner) if !inner.is_empty() => {
                        written.push(format!("{key}:"));
                        written.extend(below.iter().map(|line| format!("  {line}")));
                    }
                    Value::Sequence(items) if !items.is_empty() => {
                        written.push(format!("{key}:"));
                        written.extend(below);
                    }
                    _ => written.push(format!("{key}: {}", below.concat())),
                }
            }
        }
        Value::Sequence(items) if !items.is_empty() => {
            for item in items {
                let below = lines(item)?;
                written.extend(
                    below.iter().enumerate().map(|(n, line)| format!("{}{line}", if n == 0 { "- " } else { "  " })),
                );
            }
        }
        empty_or_scalar => written.push(scalar(empty_or_scalar)?),
    }
    Ok(written)
}

/// On one line: what JSON writes is YAML.
fn scalar(value: &Value) -> io::Result<String> {
    match value {
        Value::String(text) if is_word(text) => Ok(text.clone()),
        _ => serde_json::to_string(value).map_err(io::Error::other),
    }
}

fn is_word(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
    let goes_on = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_'));
    begins && goes_on && !NO_TEXTS.contains(&text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::testing::text_of;

    #[test]
    fn what_some_reader_takes_for_something_else_than_a_text_is_quoted() {
        let document = json!({
            "a-key": "aws.iam.principal", "counts": {"no": 1, "yes": null}, "empty": [{}, []], "list": ["no", ["on", -1.5], {"x": {"y": true}}],
            "text": "two\nlines", "time": "2026-11-28T12:00:00Z",
        });
        let text = text_of(|out| write_document(&document, out));
        let expected = r#"a-key: aws.iam.principal
counts:
  "no": 1
  "yes": null
empty:
- {}
- []
list:
- "no"
- - "on"
  - -1.5
- x:
    "y": true
text: "two\nlines"
time: "2026-11-28T12:00:00Z"
"#;
        assert_eq!(text, expected);
        assert_eq!(serde_yaml_ng::from_str::<serde_json::Value>(&text).unwrap(), document);
    }
}
