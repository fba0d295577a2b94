//! Runs one program: no shell, an environment of our own, bounded output, an end.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use eic_doctor_proto::Fact;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::runtime::{Builder, Runtime};

use super::host::Ran;

/// Bytes of standard output; `sshd -T` prints 7 kB.
const STDOUT_LIMIT: usize = 1024 * 1024;
const STDERR_LIMIT: usize = 64 * 1024;
/// What root's shell has, whatever the caller's environment says.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// For so long the end of a killed program is awaited.
const UNTIL_KILLED: Duration = Duration::from_millis(100);

pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}

/// A command with nothing of the caller's environment and without input.
///
/// Given a path, and no folder to go to, the standard library starts it by `posix_spawn(3)`, which does not copy our memory first.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(found(program));
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C").stdin(no_input());
    command
}

/// A pipe that has ended: `/dev/null` may be what is missing here.
fn no_input() -> Stdio {
    io::pipe().map_or_else(|_| Stdio::null(), |(end, _)| end.into())
}

fn found(program: &str) -> String {
    let at = |folder: &str| format!("{folder}/{program}");
    let is_there = |path: &String| Path::new(path).is_file();
    match PATH.split(':').map(at).find(is_there) {
        Some(path) if !program.contains('/') => path,
        _ => program.to_owned(),
    }
}

/// What our own program prints, run anew with these arguments and nothing of the caller's environment.
pub fn run_ourselves(arguments: &[String], timeout: Duration) -> Result<Vec<u8>, String> {
    let mut command = command("/proc/self/exe");
    command.args(arguments);
    match run(command, timeout) {
        Fact::Known(ran) if ran.status == Some(0) => Ok(ran.stdout),
        Fact::Known(ran) => Err(ran.reason("our own program")),
        Fact::Unreadable(why) => Err(why.reason),
        Fact::Absent | Fact::NotGathered => Err("our own program is not there any more".to_owned()),
    }
}

/// Absent when there is no such program. A program that does not end in time is killed with all that it started.
pub(super) fn run(mut command: Command, timeout: Duration) -> Fact<Ran> {
    let until = Instant::now() + timeout;
    // A group of its own, so that what it starts can be killed with it.
    let mut child = match command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Fact::Absent,
        Err(error) => return Fact::unreadable(reason(&error)),
    };
    match end(&mut child, until) {
        Ok((status, stdout, stderr)) => Fact::Known(Ran { status: status.code(), stdout, stderr }),
        Err(error) => {
            kill(&mut child);
            match error {
                Stopped::TooMuch => Fact::unreadable(format!("it printed more than {STDOUT_LIMIT} bytes")),
                Stopped::Late => Fact::unreadable(format!("timed out after {}", seconds(timeout))),
                Stopped::Io(error) => Fact::unreadable(reason(&error)),
            }
        }
    }
}

enum Stopped {
    TooMuch,
    Late,
    Io(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<nix::Error> for Stopped {
    fn from(error: nix::Error) -> Self {
        Self::Io(error.into())
    }
}

/// Reads both streams to their ends, whichever brings something, and waits for the program's own.
fn end(child: &mut Child, until: Instant) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), Stopped> {
    let mut stdout = Stream { pipe: child.stdout.take(), bytes: Vec::new(), limit: STDOUT_LIMIT };
    let mut stderr = Stream { pipe: child.stderr.take(), bytes: Vec::new(), limit: STDERR_LIMIT };
    while stdout.pipe.is_some() || stderr.pipe.is_some() {
        let (out, err) = bring(stdout.descriptor(), stderr.descriptor(), until)?;
        if out {
            stdout.read()?;
        }
        if err {
            stderr.read()?;
        }
    }
    let status = match child.try_wait()? {
        Some(status) => status,
        // Its streams are at their ends, so it is about to end.
        None => ended(child, left(until)?)?.ok_or(Stopped::Late)?,
    };
    Ok((status, stdout.bytes, stderr.bytes))
}

/// Waits for the end with a limit. A thread does, for to wait with a limit by oneself takes a pidfd, which Linux has since 5.3; Amazon Linux
/// 2 and older Ubuntus boot kernels without it.
fn ended(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let id = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let (seen, end) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        // Not reaped here: until we do that, its id is nobody else's, and may be killed.
        while waitid(Id::Pid(id), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(nix::Error::EINTR) {}
        // Nobody may be waiting any more.
        let _ = seen.send(());
    })?;
    match end.recv_timeout(limit) {
        Ok(()) => child.wait().map(Some),
        Err(_) => Ok(None),
    }
}

/// Which of the two a read would not wait for.
fn bring(out: Option<BorrowedFd<'_>>, err: Option<BorrowedFd<'_>>, until: Instant) -> Result<(bool, bool), Stopped> {
    let mut waiting: Vec<PollFd<'_>> =
        out.iter().chain(err.iter()).map(|pipe| PollFd::new(*pipe, PollFlags::POLLIN)).collect();
    // Rounded up, so that the last wait does not turn into many.
    let milliseconds = left(until)?.as_millis() + 1;
    match poll(&mut waiting, PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(nix::Error::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut brings = waiting.iter().map(|pipe| pipe.any().unwrap_or(true));
    let mut next = |pipe: Option<BorrowedFd<'_>>| pipe.is_some() && brings.next().unwrap_or(false);
    Ok((next(out), next(err)))
}

struct Stream<P> {
    /// `None` once it has ended.
    pipe: Option<P>,
    bytes: Vec<u8>,
    limit: usize,
}

impl<P: Read + AsFd> Stream<P> {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    fn read(&mut self) -> Result<(), Stopped> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let mut part = [0; 8192];
        match pipe.read(&mut part) {
            Ok(0) => self.pipe = None,
            Ok(read) => self.bytes.extend_from_slice(part.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if self.bytes.len() > self.limit { Err(Stopped::TooMuch) } else { Ok(()) }
    }
}

fn left(until: Instant) -> Result<Duration, Stopped> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Stopped::Late) } else { Ok(left) }
}

fn kill(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // It may have ended by itself in between.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    // One that waits for a dead disk does not even die; init gets it after us.
    let _ = ended(child, UNTIL_KILLED);
}

/// `1 s`, `0.25 s`.
pub(super) fn seconds(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    if milliseconds.is_multiple_of(1_000) {
        return format!("{} s", milliseconds / 1_000);
    }
    let text = format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000);
    format!("{} s", text.trim_end_matches('0'))
}

/// An I/O error in the words of errno(3), without Rust's ` (os error N)`.
pub(super) fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        ErrorKind::HostUnreachable => "no route to host".to_owned(),
        ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleep_with_a_child() -> Command {
        let mut command = command("sh");
        command.args(["-c", "sleep 30 & sleep 30"]);
        command
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_its_children() {
        let begun = std::time::Instant::now();
        let ran = run(sleep_with_a_child(), Duration::from_millis(200));
        assert_eq!(ran, Fact::unreadable("timed out after 0.2 s"));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_program_that_is_not_there_is_absent() {
        for program in ["eic-doctor-no-such-program", "/eic-doctor/no-such-program", ""] {
            assert_eq!(run(command(program), Duration::from_secs(1)), Fact::Absent);
        }
    }

    #[test]
    fn a_program_that_closes_its_output_and_stays_is_killed_in_time() {
        let mut command = command("sh");
        command.args(["-c", "exec >&- 2>&-; sleep 30"]);
        assert_eq!(run(command, Duration::from_millis(200)), Fact::unreadable("timed out after 0.2 s"));
    }

    #[test]
    fn a_stream_that_is_full_while_the_other_is_read_does_not_hold_us() {
        let mut command = command("sh");
        command.args(["-c", "head -c 60000 /dev/zero >&2; head -c 300000 /dev/zero; head -c 5000 /dev/zero >&2"]);
        let Fact::Known(ran) = run(command, Duration::from_secs(10)) else { panic!("it did not run") };
        assert_eq!((ran.stdout.len(), ran.stderr.len()), (300_000, 65_000));
    }

    #[test]
    fn a_flood_is_stopped() {
        let Fact::Unreadable(why) = run(command("yes"), Duration::from_secs(10)) else { panic!("not stopped") };
        assert!(why.reason.starts_with("it printed more than"), "{}", why.reason);
    }

    #[test]
    fn status_and_both_streams_are_kept_apart() {
        let mut command = command("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let ran = run(command, Duration::from_secs(5));
        let expected = Ran { status: Some(3), stdout: b"out\n".to_vec(), stderr: b"err\n".to_vec() };
        assert_eq!(ran, Fact::Known(expected));
    }
}
