//! Modules that compare the user: `pam_succeed_if`, `pam_localuser`, `pam_usertype`.

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::PamRule;
use crate::pam::access::Fit;
use crate::pam::control::Return;
use crate::pam::login::Login;
use crate::pam::reply::{Concern, Mend, Reply};
use crate::source;

use super::{argument, has};

/// Three words are a condition; the first that does not hold ends it (`pam_succeed_if(8)`).
pub(super) fn succeed_if(rule: &PamRule, login: &Login<'_>) -> Reply {
    use Return::{AuthErr, ServiceErr, Success};
    const OPTIONS: [&str; 6] = ["debug", "use_uid", "quiet", "quiet_fail", "quiet_success", "audit"];
    let words: Vec<&str> =
        rule.arguments.iter().map(Untrusted::raw).filter(|argument| !OPTIONS.contains(argument)).collect();
    let as_sshd = has(rule, "use_uid");
    for condition in words.chunks(3) {
        let &[left, comparison, right] = condition else {
            return Reply::no(ServiceErr, Concern::Way, "its condition is not complete");
        };
        let shown = Untrusted::from(condition.join(" "));
        match condition_holds(left, comparison, right, login, as_sshd) {
            Fit::Yes => {}
            Fit::No => {
                let mend = match (comparison, right.contains(':')) {
                    ("ingroup", false) => Mend::JoinGroup(right.to_owned()),
                    _ => Mend::Rule,
                };
                return Reply::no(AuthErr, Concern::Way, format!("`{shown}` does not hold")).mended_by(mend);
            }
            Fit::Unsure => {
                let why = format!("whether `{shown}` holds is not known");
                return Reply::either(&[Success, AuthErr], Concern::Way, why);
            }
        }
    }
    Reply::yes()
}

pub(super) fn condition_holds(left: &str, comparison: &str, right: &str, login: &Login<'_>, as_sshd: bool) -> Fit {
    let fit = |holds: bool| if holds { Fit::Yes } else { Fit::No };
    let (uid, gid, name, shell, home) = if as_sshd {
        (0, 0, "root", None, None)
    } else {
        let account = login.account;
        let text = (Some(account.shell.raw()), Some(account.home.raw()));
        (account.uid, account.gid, account.name.raw(), text.0, text.1)
    };
    let in_groups = || {
        let each = right.split(':').filter(|group| !group.is_empty()).map(|group| login.is_in_group(group));
        each.fold(Fit::No, |found, fit| match (found, fit) {
            (Fit::Yes, _) | (_, Fit::Yes) => Fit::Yes,
            (Fit::Unsure, _) | (_, Fit::Unsure) => Fit::Unsure,
            _ => Fit::No,
        })
    };
    let comparison = comparison.to_ascii_lowercase();
    match comparison.as_str() {
        "ingroup" | "notingroup" if as_sshd => return Fit::Unsure,
        "ingroup" => return in_groups(),
        "notingroup" => {
            return match in_groups() {
                Fit::Yes => Fit::No,
                Fit::No => Fit::Yes,
                Fit::Unsure => Fit::Unsure,
            };
        }
        "innetgr" | "notinnetgr" => return Fit::Unsure,
        _ => {}
    }
    let value = match left.to_ascii_lowercase().as_str() {
        "user" | "login" | "name" => Some(name.to_owned()),
        "uid" => Some(uid.to_string()),
        "gid" => Some(gid.to_string()),
        "shell" => shell.map(str::to_owned),
        "home" | "dir" | "homedir" => home.map(str::to_owned),
        "service" => Some(login.pam.service.raw().to_owned()),
        "tty" => Some("ssh".to_owned()),
        "ruser" => Some(String::new()),
        _ => None,
    };
    let Some(value) = value else { return Fit::Unsure };
    let numbers = || value.parse::<i64>().ok().zip(right.parse::<i64>().ok());
    let compare = |holds: fn(&i64, &i64) -> bool| fit(numbers().is_some_and(|(left, right)| holds(&left, &right)));
    match comparison.as_str() {
        "<" | "lt" => compare(i64::lt),
        "<=" | "le" => compare(i64::le),
        ">" | "gt" => compare(i64::gt),
        ">=" | "ge" => compare(i64::ge),
        "eq" => compare(i64::eq),
        "ne" => compare(i64::ne),
        "=" => fit(value == right),
        "!=" => fit(value != right),
        "in" => fit(right.split(':').any(|item| item == value)),
        "notin" => fit(!right.split(':').any(|item| item == value)),
        // fnmatch(3); only what has no brackets is worked out here.
        "=~" | "glob" if !right.contains(['[', '\\']) => fit(source::is_like(&value, right)),
        "!~" | "noglob" if !right.contains(['[', '\\']) => fit(!source::is_like(&value, right)),
        _ => Fit::Unsure,
    }
}

pub(super) fn local_user(rule: &PamRule, login: &Login<'_>) -> Reply {
    use Return::{PermDenied, Success};
    match &login.facts.account.is_local {
        Fact::Known(is_local) if argument(rule, "file=").is_none() => {
            if *is_local {
                Reply::yes()
            } else {
                Reply::no(PermDenied, Concern::Way, "the user is not in /etc/passwd")
            }
        }
        _ => Reply::either(&[Success, PermDenied], Concern::Way, "whether the user is in the file is not known"),
    }
}

pub(super) fn user_type(rule: &PamRule, login: &Login<'_>) -> Reply {
    use Return::{AuthErr, Success};
    const NOBODY: u32 = 65_534;
    const USUAL_UID_MIN: u32 = 1_000;
    let uid = login.account.uid;
    let defined = |key: &str| {
        let lines = login.file("/etc/login.defs")?.lines.known()?;
        lines.iter().find_map(|line| match line.text.raw().split_whitespace().collect::<Vec<_>>().as_slice() {
            [name, value, ..] if *name == key => value.parse::<u32>().ok(),
            _ => None,
        })
    };
    let is_read = login.file("/etc/login.defs").is_some_and(|file| matches!(file.lines, Fact::Known(_) | Fact::Absent));
    let uid_min = defined("UID_MIN").unwrap_or(USUAL_UID_MIN);
    let system_max = defined("SYS_UID_MAX").unwrap_or(uid_min.saturating_sub(1));
    let is_system = uid == NOBODY || (uid <= system_max && uid < uid_min);
    // Every distribution has its border between these.
    if !is_read && (100..=1_000).contains(&uid) && uid != USUAL_UID_MIN {
        return Reply::either(&[Success, AuthErr], Concern::Way, "/etc/login.defs was not read");
    }
    let holds = match (has(rule, "issystem"), has(rule, "isregular")) {
        (true, false) => is_system,
        (false, true) => !is_system,
        _ => return Reply::either(&[Success, AuthErr], Concern::Way, "its arguments are not understood"),
    };
    if holds { Reply::yes() } else { Reply::no(AuthErr, Concern::Way, format!("uid {uid} is of the other kind")) }
}
