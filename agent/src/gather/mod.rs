//! Looks: fills [`OsFacts`] through a [`Host`]. Judges nothing.
//!
//! A look that fails costs its own fact and says why. The same code reads the machine that it runs on (`real`, behind the feature
//! `host`) and the raw bytes that the probe script shipped ([`Recorded`]).

mod account;
mod firewall;
mod host;
mod hosts_access;
mod listen;
mod log;
mod network;
mod package;
mod pam;
mod process;
mod recorded;
mod resources;
mod security;
mod sshd;
mod systemd;
mod trust;

#[cfg(feature = "host")]
mod anchor;
#[cfg(feature = "host")]
mod as_user;
#[cfg(feature = "host")]
mod claim;
#[cfg(feature = "host")]
mod dbus;
#[cfg(feature = "host")]
mod imds;
#[cfg(feature = "host")]
mod journal;
#[cfg(feature = "host")]
mod keys_user;
#[cfg(feature = "host")]
mod libraries;
#[cfg(feature = "host")]
mod netlink;
#[cfg(feature = "host")]
mod program;
#[cfg(feature = "host")]
mod real;
#[cfg(feature = "host")]
mod run;

use std::thread;

use eic_doctor_proto::{Attempt, Fact, Via};

use crate::checks::version;
use crate::facts::{ImdsFacts, ImdsView, OsFacts, SystemFacts, TrustFacts};
use crate::parse;

#[cfg(feature = "host")]
pub use as_user::{KEYS_USER_VIEW_COMMAND, KeysUserViewArgs, print_keys_user_view};
#[cfg(feature = "host")]
pub use claim::{InstanceClaim, gather_claim, hardware_id};
pub use host::{Host, KeysUserQuestion, KeysUserView, NetlinkTable, Property, Ran, Run, Tail};
#[cfg(feature = "host")]
pub use real::RealHost;
pub use recorded::Recorded;
#[cfg(feature = "host")]
pub use run::run_ourselves;

/// Where programs send log messages, and where systemd's journal takes them.
const LOG_SOCKETS: [&str; 2] = ["/dev/log", "/run/systemd/journal/dev-log"];

/// Everything that this version knows to look for.
///
/// The metadata service, the package manager and sshd are asked at the same time, so that a run takes as long as the slowest of them.
pub fn gather(host: &dyn Host, attempt: &Attempt) -> OsFacts {
    thread::scope(|scope| {
        let mut as_root = Waited::For(scope.spawn(|| host.imds(&attempt.os_user)));
        let system = gather_system(host);
        let package = {
            let release = system.os_release.clone();
            scope.spawn(move || package::gather_package(host, release.known()))
        };
        let seen = process::gather_processes(host);
        let (unit, socket) = systemd::gather_units(host);
        let process = seen.listener(attempt.port);
        let resources = resources::gather_resources(host, &process);
        let os_user = account::gather_os_user(host, &attempt.os_user);
        let listeners = listen::gather_listeners(host, &seen, &socket, attempt.port);
        let port_holder = listen::gather_port_holder(host, &seen, attempt.port);
        let seen = sshd::Seen { process, unit, socket, listeners, port_holder, account: &os_user };
        let sshd = sshd::gather_sshd(host, attempt, seen, || region(&mut as_root, attempt));
        let keys_user = account::gather_keys_user(host, &account::keys_user_name(&sshd.effective, &sshd.process));
        // From here on everything that the keys user's view hangs on is known.
        let as_keys_user = {
            let account = keys_user.clone();
            let program = package::program(&sshd.effective);
            let process = sshd.process.known().map(|process| process.pid);
            scope.spawn(move || {
                let os_user = &attempt.os_user;
                host.keys_user_view(&KeysUserQuestion { account: &account, os_user, program, process })
            })
        };
        let trust = trust::gather_trust(host, &sshd.effective);
        let log = log::gather_log(host, attempt, &keys_user);
        let facts = OsFacts {
            gathered_by: Fact::Known(host.gathered_by()),
            uid: host.uid(),
            keys_command: package::gather_keys_command(host, &sshd.effective),
            account: account::gather_account_facts(host, os_user, &attempt.os_user, &sshd.effective, keys_user),
            sshd,
            trust,
            security: security::gather_security(host),
            firewall: firewall::gather_firewall(host, attempt),
            network: network::gather_network(host),
            resources,
            log,
            system,
            ..OsFacts::default()
        };
        // A thread that panicked leaves its facts as nobody gathered them.
        let KeysUserView { imds, facts: seen, signer } = as_keys_user.join().unwrap_or_default();
        let package = package.join().unwrap_or_default();
        let asks_without_token = package
            .ec2_instance_connect
            .known()
            .is_some_and(|package| version::asks_without_token(package.version.raw()) == Some(true));
        let without_token = if asks_without_token { host.imds_without_token() } else { Fact::NotGathered };
        OsFacts {
            package,
            imds: ImdsFacts { as_root: as_roots(as_root.done(), &facts.uid), as_keys_user: imds, without_token },
            keys_user: seen,
            trust: TrustFacts { signer, ..facts.trust },
            ..facts
        }
    })
}

/// What a thread finds, before it is needed and after.
enum Waited<'scope> {
    For(thread::ScopedJoinHandle<'scope, ImdsView>),
    Done(Box<ImdsView>),
}

impl Waited<'_> {
    /// A thread that panicked leaves its facts as nobody gathered them.
    fn done(self) -> ImdsView {
        match self {
            Self::For(thread) => thread.join().unwrap_or_default(),
            Self::Done(view) => *view,
        }
    }
}

/// The Region, waited for where the console's client connects from that Region's own addresses.
fn region(as_root: &mut Waited<'_>, attempt: &Attempt) -> Option<String> {
    if attempt.via != Via::Browser || attempt.source.is_some() {
        return None;
    }
    let view = std::mem::replace(as_root, Waited::Done(Box::default())).done();
    let region = view.region.known().filter(|answer| answer.status == 200).map(|answer| answer.body.raw().to_owned());
    *as_root = Waited::Done(Box::new(view));
    region
}

/// What another user than root was told of the instance holds for root too; whether root is answered does not follow.
fn as_roots(mut view: ImdsView, uid: &Fact<u32>) -> ImdsView {
    if let (Fact::Known(uid @ 1..), Fact::Known(answer)) = (uid, &view.token) {
        view.token = Fact::unreadable(format!("needs root; uid {uid} was answered with HTTP {}", answer.status));
    }
    view
}

fn gather_system(host: &dyn Host) -> SystemFacts {
    // os-release(5): the file in /etc takes precedence.
    let bytes = match host.read("/etc/os-release") {
        Fact::Absent => host.read("/usr/lib/os-release"),
        found => found,
    };
    SystemFacts {
        os_release: bytes.map(|bytes| parse::parse_os_release(&bytes).value),
        machine: host.machine(),
        log_sockets: Fact::Known(LOG_SOCKETS.iter().map(|path| host.file_state(path)).collect()),
    }
}
