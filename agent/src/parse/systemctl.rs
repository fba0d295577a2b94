//! The answer of `systemctl show -p … UNIT…`: `Name=value` lines, an empty line between units.

use super::{Parsed, text, words};

/// One unit's properties in the order in which they were printed; a name may come more than once (`Listen`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownUnit {
    pub properties: Vec<(String, String)>,
    /// Program and arguments of the last ExecStart. A unit of `Type=oneshot` may have several; sshd's has one.
    pub exec_start: Vec<String>,
}

impl ShownUnit {
    /// The first value of a property; empty when it was not printed.
    pub fn first(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.properties.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

pub fn parse_systemctl_show(bytes: &[u8]) -> Parsed<Vec<ShownUnit>> {
    let mut parsed = Parsed::<Vec<ShownUnit>>::default();
    let mut unit = ShownUnit::default();
    for line in text(bytes).lines() {
        if line.trim().is_empty() {
            if unit != ShownUnit::default() {
                parsed.value.push(std::mem::take(&mut unit));
            }
            continue;
        }
        match line.split_once('=') {
            Some(("ExecStart", value)) => unit.exec_start = parse_exec_start(value),
            Some((name, value)) if name.chars().all(|c| c.is_ascii_alphanumeric()) => {
                unit.properties.push((name.to_owned(), value.trim().to_owned()));
            }
            _ => parsed.pass_over(line),
        }
    }
    if unit != ShownUnit::default() {
        parsed.value.push(unit);
    }
    parsed
}

/// Program and arguments of `{ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D … ; ignore_errors=no ; … }`.
///
/// systemd before 247 joins the arguments by spaces without quoting; then borders are lost, as in sshd's title.
fn parse_exec_start(value: &str) -> Vec<String> {
    let Some((_, rest)) = value.split_once("argv[]=") else { return Vec::new() };
    let end = rest.find(" ; ignore_errors=").unwrap_or(rest.len());
    words::split(rest.get(..end).unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_told_apart_and_repeated_properties_kept() {
        let parsed = parse_systemctl_show(
            b"Id=ssh.service\nLoadState=loaded\n\nId=ssh.socket\nListen=0.0.0.0:22 (Stream)\nListen=[::]:22 (Stream)\nwhat\n",
        );
        assert_eq!(parsed.value.len(), 2);
        assert_eq!(parsed.value[0].first("LoadState"), "loaded");
        assert_eq!(parsed.value[1].all("Listen").count(), 2);
        assert_eq!(parsed.not_understood, ["what".into()]);
    }

    #[test]
    fn quoted_and_unquoted_arguments_are_read() {
        let quoted = "{ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D -o \"A /x %u %f\" ; ignore_errors=no ; start_time=[n/a] }";
        assert_eq!(parse_exec_start(quoted), ["/usr/sbin/sshd", "-D", "-o", "A /x %u %f"]);
        let bare = "{ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D -o A /x ; ignore_errors=no }";
        assert_eq!(parse_exec_start(bare), ["/usr/sbin/sshd", "-D", "-o", "A", "/x"]);
        assert_eq!(parse_exec_start(""), Vec::<String>::new());
    }
}
