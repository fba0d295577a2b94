//! Whether standard output was there when the program started.
//!
//! The standard library opens `/dev/null` in the place of a stream that is closed, so that a report would be lost and nobody would
//! know. Afterwards nothing tells the two apart, so this looks before it does.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static WAS_OPEN: AtomicBool = AtomicBool::new(true);

#[expect(
    unsafe_code,
    reason = "only a section's name makes the loader call a function before the standard library begins"
)]
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // Where /proc is not there nothing can be told, and the stream is taken for open.
    let is_there = std::fs::symlink_metadata("/proc/self/fd/1").is_ok();
    let can_tell = is_there || std::fs::symlink_metadata("/proc/self/fd").is_ok();
    WAS_OPEN.store(is_there || !can_tell, Ordering::Relaxed);
}

/// Standard output, or what fails as a closed stream does.
pub struct Out(Option<io::Stdout>);

impl Out {
    pub fn of_this_process() -> Self {
        Self(WAS_OPEN.load(Ordering::Relaxed).then(io::stdout))
    }

    pub fn is_terminal(&self) -> bool {
        self.0.as_ref().is_some_and(io::IsTerminal::is_terminal)
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.as_mut().ok_or_else(closed)?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.as_mut().ok_or_else(closed)?.flush()
    }
}

fn closed() -> io::Error {
    io::Error::other("standard output is closed")
}
