//! Lines of `sshd_config(5)` with their numbers. What is in force is sshd's own answer (`sshd -T`), never worked out from these.

use super::{Parsed, text, words};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigLine {
    /// From 1.
    pub number: u32,
    /// Lower case.
    pub keyword: String,
    pub arguments: Vec<String>,
    /// The line without the white space around it.
    pub text: String,
}

pub fn parse_sshd_config(bytes: &[u8]) -> Parsed<Vec<ConfigLine>> {
    let mut parsed = Parsed::<Vec<ConfigLine>>::default();
    for (number, line) in (1..).zip(text(bytes).lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let border = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
        let (keyword, rest) = line.split_at_checked(border).unwrap_or((line, ""));
        if keyword.is_empty() || !keyword.chars().all(|c| c.is_ascii_alphanumeric()) {
            parsed.pass_over(line);
            continue;
        }
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('=').unwrap_or(rest);
        parsed.value.push(ConfigLine {
            number,
            keyword: keyword.to_ascii_lowercase(),
            arguments: words::split(rest),
            text: line.to_owned(),
        });
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_count_as_lines_and_keywords_ignore_case() {
        let parsed = parse_sshd_config(
            b"# head\nInclude /etc/ssh/sshd_config.d/*.conf\n\n  authorizedKEYScommand=\"/opt/a b\" %u %f\n!x\n",
        );
        let found: Vec<_> = parsed.value.iter().map(|l| (l.number, l.keyword.as_str(), l.arguments.len())).collect();
        assert_eq!(found, [(2, "include", 1), (4, "authorizedkeyscommand", 3)]);
        assert_eq!(parsed.not_understood, ["!x".into()]);
    }
}
