//! The text of one file: its encoding, and what of JSON is taken.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{WorldError, shape};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file's bytes, and where they are from.
pub struct Text {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

impl Text {
    pub fn begins_with(&self, byte: u8) -> bool {
        self.bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&byte)
    }

    /// What AWS's own writers leave out others write as `null`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, WorldError> {
        parse(&self.path, &self.bytes).or_else(|error| {
            let mut value: Value = parse(&self.path, &self.bytes)?;
            without_nulls(&mut value);
            serde_json::from_value(value).map_err(|_| error)
        })
    }

    pub fn refused(&self, text: &str) -> WorldError {
        shape(self.path.clone(), text)
    }
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// UTF-8 without the byte order mark that editors on Windows write; `None` for UTF-16 that is none. PowerShell's `>` writes UTF-16.
pub fn decoded(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
        return Some(bytes);
    }
    let unit: fn([u8; 2]) -> u16 = match bytes.get(..2) {
        Some([0xff, 0xfe]) => u16::from_le_bytes,
        Some([0xfe, 0xff]) => u16::from_be_bytes,
        _ => return Some(bytes),
    };
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let units: Vec<u16> = pairs.iter().skip(1).map(|pair| unit(*pair)).collect();
    String::from_utf16(&units).ok().map(String::into_bytes)
}

pub fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, WorldError> {
    serde_json::from_slice(bytes).map_err(|error| shape(path.to_owned(), error.to_string()))
}
