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
}
