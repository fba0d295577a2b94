//! OCSP responses as the metadata service staples them: for when they speak (RFC 6960, 4.2.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::der::{Der, ENUMERATED, GENERALIZED_TIME, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, context};
use super::{Parsed, text};

/// A response has 0.5 to 3 kB.
const LENGTH: usize = 64 * 1024;
const ANSWERS: usize = 64;

/// What a response says of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspAnswer {
    pub is_good: bool,
    /// Seconds since 1970.
    pub this_update: i64,
    /// Where the response says until when it holds.
    pub next_update: Option<i64>,
}

/// A response in base64, as `managed-ssh-keys/signer-ocsp/FINGERPRINT` has it.
pub fn parse_ocsp(bytes: &[u8]) -> Parsed<Vec<OcspAnswer>> {
    let text = text(bytes);
    let base64: String = text.split_whitespace().collect();
    let answers = Some(base64)
        .filter(|base64| base64.len() <= LENGTH)
        .and_then(|base64| STANDARD.decode(base64).ok())
        .and_then(|der| response(&der));
    let mut parsed = Parsed { value: answers.unwrap_or_default(), not_understood: Vec::new() };
    if parsed.value.is_empty() {
        parsed.pass_over(&text);
    }
    parsed
}

fn response(der: &[u8]) -> Option<Vec<OcspAnswer>> {
    let mut response = Der(der).expect(SEQUENCE)?;
    // 0: successful. Other responses bring no answer.
    (response.expect(ENUMERATED)?.0 == [0]).then_some(())?;
    let mut bytes = response.expect(context(0))?.expect(SEQUENCE)?;
    let _type = bytes.expect(OBJECT_IDENTIFIER)?;
    let mut data = bytes.expect(OCTET_STRING)?.expect(SEQUENCE)?.expect(SEQUENCE)?;
    let _version = data.optional(context(0));
    // The responder, by name or by key.
    let _responder = data.next()?;
    let _produced = data.expect(GENERALIZED_TIME)?;
    let mut responses = data.expect(SEQUENCE)?;
    let mut answers = Vec::new();
    while let Some(mut single) = responses.expect(SEQUENCE) {
        let _certificate = single.expect(SEQUENCE)?;
        let (status, _) = single.next()?;
        let this_update = single.time()?;
        let next_update = single.optional(context(0)).and_then(|mut until| until.time());
        if answers.len() < ANSWERS {
            // good is [0] IMPLICIT NULL.
            answers.push(OcspAnswer { is_good: status == 0x80, this_update, next_update });
        }
    }
    Some(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the lab (`openssl ocsp -ndays 7`), tests/recorded/certificates/README.md.
    const STAPLE: &[u8] = include_bytes!("../../../tests/recorded/certificates/leaf.ocsp");

    #[test]
    fn a_staple_says_from_when_until_when() {
        let parsed = parse_ocsp(STAPLE);
        assert_eq!(parsed.not_understood, []);
        let [answer] = parsed.value.as_slice() else { panic!("{parsed:?}") };
        assert!(answer.is_good);
        assert_eq!(answer.next_update.unwrap() - answer.this_update, 7 * 86_400);
    }

    #[test]
    fn rubbish_brings_no_answer() {
        for bytes in [&b""[..], b"not base64!", b"AAAA", b"MAA="] {
            assert_eq!(parse_ocsp(bytes).value, []);
        }
    }
}
