//! A report as text for a person. Writes to what it is given; counts and decides nothing.

mod command;
mod human;
pub mod ssm_cli;
mod words;

pub use command::wrap;
pub use human::{Style, answer, human};
pub use words::{attempt, counts, sections, subject};
