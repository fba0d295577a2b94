//! A run that is told to end says what it has, and what it had not come to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// An account as the user named it; `None` is the caller's own.
type AccountId = Option<String>;

/// The accounts and Regions whose look has not ended.
#[derive(Debug, Default)]
pub(super) struct Open(BTreeMap<AccountId, BTreeSet<String>>);

impl Open {
    pub(super) fn add(&mut self, account: AccountId, regions: &[String]) {
        self.0.entry(account).or_default().extend(regions.iter().cloned());
    }

    /// The Region's look has ended, well or not.
    pub(super) fn end(&mut self, account: &AccountId, region: &str) {
        if let Some(regions) = self.0.get_mut(account) {
            regions.remove(region);
        }
    }

    /// Nobody could look into the account.
    pub(super) fn end_account(&mut self, account: &AccountId) {
        self.0.remove(account);
    }

    /// Account and Region of each, in order.
    pub(super) fn left(self) -> impl Iterator<Item = (AccountId, String)> {
        self.0
            .into_iter()
            .flat_map(|(account, regions)| regions.into_iter().map(move |region| (account.clone(), region)))
    }
}

/// SIGINT and SIGTERM, from here on.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The name of the first that comes.
    pub(super) async fn first(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_ended_is_left() {
        let regions = ["eu-west-1".to_owned(), "us-east-1".to_owned()];
        let account = |id: &str| Some(id.to_owned());
        let mut open = Open::default();
        for id in ["1", "2", "3"] {
            open.add(account(id), &regions);
        }
        open.end(&account("1"), "us-east-1");
        open.end_account(&account("2"));
        open.end(&None, "eu-west-1");
        let left: Vec<_> = open.left().collect();
        let place = |id: &str, region: &str| (account(id), region.to_owned());
        assert_eq!(left, [place("1", "eu-west-1"), place("3", "eu-west-1"), place("3", "us-east-1")]);
    }
}
