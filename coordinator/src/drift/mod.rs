//! Drift: a check whose state differs from the last held one. Pure: no clock, no database, no log.
//!
//! The state of a check is its status and, for findings, a fingerprint of what stays the same in its evidence. A state is held after
//! `hold` equal runs, `ok` after one. The first state that is held of a check is where drift is counted from, and is not told: neither
//! an instance that enrols nor a new version of the catalogue tells of a hundred checks. `blocked` says nothing of the check itself, so
//! what was held stays, and only its blocker is told of. Where nobody looks any more, that is told once for the whole half, and once
//! again when somebody does.

mod blob;
mod fingerprint;
mod held;
mod stable;

pub use blob::Unreadable;
pub use fingerprint::{State, fingerprint};
pub use held::{Change, Held, advance, confirm, of_half, silent, unseen};

#[cfg(test)]
pub(crate) use held::testing;

#[cfg(test)]
mod tests;
