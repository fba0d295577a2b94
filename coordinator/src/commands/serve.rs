//! `eic-doctor serve`: until it is told to stop; a second signal stops at once.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use eic_doctor_proto::{Exit, visible};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::console::{Console, Failure, written};
use crate::args::ServeArgs;
use crate::authority::AuthorityError;
use crate::gather::chain;
use crate::page::session;
use crate::server::config::Config;
use crate::server::{Coordinator, Log, ServeError, allow_open_files, check_files};
use crate::store::Millis;

pub(super) async fn serve(args: &ServeArgs, console: &mut Console<'_>) -> Result<Exit, Failure> {
    if let Some(name) = &args.new_token {
        return written(new_token(name, console.out), "the token");
    }
    if args.check_config {
        let config = Config::read(&args.config).map_err(Failure::usage)?;
        if !args.syntax_only {
            check_files(&config).map_err(Failure::usage)?;
        }
        console.notice(&format!("{}: sound", args.config.display()));
        return Ok(Exit::Healthy);
    }
    let log = Log::new(Box::new(io::stderr()), args.log_json, now);
    match serve_on(args, &log).await {
        // Whoever reads JSON finds the last line in it too.
        Err(failure) if args.log_json => {
            log.line(&format!("error: {}", chain(failure.error.as_ref())));
            Ok(failure.exit)
        }
        served => served,
    }
}

async fn serve_on(args: &ServeArgs, log: &Log) -> Result<Exit, Failure> {
    let config = Config::read(&args.config).map_err(Failure::usage)?;
    if let Some(told) = allow_open_files(config.limits.connections) {
        log.line(&told);
    }
    let (stopping, stop) = watch::channel(false);
    let mut signals = Signals::new().map_err(Failure::internal)?;
    let coordinator = tokio::select! {
        begun = Coordinator::begin(config, log.clone(), now) => begun.map_err(failure)?,
        () = signals.next() => return Ok(Exit::Healthy),
    };
    let serving = coordinator.serve(stop);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        served = serving.as_mut() => return served.map(|()| Exit::Healthy).map_err(failure),
        () = signals.next() => {}
    }
    // Nobody listening any more is no reason not to stop.
    let _ = stopping.send(true);
    tokio::select! {
        served = serving.as_mut() => served.map(|()| Exit::Healthy).map_err(failure),
        () = signals.next() => {
            log.line("stopped at once");
            Ok(Exit::Healthy)
        }
    }
}

/// The token is shown once and kept nowhere.
fn new_token(name: &str, out: &mut dyn Write) -> io::Result<()> {
    let (token, sha256) = session::new_token();
    writeln!(out, "The token, for {} alone:\n\n    {token}\n", visible(name))?;
    writeln!(out, "For the coordinator's configuration, with the role that is wanted (read, check or admin):\n")?;
    // Of TOML's strings, JSON's are the ones in double quotes.
    let quoted = serde_json::to_string(name)?;
    writeln!(out, "[[page.operators]]\nname = {quoted}\nrole = \"check\"\ntoken_sha256 = \"{sha256}\"")
}

fn failure(error: ServeError) -> Failure {
    match error {
        // The rest of an authority's errors may mend themselves: a folder that is not mounted yet.
        ServeError::Config(_)
        | ServeError::Authority(
            AuthorityError::OpenToOthers { .. }
            | AuthorityError::Lacks { .. }
            | AuthorityError::OtherKey { .. }
            | AuthorityError::NoAuthority { .. }
            | AuthorityError::Unusable { .. },
        )
        | ServeError::RegionCertificates(_)
        | ServeError::Operators { .. }
        | ServeError::PageSecret { .. }
        | ServeError::Target(_) => Failure::usage(error),
        ServeError::Aws(_) => Failure::nothing_checked(error),
        _ => Failure::internal(error),
    }
}

/// SIGTERM, which a service manager sends, and SIGINT, which a terminal does.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
