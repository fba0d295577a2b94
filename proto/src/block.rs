//! The block: bytes as text that passes through SSM Run Command, whose limits are 24,000 characters of stdout
//! (`GetCommandInvocation`; SSM Agent, `MaxStdoutLength`), and a cut that is always noticed.
//!
//! ```text
//! EIC-DOCTOR-BEGIN 1 <kind>
//! <base64 of gzip, in lines of 76>
//! EIC-DOCTOR-END <number of base64 characters>
//! ```
//!
//! gzip brings its own checksum and length. Whatever stands before the first and after the last line is noise of others.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Characters of stdout that `GetCommandInvocation` keeps.
pub const SSM_STDOUT_LIMIT: usize = 24_000;
/// No block inflates to more.
pub const INFLATED_LIMIT: usize = 4 * 1024 * 1024;
/// No text is searched for a block beyond this.
const TEXT_LIMIT: usize = 1024 * 1024;

const BEGIN: &str = "EIC-DOCTOR-BEGIN 1 ";
const END: &str = "EIC-DOCTOR-END ";
const WIDTH: usize = 76;

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A `v1.AgentReport`, encoded as protobuf.
    Report,
    /// The probe script's raw files and command outputs.
    Raw,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Raw => "raw",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    #[error("the answer holds no block of EIC Doctor")]
    NoBegin,
    #[error("the answer is of version or kind `{}`, which this coordinator does not know", crate::visible(.0))]
    UnknownKind(String),
    #[error("the answer was cut: its last line is missing after {seen} characters")]
    Cut { seen: usize },
    #[error("the answer was cut or changed: {seen} of {told} characters arrived")]
    Length { told: u64, seen: usize },
    #[error("decode the answer's base64")]
    Base64(#[source] base64::DecodeError),
    #[error("inflate the answer")]
    Inflate(#[source] std::io::Error),
    #[error("the answer inflates to more than {INFLATED_LIMIT} bytes")]
    TooLarge,
    #[error("compress the block")]
    Deflate(#[source] std::io::Error),
}

/// `bytes` as a block of text.
pub fn encode(kind: Kind, bytes: &[u8]) -> Result<String, BlockError> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).map_err(BlockError::Deflate)?;
    let packed = gzip.finish().map_err(BlockError::Deflate)?;
    let text = STANDARD.encode(packed);
    let mut block = format!("{BEGIN}{}\n", kind.word());
    for line in text.as_bytes().chunks(WIDTH) {
        // Base64 is ASCII.
        block.extend(line.iter().copied().map(char::from));
        block.push('\n');
    }
    block.push_str(END);
    block.push_str(&text.len().to_string());
    block.push('\n');
    Ok(block)
}

/// The bytes of the first block in `text`, or why there are none. Bounded in memory whatever `text` holds.
pub fn decode(text: &str) -> Result<(Kind, Vec<u8>), BlockError> {
    let mut lines = text.get(..TEXT_LIMIT).unwrap_or(text).lines().map(str::trim_end);
    let kind = loop {
        let line = lines.next().ok_or(BlockError::NoBegin)?;
        if let Some(kind) = line.strip_prefix(BEGIN) {
            break match kind {
                "report" => Kind::Report,
                "raw" => Kind::Raw,
                other => return Err(BlockError::UnknownKind(other.to_owned())),
            };
        }
    };
    let mut packed = String::new();
    let told: u64 = loop {
        let line = lines.next().ok_or(BlockError::Cut { seen: packed.len() })?;
        if let Some(length) = line.strip_prefix(END) {
            break length.parse().map_err(|_| BlockError::Cut { seen: packed.len() })?;
        }
        packed.push_str(line);
    };
    if told != packed.len() as u64 {
        return Err(BlockError::Length { told, seen: packed.len() });
    }
    let packed = STANDARD.decode(packed).map_err(BlockError::Base64)?;
    let mut bytes = Vec::new();
    GzDecoder::new(packed.as_slice())
        .take(INFLATED_LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(BlockError::Inflate)?;
    if bytes.len() > INFLATED_LIMIT {
        return Err(BlockError::TooLarge);
    }
    Ok((kind, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_survives_noise_around_it_and_carriage_returns() {
        let bytes: Vec<u8> = (0..5_000_u32).flat_map(u32::to_le_bytes).collect();
        let block = encode(Kind::Report, &bytes).unwrap().replace('\n', "\r\n");
        let (kind, back) = decode(&format!("plugin: hello\n{block}bye")).unwrap();
        assert_eq!((kind, back), (Kind::Report, bytes));
    }

    #[test]
    fn every_cut_is_noticed() {
        let block =
            encode(Kind::Raw, b"facts of an instance, long enough for two lines of base64 when it is packed").unwrap();
        let whole = block.trim_end().len();
        for length in 0..whole {
            assert!(decode(block.get(..length).unwrap()).is_err(), "cut at {length} of {whole}");
        }
    }

    #[test]
    fn a_changed_character_is_noticed() {
        let block = encode(Kind::Raw, &[7; 400]).unwrap();
        let place = block.find('\n').unwrap() + 20;
        let other = if block.as_bytes()[place] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", block.get(..place).unwrap(), block.get(place + 1..).unwrap());
        assert!(decode(&changed).is_err());
    }

    #[test]
    fn a_bomb_is_refused() {
        let block = encode(Kind::Raw, &vec![0; INFLATED_LIMIT + 1]).unwrap();
        assert!(matches!(decode(&block), Err(BlockError::TooLarge)));
    }
}
