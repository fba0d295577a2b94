//! `ListAccounts`.

use aws_sdk_organizations::types as sdk;

use super::word;
use crate::gather::fleet::operations::Member;

/// `State` came later than `Status`, and not every partition tells it yet.
pub fn member(from: sdk::Account) -> Member {
    Member { id: from.id.unwrap_or_default(), state: word(from.state).or(word(from.status)) }
}
