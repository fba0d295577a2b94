//! `--output FORMAT[=FILE]`, several times.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use eic_doctor_agent::render::Style;
use eic_doctor_proto::{FailOn, Report};

use super::console::{Console, Failure, written};
use crate::args::{Color, GlobalArgs};
use crate::gather::chain;
use crate::render::{Format, Output, write};

/// Refuses what would mix or lose reports, before anything is asked.
pub(super) fn sound(global: &GlobalArgs) -> Result<(), Failure> {
    let mut files: Vec<PathBuf> = global.output.iter().filter_map(|output| output.file.as_deref()).map(whole).collect();
    files.sort_unstable();
    if let Some(twice) = files.windows(2).find_map(|pair| pair.first().filter(|first| pair.last() == Some(first))) {
        return Err(Failure::usage(anyhow!("two `--output` go to {}: give each a file of its own", twice.display())));
    }
    match global.output.iter().filter(|output| output.file.is_none()).count() {
        0 | 1 => Ok(()),
        _ => Err(Failure::usage(anyhow!(
            "only one `--output` can go to stdout: give the others a file, as in json=FILE"
        ))),
    }
}

/// The path from the root, links of its folder followed: one file has one.
fn whole(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        // That it cannot be written is told when it is.
        _ => path.to_owned(),
    }
}

/// For `--watch`: of one document a run there cannot be several.
pub(super) fn repeatable(global: &GlobalArgs) -> Result<(), Failure> {
    match global.output.iter().find(|output| output.file.is_none()).map(|output| output.format) {
        None | Some(Format::Human | Format::Jsonl) => Ok(()),
        Some(_) => Err(Failure::usage(anyhow!(
            "`--watch` writes many reports to stdout: give `--output jsonl`, or the other format a file, as in json=FILE"
        ))),
    }
}

/// Before another report for people: a terminal is cleared, elsewhere an empty line stands between two.
pub(super) fn apart(global: &GlobalArgs, is_first: bool, console: &mut Console<'_>) {
    let is_for_people =
        global.output.iter().find(|output| output.file.is_none()).is_none_or(|output| output.format == Format::Human);
    let between: &[u8] = match (is_for_people, console.is_out_terminal, is_first) {
        // Cursor to the first cell, then erase what is shown and what was.
        (true, true, _) => b"\x1b[H\x1b[2J\x1b[3J",
        (true, false, false) => b"\n",
        _ => b"",
    };
    // The report that follows meets the same trouble, and tells it.
    let _ = console.out.write_all(between);
}

/// How people see what goes to stdout.
pub(super) fn style(global: &GlobalArgs, console: &Console<'_>) -> Style {
    let color = match global.color {
        Color::Auto => console.is_out_terminal && console.may_color,
        Color::Always => true,
        Color::Never => false,
    };
    Style { color, verbose: global.verbose }
}

/// Every report that was asked for; for people on stdout, unless another format goes there. `false` when stdout's reader is gone.
pub(super) fn put(
    report: &Report,
    global: &GlobalArgs,
    fail_on: FailOn,
    console: &mut Console<'_>,
) -> Result<bool, Failure> {
    let for_people = Output { format: Format::Human, file: None };
    let to_stdout = global.output.iter().find(|output| output.file.is_none()).unwrap_or(&for_people);
    let style = style(global, console);
    let shown = write(report, to_stdout.format, style, fail_on, console.out).and_then(|()| console.out.flush());
    let is_read = !matches!(&shown, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
    let mut failed = Vec::new();
    for output in &global.output {
        if let Some(path) = &output.file {
            let style = Style { color: false, ..style };
            let file = File::create(path).map(BufWriter::new);
            let done: io::Result<()> = file.and_then(|mut file| {
                write(report, output.format, style, fail_on, &mut file).and_then(|()| file.flush())
            });
            failed.extend(done.with_context(|| format!("write the report to {}", path.display())).err());
        }
    }
    // Last, so that a stream that is closed, or a file that cannot be written, takes no other along. All are told but the last, which
    // is the command's own error.
    let last = failed.pop();
    for error in failed {
        console.notice(&format!("error: {}", chain(error.as_ref())));
    }
    written(shown, "the report to stdout").and_then(|_| last.map_or(Ok(is_read), |error| Err(Failure::internal(error))))
}
