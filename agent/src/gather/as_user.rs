//! The metadata service as the keys user meets it: a child process of ourselves that has become that user.
//!
//! An owner-match firewall rule may let root through and the keys user not (`domain.md` §0.1, 4), so asking as root says nothing.

use std::io::Write;
use std::os::unix::process::CommandExt as _;

use eic_doctor_proto::{Fact, OsUser};

use crate::facts::{Account, ImdsView};

use super::{imds, run};

/// The hidden subcommand of `eic-doctor-agent` that prints one [`ImdsView`] as JSON.
pub const IMDS_VIEW_COMMAND: &str = "imds-view";

/// What the child does.
pub fn print_imds_view(os_user: &OsUser, out: &mut dyn Write) -> std::io::Result<()> {
    let view = run::runtime()?.block_on(imds::view(imds::ADDRESS, os_user));
    serde_json::to_writer(out, &view).map_err(std::io::Error::other)
}

pub(super) fn view_as(account: &Fact<Account>, we_are_root: bool, os_user: &OsUser) -> ImdsView {
    let account = match account {
        Fact::Known(account) => account,
        Fact::Absent => return unreadable("the keys user does not exist"),
        Fact::Unreadable(why) => return unreadable(&format!("the keys user: {}", why.reason)),
        Fact::NotGathered => return ImdsView::default(),
    };
    if !we_are_root {
        return unreadable(&format!("needs root to become {}", account.name));
    }
    // The link of our own process leads to our program also where the keys user could not walk to it.
    let mut command = run::command("/proc/self/exe");
    // Rust's `uid` drops the supplementary groups when root calls it.
    command.args([IMDS_VIEW_COMMAND, "--os-user", os_user.as_str()]).uid(account.uid).gid(account.gid);
    // The child keeps the view's own limit; this one is for a child that does not even start.
    let ran = match run::run(command, imds::VIEW_TIMEOUT + std::time::Duration::from_secs(1)) {
        Fact::Known(ran) => ran,
        Fact::Absent => return unreadable("our own program is not there any more"),
        Fact::Unreadable(why) => return unreadable(&format!("become {}: {}", account.name, why.reason)),
        Fact::NotGathered => return ImdsView::default(),
    };
    match serde_json::from_slice(&ran.stdout) {
        Ok(view) if ran.status == Some(0) => view,
        _ => unreadable(&ran.reason(&format!("asking as {}", account.name))),
    }
}

/// The first request could not be made, and so none was.
fn unreadable(reason: &str) -> ImdsView {
    ImdsView { token: Fact::unreadable(reason), ..ImdsView::default() }
}
