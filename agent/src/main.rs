//! Reads arguments, builds the real parts, calls [`run::run`], turns the answer into an exit code. Decides nothing.

mod args;
mod fleet;
mod run;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use eic_doctor_agent::gather::RealHost;
use eic_doctor_agent::render::Style;
use eic_doctor_agent::report::chain;

fn main() -> ExitCode {
    let args = args::Args::parse();
    // What we start begins where we are, and needs no folder of the caller's. `/` is always there.
    let _ = std::env::set_current_dir("/");
    let host = RealHost::new(args.timeout());
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let stdout = io::stdout();
    // https://no-color.org: any value but the empty one.
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let color = stdout.is_terminal() && !no_color;
    let mut out = io::BufWriter::new(stdout.lock());
    let exit = run::run(&args, &host, started, Style { color, verbose: false }, &mut out)
        .and_then(|exit| out.flush().map(|()| exit).map_err(run::RunError::Write));
    match exit {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            // A closed stderr leaves nobody to tell.
            let _ = writeln!(io::stderr(), "error: {}", chain(&error));
            ExitCode::from(error.exit().code())
        }
    }
}
