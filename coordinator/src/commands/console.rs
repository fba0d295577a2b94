//! What a command may write to, and how it fails.

use std::io::{self, Write};
use std::time::SystemTime;

use eic_doctor_proto::{Exit, visible};

/// The outside world of a command; tests bring their own.
pub struct Console<'a> {
    /// The report, nothing else.
    pub out: &'a mut dyn Write,
    /// Everything else: progress, notices, timings.
    pub err: &'a mut dyn Write,
    pub is_out_terminal: bool,
    pub is_err_terminal: bool,
    /// Whether stdout may have colours, where the user leaves that to us.
    pub may_color: bool,
    pub now: fn() -> SystemTime,
    /// Where `--source me` asks for this machine's address.
    pub checkip_url: String,
}

impl Console<'_> {
    /// A line on stderr. That it cannot be written is no reason to stop.
    pub fn notice(&mut self, line: &str) {
        let _ = writeln!(self.err, "{}", visible(line));
    }
}

/// Why a command came to nothing.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
}

impl Failure {
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }

    pub fn nothing_checked(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::NothingChecked, error: error.into() }
    }

    pub fn internal(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Internal, error: error.into() }
    }
}

/// A reader that has seen enough (`| head`) is no failure.
pub(super) fn written(result: io::Result<()>, what: &str) -> Result<Exit, Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::internal(anyhow::Error::new(error).context(format!("write {what}"))))
        }
        _ => Ok(Exit::Healthy),
    }
}
