//! A report as text for a person. Writes to what it is given; counts and decides nothing.

mod command;
mod human;

pub use human::{Style, human};
