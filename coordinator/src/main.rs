//! Reads the arguments, builds the real parts, runs, and turns the answer into an exit code.

mod stdout;

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser as _;
use eic_doctor::args::{Cli, Command};
use eic_doctor::commands::{Console, Failure, run};
use eic_doctor::gather::{CHECKIP_URL, chain};
use eic_doctor_proto::Exit;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (mut out, mut err) = (stdout::Out::of_this_process(), io::stderr());
    let mut console = Console {
        is_out_terminal: out.is_terminal(),
        is_err_terminal: err.is_terminal(),
        may_color: env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && env::var_os("TERM").is_none_or(|term| term != "dumb"),
        now: SystemTime::now,
        checkip_url: env::var("EIC_DOCTOR_CHECKIP_URL").unwrap_or_else(|_| CHECKIP_URL.to_owned()),
        out: &mut out,
        err: &mut err,
    };
    let runtime = match cli.command {
        // Many agents at once; everything else waits for one answer after another.
        Command::Serve(_) => Builder::new_multi_thread().enable_all().build(),
        _ => Builder::new_current_thread().enable_all().build(),
    };
    let done = runtime.map_err(Failure::internal).and_then(|runtime| {
        let done = runtime.block_on(run(cli, &mut console));
        // A name look-up that hangs must not hold up the end.
        runtime.shutdown_background();
        done
    });
    let exit = done.unwrap_or_else(|failure| {
        let _ = writeln!(io::stderr(), "error: {}", chain(failure.error.as_ref()));
        failure.exit
    });
    ExitCode::from(Exit::code(exit))
}
