//! Commands with a console of the test's own.

use std::io::{self, ErrorKind, Write};
use std::time::{Duration, SystemTime};

use clap::Parser as _;
use eic_doctor_proto::Exit;

use super::{Console, Failure, run};
use crate::args::Cli;

/// A standard output that fails like this.
struct Broken(ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn run_to(out: &mut dyn Write, line: &str) -> Result<Exit, Failure> {
    let cli = Cli::try_parse_from(["eic-doctor"].into_iter().chain(line.split_whitespace())).unwrap();
    let mut console = Console {
        out,
        err: &mut io::sink(),
        is_out_terminal: false,
        is_err_terminal: false,
        may_color: false,
        now: || SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
        checkip_url: "http://127.0.0.1:1/".to_owned(),
    };
    run(cli, &mut console).await
}

/// An empty world: everything is unknown, nothing is asked.
fn check_of_nothing(folder: &tempfile::TempDir, flags: &str) -> String {
    std::fs::write(folder.path().join("os.json"), "{}").unwrap();
    format!("check i-0123456789abcdef0 --via public --world {} {flags}", folder.path().display())
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_failure_and_a_full_disk_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    let line = check_of_nothing(&folder, "");
    let whole = run_to(&mut io::sink(), &line).await.unwrap();
    assert_eq!(run_to(&mut Broken(ErrorKind::BrokenPipe), &line).await.unwrap(), whole);
    let failure = run_to(&mut Broken(ErrorKind::StorageFull), &line).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Internal);
    assert_eq!(run_to(&mut Broken(ErrorKind::BrokenPipe), "explain").await.unwrap(), Exit::Healthy);
}

/// A standard output whose reader goes away after so many lines, and what it has read.
struct Reader {
    lines: usize,
    read: Vec<u8>,
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.read.iter().filter(|byte| **byte == b'\n').count() >= self.lines {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.read.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_watch_looks_again_until_its_reader_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let line = check_of_nothing(&folder, "--watch 1ms --output jsonl");
    let mut once = Vec::new();
    let exit = run_to(&mut once, &line.replace("--watch 1ms", "")).await.unwrap();
    let lines = once.iter().filter(|byte| **byte == b'\n').count();
    let mut reader = Reader { lines: 3 * lines, read: Vec::new() };
    assert_eq!(run_to(&mut reader, &line).await.unwrap(), exit);
    assert_eq!(reader.read, [once.as_slice(); 3].concat());
}

#[tokio::test]
async fn of_a_watch_for_people_an_empty_line_stands_between_two_reports() {
    let folder = tempfile::tempdir().unwrap();
    let line = check_of_nothing(&folder, "--watch 1ms");
    let mut once = Vec::new();
    run_to(&mut once, &line.replace("--watch 1ms", "")).await.unwrap();
    let mut reader = Reader { lines: 2 * once.iter().filter(|byte| **byte == b'\n').count() + 1, read: Vec::new() };
    run_to(&mut reader, &line).await.unwrap();
    assert_eq!(String::from_utf8(reader.read).unwrap(), String::from_utf8([&once[..], b"\n", &once].concat()).unwrap());
}

#[tokio::test]
async fn ranges_that_cannot_be_taken_whole_end_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("ip-ranges.json");
    std::fs::write(&empty, "").unwrap();
    for (given, exit) in [
        (empty.display().to_string(), Exit::Usage),
        ("/nonexistent/ip-ranges.json".to_owned(), Exit::Usage),
        ("https://ip-ranges.amazonaws.com/ip-ranges.json".to_owned(), Exit::Usage),
    ] {
        let mut out = Vec::new();
        let failure = run_to(&mut out, &check_of_nothing(&folder, &format!("--ip-ranges {given}"))).await.unwrap_err();
        assert_eq!((failure.exit, out.as_slice()), (exit, &b""[..]), "{given}: {:?}", failure.error);
    }
}

#[tokio::test]
async fn nothing_known_is_nothing_checked() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run_to(&mut io::sink(), &check_of_nothing(&folder, "")).await.unwrap(), Exit::NothingChecked);
}

#[tokio::test]
async fn the_report_goes_to_every_place_that_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let mut out = Vec::new();
    let line = check_of_nothing(&folder, &format!("--output jsonl --output json={}", file.display()));
    run_to(&mut out, &line).await.unwrap();
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(report["started"], "2001-09-09T01:46:40Z");
    let first = String::from_utf8(out).unwrap().lines().next().unwrap().to_owned();
    assert!(serde_json::from_str::<serde_json::Value>(&first).is_ok(), "{first}");
}

#[tokio::test]
async fn what_contradicts_itself_is_called_wrongly() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, exit) in [
        ("--output json --output yaml", Exit::Usage),
        ("--only os.nothing", Exit::NothingChecked),
        ("--skip os.nothing", Exit::Usage),
        ("--watch 1s --output json", Exit::Usage),
        ("--os-facts /nonexistent/os.json", Exit::Usage),
        ("--via browser --source 203.0.113.7/32", Exit::Usage),
    ] {
        let line = check_of_nothing(&folder, "").replace("--via public", "") + flags;
        let mut out = Vec::new();
        let failure = run_to(&mut out, &line).await.unwrap_err();
        assert_eq!((failure.exit, out.as_slice()), (exit, &b""[..]), "{flags}: {:?}", failure.error);
    }
    for line in ["check", "explain os.nothing", "policy --output yaml", "capture i-0123456789abcdef0 --to /proc"] {
        assert_eq!(run_to(&mut io::sink(), line).await.unwrap_err().exit, Exit::Usage, "{line}");
    }
}
