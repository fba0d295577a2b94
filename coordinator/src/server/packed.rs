//! Reports as the store keeps them.

use std::io::{Read as _, Write as _};

use eic_doctor_proto::wire::{MESSAGE_LIMIT, decode_report, v1};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// Raw deflate: a report is mostly names of facts.
pub(super) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    // Writing to a Vec does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// The report that [`packed`] packed.
pub(super) fn unpacked(bytes: &[u8]) -> Option<v1::AgentReport> {
    let limit = u64::try_from(MESSAGE_LIMIT).ok()?;
    let mut report = Vec::new();
    DeflateDecoder::new(bytes).take(limit + 1).read_to_end(&mut report).ok()?;
    decode_report(&report).ok()
}
