//! The file of RevokedKeys: public keys, one a line, or a key revocation list (OpenSSH `PROTOCOL.krl`). sshd refuses every key for a
//! file that it cannot read to the end (`authfile.c`, `krl.c`).

use crate::facts::RevokedContent;

use super::{Parsed, text};

const MAGIC: &[u8] = b"SSHKRL\n\0";

pub fn parse_revoked_keys(bytes: &[u8]) -> Parsed<Option<RevokedContent>> {
    let mut parsed = Parsed::<Option<RevokedContent>>::default();
    if bytes.starts_with(MAGIC) {
        let is_whole = list(bytes.get(MAGIC.len()..).unwrap_or_default()).is_some();
        parsed.value = Some(if is_whole { RevokedContent::RevocationList } else { RevokedContent::Broken });
        return parsed;
    }
    for line in text(bytes).lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if !is_key(line) {
            parsed.pass_over(line);
        }
    }
    let is_whole = parsed.not_understood.is_empty();
    parsed.value = Some(if is_whole { RevokedContent::Keys } else { RevokedContent::Broken });
    parsed
}

/// The header and the sections, as far as their lengths go.
fn list(bytes: &[u8]) -> Option<()> {
    let mut rest = bytes;
    if number(&mut rest)? != 1 {
        return None;
    }
    // Its own version, its date, its flags.
    rest = rest.get(24..)?;
    string(&mut rest)?;
    string(&mut rest)?;
    while let Some((_kind, behind)) = rest.split_first() {
        rest = behind;
        string(&mut rest)?;
    }
    Some(())
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (number, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    Some(u32::from_be_bytes(*number))
}

fn string(rest: &mut &[u8]) -> Option<()> {
    let length = usize::try_from(number(rest)?).ok()?;
    *rest = rest.get(length..)?;
    Some(())
}

/// `TYPE BASE64 COMMENT`: what begins with the length of the type is base64 that begins so.
fn is_key(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let (Some(kind), Some(blob)) = (words.next(), words.next()) else { return false };
    let is_kind = ["ssh-", "ecdsa-sha2-", "sk-", "rsa-sha2-"].iter().any(|beginning| kind.starts_with(beginning));
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    is_kind && blob.len() >= 40 && blob.starts_with("AAAA") && blob.chars().all(is_base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(bytes: &[u8]) -> RevokedContent {
        parse_revoked_keys(bytes).value.unwrap()
    }

    #[test]
    fn keys_comments_and_nothing_at_all_are_a_list_of_keys() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGSU9SsLv+xa3wAm1TgukQ7kxRGovA5GIqKJh+nPNXUm old laptop\n";
        assert_eq!(content(b""), RevokedContent::Keys);
        assert_eq!(content(format!("# gone\n\n{key}").as_bytes()), RevokedContent::Keys);
        assert_eq!(content(format!("{key}garbage\n").as_bytes()), RevokedContent::Broken);
        assert_eq!(content(b"serial: 1-5\n"), RevokedContent::Broken);
    }

    #[test]
    fn a_revocation_list_must_be_whole() {
        let header = [MAGIC, &[0, 0, 0, 1], &[0; 24], &[0; 8]].concat();
        assert_eq!(content(&header), RevokedContent::RevocationList);
        let with_section = [header.as_slice(), &[1, 0, 0, 0, 2, 7, 7]].concat();
        assert_eq!(content(&with_section), RevokedContent::RevocationList);
        for length in MAGIC.len()..header.len() {
            assert_eq!(content(&header[..length]), RevokedContent::Broken, "{length}");
        }
        assert_eq!(content(&with_section[..with_section.len() - 1]), RevokedContent::Broken);
    }
}
