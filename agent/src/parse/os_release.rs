//! `os-release(5)`.

use crate::facts::OsRelease;

use super::{Parsed, text, words};

pub fn parse_os_release(bytes: &[u8]) -> Parsed<OsRelease> {
    let mut parsed = Parsed::<OsRelease>::default();
    for line in text(bytes).lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            parsed.pass_over(line);
            continue;
        };
        let value = words::split(value).join(" ");
        match name {
            "ID" => parsed.value.id = value.into(),
            "VERSION_ID" => parsed.value.version_id = value.into(),
            "PRETTY_NAME" => parsed.value.pretty_name = value.into(),
            "VARIANT_ID" => parsed.value.variant_id = value.into(),
            "ID_LIKE" => parsed.value.id_like = value.split_whitespace().map(Into::into).collect(),
            _ => {}
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_bare_values_are_read() {
        let parsed = parse_os_release(
            b"NAME=\"Amazon Linux\"\nVERSION=\"2023\"\nID=\"amzn\"\nID_LIKE=\"fedora rhel\"\nVERSION_ID='2023'\n\
              PRETTY_NAME=\"Amazon Linux 2023.5\"\n# comment\nrubbish\n",
        );
        assert_eq!(parsed.value.id.raw(), "amzn");
        assert_eq!(parsed.value.version_id.raw(), "2023");
        assert_eq!(parsed.value.pretty_name.raw(), "Amazon Linux 2023.5");
        assert_eq!(parsed.value.id_like, ["fedora".into(), "rhel".into()]);
        assert_eq!(parsed.not_understood, ["rubbish".into()]);
    }
}
