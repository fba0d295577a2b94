//! The accounts that a login through EC2 Instance Connect needs.

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountFacts {
    /// The attempt's OS user, looked up as sshd would (name service switch); absent when nobody has that name.
    pub os_user: Fact<Account>,
    /// The user of `AuthorizedKeysCommandUser` (`ec2-instance-connect` where none is configured).
    pub keys_user: Fact<Account>,
    /// Who besides root (uid 0) has root's group (gid 0) as primary or supplementary group, by `/etc/passwd` and `/etc/group`. Debian's sshd
    /// takes a group-writable keys command only where nobody does.
    pub root_group_members: Fact<Vec<Untrusted>>,
}

/// A line of `passwd(5)` without the password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    pub name: Untrusted,
    pub uid: u32,
    pub gid: u32,
    pub home: Untrusted,
    pub shell: Untrusted,
}
