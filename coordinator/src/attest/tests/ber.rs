//! What BER there is, and what is none.

use crate::attest::ber::{BerError, MAX_DEPTH, MAX_ELEMENTS, MAX_SIZE, to_der};

#[test]
fn what_is_der_already_stays_as_it_is() {
    let der = [0x30, 0x08, 0x02, 0x01, 0x05, 0xa0, 0x03, 0x04, 0x01, 0xff];
    assert_eq!(to_der(&der).unwrap(), der);
}

#[test]
fn lengths_become_definite_and_shortest() {
    let ber = [0x30, 0x80, 0x31, 0x82, 0x00, 0x04, 0x02, 0x81, 0x01, 0x07, 0x00, 0x00];
    assert_eq!(to_der(&ber).unwrap(), [0x30, 0x05, 0x31, 0x03, 0x02, 0x01, 0x07]);
}

#[test]
fn octet_strings_in_pieces_are_put_together() {
    let ber = [0x24, 0x80, 0x04, 0x01, 1, 0x24, 0x03, 0x04, 0x01, 2, 0x04, 0x00, 0x04, 0x01, 3, 0, 0];
    assert_eq!(to_der(&ber).unwrap(), [0x04, 0x03, 1, 2, 3]);
}

#[test]
fn a_long_string_has_its_length_in_as_many_bytes_as_it_needs() {
    for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, MAX_SIZE - 8] {
        let ber =
            [&[0x24, 0x80, 0x04, 0x82][..], &u16::try_from(length).unwrap().to_be_bytes(), &vec![7; length], &[0, 0]];
        let der = to_der(&ber.concat()).unwrap();
        assert_eq!(der.len(), length + 2 + usize::from(length >= 0x80) + usize::from(length >= 0x100), "{length}");
        assert_eq!(to_der(&der).unwrap(), der, "{length}");
    }
}

#[test]
fn malformed_values_are_refused_with_their_place() {
    for (ber, error) in [
        (&[][..], BerError::Truncated(0)),
        (&[0x30], BerError::Truncated(1)),
        (&[0x30, 0x01], BerError::Truncated(2)),
        (&[0x30, 0x80], BerError::Truncated(2)),
        (&[0x30, 0x80, 0x00], BerError::Tag(2)),
        (&[0x30, 0x80, 0x02, 0x01, 0x00, 0x00], BerError::Tag(5)),
        (&[0x04, 0x80, 0x00, 0x00], BerError::Length(1)),
        (&[0x24, 0x80, 0x04, 0x80, 0x00, 0x00, 0x00, 0x00], BerError::Length(3)),
        (&[0x30, 0x85, 0, 0, 0, 0, 0], BerError::Length(1)),
        (&[0x30, 0xff, 0, 0, 0, 0, 0], BerError::Length(1)),
        (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], BerError::Truncated(6)),
        (&[0x30, 0x02, 0x04, 0x01, 0x00], BerError::Truncated(4)),
        (&[0x1f, 0x01, 0x00], BerError::Tag(0)),
        (&[0xbf, 0x21, 0x00], BerError::Tag(0)),
        (&[0x30, 0x00, 0x00], BerError::Trailing(2)),
        (&[0x30, 0x00, 0x00, 0x00], BerError::Trailing(2)),
        (&[0x24, 0x03, 0x02, 0x01, 0x00], BerError::Piece(0)),
        (&[0x23, 0x04, 0x03, 0x02, 0x00, 0x00], BerError::Tag(0)),
        (&[0x2c, 0x80, 0x0c, 0x01, 0x41, 0x00, 0x00], BerError::Tag(0)),
    ] {
        assert_eq!(to_der(ber), Err(error), "{ber:02x?}");
    }
}

#[test]
fn depth_size_and_number_of_elements_are_bounded() {
    let nested = |tag: u8, levels: usize| [[tag, 0x80].repeat(levels), vec![0; 2 * levels]].concat();
    for tag in [0x30, 0x31, 0xa0, 0x24] {
        assert!(to_der(&nested(tag, MAX_DEPTH)).is_ok(), "{tag:02x}");
        assert_eq!(to_der(&nested(tag, MAX_DEPTH + 1)), Err(BerError::TooDeep), "{tag:02x}");
        assert_eq!(to_der(&nested(tag, MAX_SIZE / 4)), Err(BerError::TooDeep), "{tag:02x}");
    }
    assert_eq!(to_der(&vec![0x30; MAX_SIZE + 1]), Err(BerError::TooLong(MAX_SIZE + 1)));
    let many = |count: usize| [&[0x30, 0x80][..], &[0x05, 0x00].repeat(count), &[0, 0]].concat();
    assert!(to_der(&many(MAX_ELEMENTS - 1)).is_ok());
    assert_eq!(to_der(&many(MAX_ELEMENTS)), Err(BerError::TooMany));
}

#[test]
fn what_comes_out_is_never_longer_than_what_went_in() {
    // Short values at every level: where an indefinite length is the shortest that BER has.
    for levels in 1..MAX_DEPTH {
        for length in [0_usize, 1, 100, 0x7f, 0x80, 200] {
            let value = [&[0x04, 0x81, u8::try_from(length).unwrap()][..], &vec![1; length]].concat();
            let ber = [[0x30, 0x80].repeat(levels), value, vec![0; 2 * levels]].concat();
            assert!(to_der(&ber).unwrap().len() <= ber.len(), "{levels} {length}");
        }
    }
}
