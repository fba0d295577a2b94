//! The version in what `sshd -V` prints. sshd before 9.3 does not know `-V`, and prints its version with the usage.

use eic_doctor_proto::Untrusted;

use super::{Parsed, text};

/// `OpenSSH_9.2p1 Debian-2+deb12u3`, up to the comma before the name of the crypto library.
pub fn parse_sshd_version(bytes: &[u8]) -> Parsed<Option<Untrusted>> {
    let mut parsed = Parsed::<Option<Untrusted>>::default();
    for line in text(bytes).lines() {
        match line.trim().split_once(',') {
            Some((version, _)) if version.starts_with("OpenSSH_") && parsed.value.is_none() => {
                parsed.value = Some(version.into());
            }
            _ => parsed.pass_over(line),
        }
    }
    parsed
}

/// The same of the texts in sshd's program that begin with `OpenSSH_`. Others of them are shorter, or are patterns of versions that
/// need a workaround; more than one candidate is none.
pub fn sshd_version_among(texts: &[String]) -> Option<Untrusted> {
    let is_release = |text: &&String| {
        let Some(number) = text.strip_prefix("OpenSSH_") else { return false };
        let number = number.split(' ').next().unwrap_or_default();
        let is_portable =
            number.split_once('p').is_some_and(|(version, patch)| is_version(version) && is_version(patch));
        is_portable && !text.contains([',', '*'])
    };
    let longest = texts.iter().filter(is_release).max_by_key(|text| text.len())?;
    texts.iter().filter(is_release).all(|text| longest.starts_with(text.as_str())).then(|| longest.as_str().into())
}

fn is_version(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_the_usage_of_an_older_sshd() {
        let old = b"unknown option -- V\nOpenSSH_7.4p1, OpenSSL 1.0.2k-fips  26 Jan 2017\nusage: sshd [-46DdeiqTt]\n";
        assert_eq!(parse_sshd_version(old).value, Some("OpenSSH_7.4p1".into()));
        let new = b"OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15 3 Sep 2024\n";
        assert_eq!(parse_sshd_version(new).value, Some("OpenSSH_9.2p1 Debian-2+deb12u3".into()));
        assert_eq!(parse_sshd_version(b"").value, None);
    }

    #[test]
    fn of_the_texts_in_a_program_the_release_is_taken() {
        let among =
            |texts: &[&str]| sshd_version_among(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let debian = [
            "OpenSSH_9.2",
            "OpenSSH_9.2p1 Debian-2+deb12u3",
            "OpenSSH_2.*,OpenSSH_3.0*",
            "OpenSSH_3.*",
            "OpenSSH_9.2p1",
        ];
        assert_eq!(among(&debian), Some("OpenSSH_9.2p1 Debian-2+deb12u3".into()));
        assert_eq!(among(&["OpenSSH_8.7p1", "OpenSSH_8.7"]), Some("OpenSSH_8.7p1".into()));
        assert_eq!(among(&["OpenSSH_8.7p1", "OpenSSH_9.2p1"]), None);
        assert_eq!(among(&["OpenSSH_6.6.1*"]), None);
    }
}
