//! Accounts, looked up as sshd would look them up.
//!
//! sshd asks the name service switch. A static program cannot (glibc's switch loads the host's shared libraries into it), so
//! `/etc/passwd` answers where the switch would stop there, and `getent passwd NAME` answers everything else.

use std::time::Duration;

use eic_doctor_proto::{Fact, OsUser, Untrusted};

use crate::facts::{Account, EffectiveConfig, SshdProcess};
use crate::parse;

use super::host::{Host, Run};

/// The user of AuthorizedKeysCommandUser in every package of EC2 Instance Connect (`domain.md` §2.4).
const USUAL_KEYS_USER: &str = "ec2-instance-connect";
/// A directory that needs longer to answer makes logins fail too.
const GETENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Members of root's group that are kept; one is one too many.
const MEMBERS: usize = 16;

pub(super) fn gather_os_user(host: &dyn Host, os_user: &OsUser) -> Fact<Account> {
    gather_account(host, "getent-os-user", os_user.as_str())
}

pub(super) fn gather_keys_user(host: &dyn Host, name: &str) -> Fact<Account> {
    gather_account(host, "getent-keys-user", name)
}

/// What the running sshd says for this attempt, else what its arguments say, else the usual name.
pub(super) fn keys_user_name(effective: &Fact<EffectiveConfig>, process: &Fact<SshdProcess>) -> String {
    const KEYWORD: &str = "authorizedkeyscommanduser";
    let configured = effective.known().and_then(|config| config.first(KEYWORD));
    let argument = || {
        let options = &process.known()?.options;
        options.iter().find(|option| option.keyword.raw() == KEYWORD).map(|option| &option.value)
    };
    configured
        .or_else(argument)
        .map(Untrusted::raw)
        .filter(|name| !name.is_empty() && *name != "none")
        .unwrap_or(USUAL_KEYS_USER)
        .to_owned()
}

/// Debian's sshd walks through all accounts; a directory service as a rule lists none, so the files tell.
pub(super) fn gather_root_group_members(host: &dyn Host) -> Fact<Vec<Untrusted>> {
    let accounts = match host.read("/etc/passwd").map(|bytes| parse::parse_passwd(&bytes).value) {
        Fact::Known(accounts) => accounts,
        Fact::Absent => return Fact::Absent,
        Fact::Unreadable(why) => return Fact::Unreadable(why),
        Fact::NotGathered => return Fact::NotGathered,
    };
    host.read("/etc/group").map(|bytes| {
        let primary = accounts.into_iter().filter(|account| account.gid == 0 && account.uid != 0);
        let groups = parse::parse_group(&bytes).value;
        // getgrgid(3) answers with the first line of a number.
        let group = groups.into_iter().find(|group| group.gid == 0);
        let supplementary = group.into_iter().flat_map(|group| group.members).filter(|member| member.raw() != "root");
        let mut members: Vec<Untrusted> = primary.map(|account| account.name).chain(supplementary).collect();
        members.dedup();
        members.truncate(MEMBERS);
        members
    })
}

fn gather_account(host: &dyn Host, recording: &'static str, name: &str) -> Fact<Account> {
    let services = match host.read("/etc/nsswitch.conf") {
        Fact::Known(bytes) => parse::parse_nsswitch_passwd(&bytes).value,
        // musl has no switch, and glibc without the file (or the line) asks the files alone.
        Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => Vec::new(),
    };
    // `compat` reads the same file, and so does `altfiles` with another one besides.
    let files_come_first = services.first().is_none_or(|service| service == "files" || service == "compat");
    let in_files = host
        .read("/etc/passwd")
        .map(|bytes| parse::parse_passwd(&bytes).value.into_iter().find(|account| account.name.raw() == name));
    match in_files {
        Fact::Known(Some(account)) if files_come_first => return Fact::Known(account),
        Fact::Known(None) if services.iter().all(|service| service == "files") => return Fact::Absent,
        _ => {}
    }
    if !is_account_name(name) {
        return Fact::unreadable("the name is not one to ask the name service for");
    }
    match host.run(&Run::new(recording, "getent", GETENT_TIMEOUT).args(["passwd", name])) {
        Fact::Known(ran) if ran.status == Some(0) => {
            let accounts = parse::parse_passwd(&ran.stdout).value;
            match accounts.into_iter().next() {
                Some(account) => Fact::Known(account),
                None => Fact::unreadable("`getent passwd` answered with no account"),
            }
        }
        // getent(1): one of the keys could not be found.
        Fact::Known(ran) if ran.status == Some(2) => Fact::Absent,
        Fact::Known(ran) => Fact::unreadable(ran.reason("`getent passwd`")),
        Fact::Absent => match in_files {
            Fact::Known(Some(account)) => Fact::Known(account),
            Fact::Known(None) => Fact::unreadable("not in /etc/passwd, and there is no `getent` to ask the others"),
            Fact::Absent => Fact::unreadable("there is neither /etc/passwd nor `getent`"),
            Fact::Unreadable(why) => Fact::Unreadable(why),
            Fact::NotGathered => Fact::NotGathered,
        },
        Fact::Unreadable(why) => Fact::unreadable(format!("`getent passwd`: {}", why.reason)),
        Fact::NotGathered => Fact::NotGathered,
    }
}

/// A name that no program takes for an option or a number.
fn is_account_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-@$".contains(c))
}
