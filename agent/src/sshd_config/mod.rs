//! What sshd makes of its files for one connection, keyword by keyword, with the line that says so. Pure: files come in through
//! [`Source`].
//!
//! `sshd -T` is the truth where it ran. This tells which line is behind a value, what `Match` would decide for other addresses than the
//! one that was asked about, and what holds where sshd could not be asked. Tests hold it to the real sshd (`tests/recorded/sshd`).

mod condition;
mod evaluate;
mod files;
mod keywords;
mod names;
mod patterns;
mod values;
mod version;
mod words;

pub use condition::Asked;
pub use evaluate::{CommandLine, Evaluated, Place, Problem, Setting, evaluate};
pub use files::{Files, Source, load};
pub use keywords::canonical;
pub use patterns::{Holds, list_matches};
pub use values::{methods, seconds};
pub use version::Version;
pub use words::split;
