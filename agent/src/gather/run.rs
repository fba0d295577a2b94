//! Runs one program: no shell, an environment of our own, bounded output, an end.

use std::process::Stdio;
use std::time::Duration;

use eic_doctor_proto::Fact;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};
use tokio::time;

use super::host::Ran;

/// Bytes of standard output; `sshd -T` prints 7 kB.
const STDOUT_LIMIT: u64 = 1024 * 1024;
const STDERR_LIMIT: u64 = 64 * 1024;
/// What root's shell has, whatever the caller's environment says.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A command with nothing of the caller's environment, in `/`, without input.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    command
}

/// Absent when there is no such program. A program that does not end in time is killed with all that it started.
pub(super) fn run(mut command: Command, timeout: Duration) -> Fact<Ran> {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return Fact::unreadable(reason(&error)),
    };
    // A group of its own, so that what it starts can be killed with it.
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    runtime.block_on(async {
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Fact::Absent,
            Err(error) => return Fact::unreadable(reason(&error)),
        };
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let whole = async {
            let (stdout, stderr) = tokio::join!(bounded(stdout, STDOUT_LIMIT), bounded(stderr, STDERR_LIMIT));
            Some((stdout?, stderr?, child.wait().await))
        };
        match time::timeout(timeout, whole).await {
            Ok(Some((stdout, stderr, Ok(status)))) => Fact::Known(Ran { status: status.code(), stdout, stderr }),
            Ok(Some((_, _, Err(error)))) => Fact::unreadable(reason(&error)),
            Ok(None) => {
                kill(group);
                Fact::unreadable(format!("it printed more than {STDOUT_LIMIT} bytes"))
            }
            Err(_) => {
                kill(group);
                Fact::unreadable(format!("timed out after {}", seconds(timeout)))
            }
        }
    })
}

/// Everything that a pipe brings, or `None` when that is too much or cannot be read.
async fn bounded(pipe: Option<impl AsyncRead + Unpin>, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe?.take(limit + 1).read_to_end(&mut bytes).await.ok()?;
    (bytes.len() as u64 <= limit).then_some(bytes)
}

fn kill(group: Option<i32>) {
    if let Some(group) = group {
        // It may have ended by itself in between.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
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
        assert_eq!(run(command("eic-doctor-no-such-program"), Duration::from_secs(1)), Fact::Absent);
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
