//! What a script says of itself: its interpreter (execve(2), "Interpreter scripts"), and how it reads what OpenSSL prints.

use super::text;

/// The interpreter of a `#!` line, `None` where there is no such line.
pub fn parse_interpreter(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
    let line = text(line.get(..line.len().min(256))?).into_owned();
    // A carriage return belongs to the name: the kernel looks for `/bin/sh\r`.
    let name = line.trim_start_matches([' ', '\t']).split([' ', '\t']).next()?;
    Some(name.to_owned())
}

/// Whether the keys command's script finds the fingerprint that `openssl x509 -fingerprint` prints, whose word is `SHA1` up to
/// OpenSSL 1.1 and `sha1` from 3.0 on; `None` where it looks for neither.
///
/// Source: aws/aws-ec2-instance-connect-config, change log of 1.1.17 ("switch to a case insensitive match").
pub fn parse_reads_openssl_3(script: &[u8]) -> Option<bool> {
    let script = text(script);
    let looking: Vec<&str> = script
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && line.to_ascii_lowercase().contains("sha1 fingerprint"))
        .collect();
    let is_lenient = |line: &&str| {
        line.contains("sha1 Fingerprint")
            || line.contains("sha1 fingerprint")
            || line.contains("/pI")
            || line.contains("/Ip")
    };
    (!looking.is_empty()).then(|| looking.iter().any(is_lenient))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_is_what_the_kernel_looks_for() {
        for (bytes, expected) in [
            (&b"#!/bin/sh\necho"[..], Some("/bin/sh")),
            (b"#! /usr/bin/python3 -I\n", Some("/usr/bin/python3")),
            (b"#!/bin/sh\r\n", Some("/bin/sh\r")),
            (b"#!", Some("")),
            (b"\x7fELF", None),
            (b"", None),
        ] {
            assert_eq!(parse_interpreter(bytes).as_deref(), expected);
        }
    }

    #[test]
    fn a_script_that_takes_the_word_as_openssl_3_writes_it_is_told_from_one_that_does_not() {
        let old = b"f=$(openssl x509 -fingerprint | sed -n 's/SHA1 Fingerprint=\\(.*\\)/\\1/p')\n";
        let new = b"f=$(openssl x509 -fingerprint | sed -n 's/SHA1 Fingerprint=\\(.*\\)/\\1/pI')\n";
        assert_eq!(parse_reads_openssl_3(old), Some(false));
        assert_eq!(parse_reads_openssl_3(&[&old[..], new].concat()), Some(true));
        assert_eq!(parse_reads_openssl_3(b"# SHA1 Fingerprint\ncut -d= -f2\n"), None);
    }
}
