//! The bounded driver: so many executions, each repeatable, with a watch on time and memory.

use std::io::Write as _;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use crate::mutate::Mutator;

const USAGE: &str = "[EXECUTIONS [SEED [NUMBER]]]  (NUMBER: only the input of this number; it is written to a file)";
/// One input of a megabyte takes some 10 ms; this is for a busy machine.
const SLOW: Duration = Duration::from_secs(5);
/// A parser may make much of a megabyte, but not more than this.
const MEMORY: u64 = 160 * 1024 * 1024;

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The `main` of a target. Prints one line: name, executions, executions per second, the slowest one, the memory at its highest.
pub fn bounded(name: &'static str, cost: u64, look: fn(&[u8])) -> ExitCode {
    let arguments: Result<Vec<u64>, _> = env::args().skip(1).map(|argument| argument.parse()).collect();
    let (executions, seed, only) = match arguments.as_deref() {
        Ok([]) => (100_000, 1, None),
        Ok([executions]) => (*executions, 1, None),
        Ok([executions, seed]) => (*executions, *seed, None),
        Ok([executions, seed, number]) => (*executions, *seed, Some(*number)),
        _ => return failed(&format!("usage: {name} {USAGE}")),
    };
    let mutator = match corpus(&folder(name)) {
        Ok(corpus) if !corpus.is_empty() => Mutator::new(corpus, seed),
        Ok(_) => return failed(&format!("{name}: the corpus is empty")),
        Err(error) => return failed(&format!("{name}: read the corpus: {error}")),
    };
    if let Some(number) = only {
        let path = format!("{name}-{seed}-{number}");
        if let Err(error) = fs::write(&path, mutator.input(number)) {
            return failed(&format!("{name}: write {path}: {error}"));
        }
    }
    // Also a panic in a thread that somebody else joins.
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        told(panicked);
        found(name, seed, "panics");
    }));
    let (_runs, ended) = channel();
    thread::spawn(move || watch(name, seed, &ended));
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    let executions = (executions / cost).max(1);
    for number in only.map_or(0..executions, |number| number..number + 1) {
        let input = mutator.input(number);
        NUMBER.store(number + 1, Ordering::Relaxed);
        let one = Instant::now();
        look(&input);
        slowest = slowest.max(one.elapsed());
    }
    let seconds = begun.elapsed().as_secs_f64().max(0.001);
    let memory = peak_memory().unwrap_or_default();
    let line = format!(
        "{name:20} {executions:9} executions {:9.0}/s  slowest {:7.2} ms  memory {:4} MB",
        executions as f64 / seconds,
        slowest.as_secs_f64() * 1e3,
        memory / 1024 / 1024,
    );
    let _ = writeln!(io::stdout(), "{line}");
    match () {
        () if slowest > SLOW => failed(&format!("{name}: one execution took longer than {SLOW:?}")),
        () if memory > MEMORY => failed(&format!("{name}: it took more than {MEMORY} bytes of memory")),
        () => ExitCode::SUCCESS,
    }
}

fn failed(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::FAILURE
}

fn found(name: &str, seed: u64, what: &str) {
    let number = NUMBER.load(Ordering::Relaxed).saturating_sub(1);
    let _ = writeln!(io::stderr(), "{name} {what}; to have the input as a file: {name} 1 {seed} {number}");
    process::exit(1);
}

/// Ends the program when one execution does not, until the run has ended.
fn watch(name: &str, seed: u64, ended: &Receiver<()>) {
    let mut before = u64::MAX;
    while ended.recv_timeout(2 * SLOW) == Err(RecvTimeoutError::Timeout) {
        let now = NUMBER.load(Ordering::Relaxed);
        if now == before {
            found(name, seed, "hangs");
        }
        before = now;
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// In the order of their names, so that a number means the same input everywhere.
fn corpus(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort_unstable();
    paths.iter().map(fs::read).collect()
}

/// `VmHWM` of proc(5), in bytes.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
