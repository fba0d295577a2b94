//! A file read in pages, of which few are kept and not too many are read.

use std::collections::VecDeque;

use super::{JournalError, ReadAt};

const PAGE: u64 = 8 * 1024;
/// 256 KiB.
const KEPT: usize = 32;
/// 8 MiB: what a query of some hundred entries needs is a tenth of that.
const READ: usize = 1_024;

pub(super) struct Pages<'a> {
    file: &'a dyn ReadAt,
    /// The newest last.
    kept: VecDeque<(u64, Vec<u8>)>,
    left: usize,
}

impl<'a> Pages<'a> {
    pub fn new(file: &'a dyn ReadAt) -> Self {
        Self { file, kept: VecDeque::new(), left: READ }
    }

    /// Exactly these bytes.
    pub fn bytes(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, JournalError> {
        let mut found = Vec::with_capacity(length);
        while found.len() < length {
            let at = offset.saturating_add(found.len() as u64);
            let page = self.page(at / PAGE)?;
            let start = (at % PAGE) as usize;
            let end = page.len().min(start + length - found.len());
            match page.get(start..end) {
                Some(part) if !part.is_empty() => found.extend_from_slice(part),
                _ => return Err(JournalError::Broken(offset)),
            }
        }
        Ok(found)
    }

    fn page(&mut self, number: u64) -> Result<&[u8], JournalError> {
        let place = match self.kept.iter().rposition(|(kept, _)| *kept == number) {
            Some(place) => place,
            None => {
                self.left = self.left.checked_sub(1).ok_or(JournalError::TooLong)?;
                let start = number.saturating_mul(PAGE);
                let page = self.file.read_at(start, PAGE as usize).ok_or(JournalError::Broken(start))?;
                if self.kept.len() == KEPT {
                    self.kept.pop_front();
                }
                self.kept.push_back((number, page));
                self.kept.len() - 1
            }
        };
        self.kept.get(place).map(|(_, page)| page.as_slice()).ok_or(JournalError::TooLong)
    }
}
