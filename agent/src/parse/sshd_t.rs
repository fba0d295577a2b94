//! What `sshd -T` prints: `keyword value`, one to a line, keywords in lower case.

use crate::facts::EffectiveConfig;

use super::{Parsed, text};

/// sshd 9.9 prints about 110 lines; a keyword such as AllowUsers has a line for each of its values.
const LINES: usize = 4_096;

pub fn parse_sshd_t(bytes: &[u8]) -> Parsed<EffectiveConfig> {
    let mut parsed = Parsed::<EffectiveConfig>::default();
    for line in text(bytes).lines().take(LINES) {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        if keyword.is_empty() || !keyword.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
            if !line.trim().is_empty() {
                parsed.pass_over(line);
            }
            continue;
        }
        parsed.value.keywords.entry(keyword.to_owned()).or_default().push(value.trim().into());
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keywords_keep_their_order() {
        let parsed = parse_sshd_t(
            b"port 22\nallowusers a\nallowusers b\nauthorizedkeyscommand /x %u %f\n/etc/ssh/sshd_config line 3: Deprecated option\n",
        );
        assert_eq!(parsed.value.keywords["allowusers"], ["a".into(), "b".into()]);
        assert_eq!(parsed.value.first("authorizedkeyscommand").map(|v| v.raw()), Some("/x %u %f"));
        assert_eq!(parsed.not_understood.len(), 1);
    }
}
