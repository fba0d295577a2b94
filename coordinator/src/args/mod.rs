//! The command line: words and flags.
