//! As much of DER (ITU-T X.690) as a certificate request needs, written.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, constructed, of the context.
pub(super) const CONTEXT_0: u8 = 0xa0;

/// One value of which the content is these parts after each other.
pub(super) fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = Vec::with_capacity(length + 4);
    der.push(tag);
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => der.push(short),
        Ok(one) => der.extend([0x81, one]),
        // The definite long form, without leading zeros.
        Err(_) => {
            let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect();
            der.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
            der.extend(digits);
        }
    }
    parts.iter().for_each(|part| der.extend_from_slice(part));
    der
}

/// Whole bytes as a bit string.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    value(BIT_STRING, &[&[0], bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_shortest_form() {
        assert_eq!(value(SEQUENCE, &[]), [0x30, 0]);
        assert_eq!(value(INTEGER, &[&[0; 127]])[..2], [2, 127]);
        assert_eq!(value(INTEGER, &[&[0; 128]])[..3], [2, 0x81, 128]);
        assert_eq!(value(INTEGER, &[&[0; 255]])[..3], [2, 0x81, 255]);
        assert_eq!(value(INTEGER, &[&[0; 200], &[0; 56]])[..4], [2, 0x82, 1, 0]);
        assert_eq!(value(INTEGER, &[&[0; 65_536]])[..5], [2, 0x83, 1, 0, 0]);
    }
}
