//! `--reach FILE`: ranges of addresses with names.

use std::io;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use eic_doctor_proto::visible;
use ipnet::IpNet;

use super::{Source, value};
use crate::fleet::Range;
use crate::gather::read_regular_file;

/// Each instance is told of for each range, so that more would only be noise.
const RANGES: usize = 1_000;
const BYTES: u64 = 1 << 20;

/// A range a line, and after it what it is called; `#` begins a comment.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Range>> {
    let shown = visible(&path.display().to_string()).into_owned();
    let text = text(path).with_context(|| format!("read {shown}"))?;
    let mut ranges: Vec<Range> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let range = range(line).map_err(|error| anyhow!("{shown}:{}: {error}", index + 1))?;
        if ranges.len() == RANGES {
            bail!("{shown} names more than {RANGES} ranges");
        }
        ranges.push(range);
    }
    if ranges.is_empty() {
        bail!("{shown} names no range");
    }
    Ok(ranges)
}

/// The text of a file of lines.
pub(super) fn text(path: &Path) -> io::Result<String> {
    let bytes = read_regular_file(path, BYTES)?;
    if bytes.len() as u64 > BYTES {
        return Err(io::Error::other(format!("it has more than {BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

fn range(line: &str) -> Result<Range, String> {
    let (source, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let is_net = source.parse::<IpNet>().is_ok() || source.parse::<std::net::IpAddr>().is_ok();
    match value::source(source)? {
        Source::Net(source) if is_net => {
            Ok(Range { source, name: Some(name.trim().to_owned()).filter(|name| !name.is_empty()) })
        }
        _ => Err(format!("`{}` is not a CIDR or an address", visible(source))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &[u8]) -> Result<Vec<Range>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranges");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_line_is_a_range_and_perhaps_a_name() {
        let ranges =
            read_text(b"# ours\n192.0.2.0/24 the office, 2nd floor\n\n2001:db8::/48\n198.51.100.7 # vpn\n").unwrap();
        let told: Vec<_> = ranges.iter().map(|range| (range.source.to_string(), range.name.as_deref())).collect();
        assert_eq!(
            told,
            [
                ("192.0.2.0/24".to_owned(), Some("the office, 2nd floor")),
                ("2001:db8::/48".to_owned(), None),
                ("198.51.100.7/32".to_owned(), None),
            ]
        );
    }

    #[test]
    fn what_is_no_list_of_ranges_is_refused_with_its_line() {
        let refused = |text: &[u8]| read_text(text).unwrap_err();
        assert!(refused(b"192.0.2.0/24\nme\n").contains(":2: `me` is not a CIDR"));
        assert!(refused(b"192.0.2.1/24\n").contains(":1: 192.0.2.1/24 has host bits set"));
        assert!(refused(b"# nothing\n").ends_with("names no range"));
        assert!(refused(b"\xff\xfe\n").contains("UTF-8"));
        let many: String = (0..=RANGES).map(|index| format!("10.0.{}.{}\n", index / 256, index % 256)).collect();
        assert!(refused(many.as_bytes()).ends_with("more than 1000 ranges"));
        assert!(read(Path::new("/dev/null")).is_err(), "it would be read for ever");
    }
}
