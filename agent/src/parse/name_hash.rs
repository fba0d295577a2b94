//! The hash of a certificate's name by which OpenSSL finds it in a folder (`X509_NAME_hash` and `x509_name_canon` of OpenSSL 1.0 and newer).

use sha1::{Digest as _, Sha1};

use super::der::{Der, OBJECT_IDENTIFIER, SEQUENCE, SET};

const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
/// A name has some 100 bytes.
const LENGTH: usize = 4_096;

/// The part of a link's name before the dot, from the content of the name's SEQUENCE. `None` for a name with texts of a kind that no
/// certificate authority of today uses.
pub fn certificate_name_hash(name: &[u8]) -> Option<String> {
    if name.len() > LENGTH {
        return None;
    }
    let mut name = Der(name);
    let mut canonical = Vec::new();
    while !name.0.is_empty() {
        let mut set = name.expect(SET)?;
        let mut attributes = Vec::new();
        while !set.0.is_empty() {
            let mut attribute = set.expect(SEQUENCE)?;
            let kind = attribute.expect(OBJECT_IDENTIFIER)?;
            let (tag, text) = attribute.next()?;
            if !matches!(tag, UTF8_STRING | PRINTABLE_STRING | IA5_STRING) || !attribute.0.is_empty() {
                return None;
            }
            let content = [encoded(OBJECT_IDENTIFIER, kind.0)?, encoded(UTF8_STRING, &canonical_text(text))?].concat();
            attributes.push(encoded(SEQUENCE, &content)?);
        }
        // The members of a SET OF stand in the order of their bytes.
        attributes.sort_unstable();
        canonical.extend(encoded(SET, &attributes.concat())?);
    }
    let hash = Sha1::digest(&canonical);
    let first: [u8; 4] = hash.get(..4)?.try_into().ok()?;
    Some(format!("{:08x}", u32::from_le_bytes(first)))
}

/// Lower case, without white space at both ends, and one space for each stretch of it between; all of it of ASCII only.
fn canonical_text(text: &[u8]) -> Vec<u8> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let words = text.split(is_space).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ').to_ascii_lowercase()
}

fn encoded(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = match content.len() {
        length @ 0..0x80 => vec![length as u8],
        length @ 0x80..0x100 => vec![0x81, length as u8],
        length @ 0x100..0x1_0000 => vec![0x82, (length >> 8) as u8, length as u8],
        _ => return None,
    };
    Some([&[tag], length.as_slice(), content].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse_certificates;

    fn hash_of(pem: &[u8]) -> Option<String> {
        certificate_name_hash(&parse_certificates(pem).value[0].subject)
    }

    #[test]
    fn the_hashes_of_real_roots_are_those_of_openssl() {
        assert_eq!(hash_of(include_bytes!("../gather/anchors/Amazon_Root_CA_1.pem")).unwrap(), "ce5e74ef");
        assert_eq!(hash_of(include_bytes!("../gather/anchors/Starfield_Services_Root_G2.pem")).unwrap(), "09789157");
    }

    #[test]
    fn white_space_and_case_make_no_difference() {
        assert_eq!(canonical_text(b"  Amazon \t Root\r\nCA 1 "), b"amazon root ca 1");
    }

    #[test]
    fn a_text_of_another_kind_has_no_hash_of_ours() {
        let name = |tag: u8| [&b"\x31\x0b\x30\x09\x06\x03\x55\x04\x06"[..], &[tag], b"\x02US"].concat();
        assert!(certificate_name_hash(&name(PRINTABLE_STRING)).is_some());
        assert_eq!(certificate_name_hash(&name(PRINTABLE_STRING)), certificate_name_hash(&name(UTF8_STRING)));
        // T61String.
        assert_eq!(certificate_name_hash(&name(0x14)), None);
        assert_eq!(certificate_name_hash(b"\x31"), None);
    }
}
