//! What a run over many instances says while it goes on, on stderr.

use std::io::Write;

use eic_doctor_proto::visible;

pub(super) struct Progress<'a> {
    err: &'a mut dyn Write,
    is_terminal: bool,
}

impl<'a> Progress<'a> {
    pub(super) fn new(err: &'a mut dyn Write, is_terminal: bool) -> Self {
        Self { err, is_terminal }
    }

    /// In place of what was told before; only a terminal is told. That it cannot be written is no reason to stop.
    pub(super) fn tell(&mut self, text: &str) {
        if self.is_terminal {
            let _ = write!(self.err, "\r{}\u{1b}[K", visible(text));
            let _ = self.err.flush();
        }
    }

    pub(super) fn clear(&mut self) {
        self.tell("");
    }

    /// A line that stays.
    pub(super) fn notice(&mut self, line: &str) {
        self.clear();
        let _ = writeln!(self.err, "{}", visible(line));
    }
}
