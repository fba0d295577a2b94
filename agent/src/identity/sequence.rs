//! Numbers that grow with every report of a key, over restarts and crashes too.
//!
//! They are reserved in blocks, so that not each report costs a write: after a crash the rest of a block is skipped, never used twice.

use super::{Name, State, StateError};

const BLOCK: u64 = 1_000;

/// The next number, and the one from which on none is reserved.
pub struct Sequence {
    next: u64,
    reserved: u64,
}

impl Sequence {
    /// Where the file is lost or damaged the numbers go on from the clock, in milliseconds since 1970: far above any number that grew one by one.
    pub fn begin(state: &State, now_ms: u64) -> Result<Self, StateError> {
        let kept = state.read(Name::Sequence)?;
        let kept = kept.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse::<u64>().ok());
        // The end of all numbers is no place to go on from.
        let next = kept.filter(|kept| *kept < u64::MAX / 2).unwrap_or(now_ms).max(1);
        Ok(Self { next, reserved: next })
    }

    pub fn next(&mut self, state: &State) -> Result<u64, StateError> {
        if self.next >= self.reserved {
            let reserved = self.next.saturating_add(BLOCK);
            state.write(Name::Sequence, format!("{reserved}\n").as_bytes())?;
            self.reserved = reserved;
        }
        let number = self.next;
        self.next += 1;
        Ok(number)
    }

    /// After a refusal as a replay: a state folder of yesterday was put back.
    pub fn skip_to(&mut self, at_least: u64) {
        self.next = self.next.max(at_least);
    }
}
