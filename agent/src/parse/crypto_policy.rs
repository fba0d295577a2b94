//! What a system-wide crypto policy gives to sshd: `/etc/crypto-policies/back-ends/opensshserver.config`.
//!
//! RHEL 9 and Amazon Linux 2023 write lines of `sshd_config`, RHEL 8 one assignment of options: `CRYPTO_POLICY='-oCiphers=… -o…'`.

use eic_doctor_proto::Untrusted;

use super::{Parsed, text};

/// The last name is that of sshd before 8.5.
const KEYWORDS: [&str; 2] = ["pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"];
const ALGORITHMS: usize = 64;

/// The algorithms of public keys, as the policy lists them; `None` when it names none.
pub fn parse_crypto_policy(bytes: &[u8]) -> Parsed<Option<Vec<Untrusted>>> {
    let mut parsed = Parsed::<Option<Vec<Untrusted>>>::default();
    let shown = text(bytes);
    let mut words = shown.split(|c: char| c.is_whitespace() || "'\"=".contains(c)).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let keyword = word.strip_prefix("-o").unwrap_or(word).to_ascii_lowercase();
        if KEYWORDS.contains(&keyword.as_str()) {
            let list = words.next().unwrap_or_default();
            let algorithms = list.split(',').filter(|name| !name.is_empty()).take(ALGORITHMS);
            parsed.value = Some(algorithms.map(|name| name.chars().take(64).collect::<String>().into()).collect());
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_both_releases_are_read() {
        let nine =
            parse_crypto_policy(b"Ciphers aes256-ctr\nPubkeyAcceptedAlgorithms ecdsa-sha2-nistp256,rsa-sha2-256\n");
        assert_eq!(nine.value, Some(vec!["ecdsa-sha2-nistp256".into(), "rsa-sha2-256".into()]));
        let eight = parse_crypto_policy(
            b"CRYPTO_POLICY='-oCiphers=aes256-ctr -oPubkeyAcceptedKeyTypes=rsa-sha2-256,ssh-ed25519'\n",
        );
        assert_eq!(eight.value, Some(vec!["rsa-sha2-256".into(), "ssh-ed25519".into()]));
        assert_eq!(parse_crypto_policy(b"# nothing\n").value, None);
    }
}
