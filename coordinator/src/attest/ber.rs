//! From BER to DER, as much of it as CMS needs: lengths made definite and shortest, octet strings in pieces put together.
//!
//! AWS writes its PKCS #7 signatures in BER, and the CMS parser reads DER only. Nothing is interpreted here, sets are not put in
//! order, and what is written is never longer than what was read. Depth, size and number of elements are bounded before anything
//! is allocated for them.

/// Of the message, in bytes. AWS's has about 1,300; a chain of certificates would make it 6,000.
pub const MAX_SIZE: usize = 16 * 1024;
/// AWS's message has 10 levels.
pub const MAX_DEPTH: usize = 24;
/// AWS's message has about 60.
pub const MAX_ELEMENTS: usize = 1024;

/// Why bytes are not one BER value that CMS would use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BerError {
    #[error("{0} bytes, more than {MAX_SIZE}")]
    TooLong(usize),
    #[error("more than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("more than {MAX_ELEMENTS} elements")]
    TooMany,
    #[error("it ends at byte {0} in the middle of an element")]
    Truncated(usize),
    #[error("bytes are left after its end at byte {0}")]
    Trailing(usize),
    #[error("the tag at byte {0} is none that CMS uses")]
    Tag(usize),
    #[error("the length at byte {0} is malformed")]
    Length(usize),
    #[error("the octet string at byte {0} has a piece of another type")]
    Piece(usize),
}

const OCTET_STRING: u8 = 0x04;
const CONSTRUCTED: u8 = 0x20;
/// The low five bits of a tag whose number follows in bytes of its own.
const LONG_TAG: u8 = 0x1f;
const UNIVERSAL: u8 = 0xc0;
/// Sequence, set: the only types of the universal class, besides strings in pieces, that are constructed.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// The same value in DER, but for the order of sets.
///
/// # Errors
/// When `ber` is not exactly one value, or is beyond the bounds of this module.
pub fn to_der(ber: &[u8]) -> Result<Vec<u8>, BerError> {
    if ber.len() > MAX_SIZE {
        return Err(BerError::TooLong(ber.len()));
    }
    let mut reader = Reader { ber, at: 0, elements: 0 };
    let mut der = Vec::with_capacity(ber.len());
    reader.element(ber.len(), 0, &mut der)?;
    if reader.at == ber.len() { Ok(der) } else { Err(BerError::Trailing(reader.at)) }
}

struct Reader<'a> {
    ber: &'a [u8],
    at: usize,
    elements: usize,
}

/// Where a value ends: at a byte, or at two zero bytes before that byte.
#[derive(Clone, Copy)]
enum End {
    At(usize),
    Marked { before: usize },
}

impl Reader<'_> {
    /// Reads one element that ends at `limit` or before, and writes it.
    fn element(&mut self, limit: usize, depth: usize, der: &mut Vec<u8>) -> Result<(), BerError> {
        let (start, tag, end) = self.header(limit, depth)?;
        match tag {
            _ if tag & CONSTRUCTED == 0 => {
                let End::At(end) = end else { return Err(BerError::Length(start + 1)) };
                der.push(tag);
                self.copy_value(end, der);
            }
            _ if tag == OCTET_STRING | CONSTRUCTED => {
                let content = self.reserve(OCTET_STRING, der);
                self.pieces(start, end, depth, der)?;
                finish(content, der);
            }
            SEQUENCE | SET => self.children(tag, end, depth, der)?,
            // Other strings may come in pieces too; nobody does that, and the parser would take them for something else.
            _ if tag & UNIVERSAL == 0 => return Err(BerError::Tag(start)),
            _ => self.children(tag, end, depth, der)?,
        }
        Ok(())
    }

    fn children(&mut self, tag: u8, end: End, depth: usize, der: &mut Vec<u8>) -> Result<(), BerError> {
        let content = self.reserve(tag, der);
        while !self.ends(end)? {
            self.element(end.limit(), depth + 1, der)?;
        }
        finish(content, der);
        Ok(())
    }

    /// The values of the pieces of an octet string, one after the other. A piece may be in pieces itself.
    fn pieces(&mut self, string: usize, end: End, depth: usize, der: &mut Vec<u8>) -> Result<(), BerError> {
        while !self.ends(end)? {
            let (start, tag, piece) = self.header(end.limit(), depth + 1)?;
            match (tag, piece) {
                (OCTET_STRING, End::At(piece)) => {
                    der.extend_from_slice(&self.ber[self.at..piece]);
                    self.at = piece;
                }
                (OCTET_STRING, End::Marked { .. }) => return Err(BerError::Length(start + 1)),
                (tag, piece) if tag == OCTET_STRING | CONSTRUCTED => self.pieces(start, piece, depth + 1, der)?,
                _ => return Err(BerError::Piece(string)),
            }
        }
        Ok(())
    }

    fn header(&mut self, limit: usize, depth: usize) -> Result<(usize, u8, End), BerError> {
        self.elements += 1;
        if depth >= MAX_DEPTH {
            return Err(BerError::TooDeep);
        }
        if self.elements > MAX_ELEMENTS {
            return Err(BerError::TooMany);
        }
        let start = self.at;
        let tag = self.byte(limit)?;
        // Zero marks an end, and there is none to mark here.
        if tag == 0 || tag & LONG_TAG == LONG_TAG {
            return Err(BerError::Tag(start));
        }
        Ok((start, tag, self.length(limit)?))
    }

    fn length(&mut self, limit: usize) -> Result<End, BerError> {
        let start = self.at;
        let length = match self.byte(limit)? {
            0x80 => return Ok(End::Marked { before: limit }),
            short @ 0..0x80 => usize::from(short),
            long @ 0x81..=0x84 => {
                let mut length = 0;
                for _ in 0..long & 0x7f {
                    length = length << 8 | usize::from(self.byte(limit)?);
                }
                length
            }
            _ => return Err(BerError::Length(start)),
        };
        if length > limit - self.at {
            return Err(BerError::Truncated(limit));
        }
        Ok(End::At(self.at + length))
    }

    /// Whether the value is over; its mark is read then.
    fn ends(&mut self, end: End) -> Result<bool, BerError> {
        match end {
            End::At(end) => Ok(self.at == end),
            End::Marked { before } => match self.ber[self.at..before] {
                [0, 0, ..] => {
                    self.at += 2;
                    Ok(true)
                }
                [] => Err(BerError::Truncated(before)),
                _ => Ok(false),
            },
        }
    }

    fn byte(&mut self, limit: usize) -> Result<u8, BerError> {
        if self.at >= limit {
            return Err(BerError::Truncated(self.at));
        }
        self.at += 1;
        Ok(self.ber[self.at - 1])
    }

    /// Its length and its bytes up to `end`.
    fn copy_value(&mut self, end: usize, der: &mut Vec<u8>) {
        let value = &self.ber[self.at..end];
        let (bytes, used) = length_bytes(value.len());
        der.extend_from_slice(&bytes[..used]);
        der.extend_from_slice(value);
        self.at = end;
    }

    /// Writes a tag; the place where its content begins, whose length [`finish`] puts in front of it.
    fn reserve(&self, tag: u8, der: &mut Vec<u8>) -> usize {
        der.push(tag);
        der.len()
    }
}

impl End {
    fn limit(self) -> usize {
        match self {
            End::At(end) => end,
            End::Marked { before } => before,
        }
    }
}

fn finish(content: usize, der: &mut Vec<u8>) {
    let (bytes, used) = length_bytes(der.len() - content);
    der.splice(content..content, bytes[..used].iter().copied());
}

/// The shortest form, in the first bytes of the array. Nothing here is longer than [`MAX_SIZE`].
fn length_bytes(length: usize) -> ([u8; 3], usize) {
    let [.., high, low] = length.to_be_bytes();
    match length {
        0..0x80 => ([low, 0, 0], 1),
        0x80..0x100 => ([0x81, low, 0], 2),
        _ => ([0x82, high, low], 3),
    }
}
