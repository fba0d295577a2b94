//! Fuzzing: one target a parser (`src/bin/`), each the same function under two drivers.
//!
//! The bounded driver is for continuous integration: seeded, without coverage, built by an ordinary compiler. libFuzzer (feature
//! `libfuzzer`) looks further. `README.md` has the commands.

mod bounded;
mod mutate;

pub use bounded::bounded;

use eic_doctor_agent::parse::Parsed;

/// Words that mean something to one parser or another and stand in no corpus; between them, white space.
pub const WORDS: &str = "= : \" ' \\ # [ ] { } ( ) % , ; / * .. -- - | @ ! < > & $ ~ ü \u{202e} \u{1b}[31m \u{fffd} \
    99999999999999999999 -1 0x 4294967295 18446744073709551615 NaN 0.0.0.0/0 ::/0";
/// White space, and what counts as such for some.
pub const SPACES: [&str; 6] = ["\n", "\0", " ", "\t", "\r\n", "\\\n"];

/// What no parser may exceed, whatever it was given.
pub fn is_bounded<T>(parsed: &Parsed<T>) {
    assert!(parsed.not_understood.len() <= 20);
    assert!(parsed.not_understood.iter().all(|line| line.raw().chars().count() <= 200));
}

/// A fuzz target: a function of bytes. `cost` is how many times more than a parser it does; the bounded driver runs it so much less.
#[macro_export]
macro_rules! target {
    (|$bytes:ident| $body:expr) => {
        $crate::target!(cost 1, |$bytes| $body);
    };
    (cost $cost:literal, |$bytes:ident| $body:expr) => {
        #[cfg(feature = "libfuzzer")]
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| look(bytes));

        #[cfg(not(feature = "libfuzzer"))]
        fn main() -> std::process::ExitCode {
            $crate::bounded(env!("CARGO_BIN_NAME"), $cost, look)
        }

        fn look($bytes: &[u8]) {
            $body
        }
    };
}

#[cfg(feature = "libfuzzer")]
pub use libfuzzer_sys;
