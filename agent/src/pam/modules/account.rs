//! Modules that ask of the account itself: `pam_unix`, `pam_nologin`, `pam_shells`.

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::{PamRule, PasswordField};
use crate::pam::control::Return;
use crate::pam::expiry::{Expiry, expiry};
use crate::pam::login::Login;
use crate::pam::reply::{Concern, Mend, Reply};

use super::{argument, has};

pub(super) fn unix(rule: &PamRule, login: &Login<'_>) -> Reply {
    use Return::{AcctExpired, AuthinfoUnavail, AuthtokExpired, NewAuthtokReqd, Success};
    if login.account.password != PasswordField::Shadowed {
        return Reply::yes();
    }
    let shadow = match &login.facts.account.shadow {
        Fact::Known(shadow) => shadow,
        Fact::Absent if has(rule, "broken_shadow") => return Reply::yes(),
        Fact::Absent => {
            let why = format!("`{}` has no line in /etc/shadow", login.account.name);
            return Reply::no(AuthinfoUnavail, Concern::Expiry, why);
        }
        Fact::Unreadable(why) => {
            return Reply::either(&[Success, AcctExpired], Concern::Expiry, format!("/etc/shadow: {}", why.reason));
        }
        Fact::NotGathered => {
            return Reply::either(&[Success, AcctExpired], Concern::Expiry, "/etc/shadow: not gathered");
        }
    };
    let Some(today) = login.facts.account.today.known() else {
        let never = shadow.expires.is_none() && shadow.maximum.is_none() && shadow.last_change != Some(0);
        if never {
            return Reply::yes();
        }
        return Reply::either(&[Success, AcctExpired], Concern::Expiry, "what day it is on the instance is not known");
    };
    let ignores_password = has(rule, "no_pass_expiry");
    match expiry(shadow, i64::from(*today)) {
        Expiry::None => Reply::yes(),
        Expiry::Account(_) => Reply::no(AcctExpired, Concern::Expiry, "the account has expired"),
        _ if ignores_password => Reply::yes(),
        // Past the days of grace PAM closes the connection; before that the session begins and ends.
        Expiry::Aged { days, maximum }
            if shadow.inactive.is_some_and(|inactive| days > maximum.saturating_add(inactive)) =>
        {
            Reply::no(AuthtokExpired, Concern::Expiry, "the password has run out")
        }
        Expiry::ChangeWanted | Expiry::Aged { .. } => {
            Reply::no(NewAuthtokReqd, Concern::Expiry, "the password must be changed")
        }
        Expiry::Border => Reply::either(&[Success, NewAuthtokReqd], Concern::Expiry, "the password falls due today"),
    }
}

pub(super) fn nologin(rule: &PamRule, login: &Login<'_>) -> Reply {
    use Return::{AuthErr, Ignore, Success};
    let otherwise = if has(rule, "successok") { Success } else { Ignore };
    let named = argument(rule, "file=");
    let facts = &login.facts.account;
    let looks: Vec<(&str, Fact<()>)> = match named {
        Some(path) => vec![(path, login.file(path).map_or(Fact::NotGathered, |file| file.lines.as_ref().map(|_| ())))],
        None => vec![
            ("/run/nologin", facts.run_nologin.as_ref().map(|_| ())),
            ("/etc/nologin", facts.etc_nologin.as_ref().map(|_| ())),
        ],
    };
    if login.account.uid == 0 {
        return Reply::one(otherwise, Concern::Nologin);
    }
    if let Some((path, _)) = looks.iter().find(|(_, look)| *look == Fact::Known(())) {
        return Reply::no(AuthErr, Concern::Nologin, format!("{} exists", Untrusted::from(*path)));
    }
    match looks.iter().find(|(_, look)| *look != Fact::Absent) {
        Some((path, look)) => {
            let why = match look {
                Fact::Unreadable(why) => why.reason.as_str(),
                _ => "not gathered",
            };
            Reply::either(&[otherwise, AuthErr], Concern::Nologin, format!("{}: {why}", Untrusted::from(*path)))
        }
        None => Reply::one(otherwise, Concern::Nologin),
    }
}

pub(super) fn shells(login: &Login<'_>) -> Reply {
    use Return::{AuthErr, Success};
    let either = |why: &str| Reply::either(&[Success, AuthErr], Concern::Access, format!("/etc/shells: {why}"));
    let Some(file) = login.file("/etc/shells") else { return either("not gathered") };
    let shell = Some(login.account.shell.raw()).filter(|shell| !shell.is_empty()).unwrap_or("/bin/sh");
    match &file.lines {
        Fact::Known(lines) if lines.iter().any(|line| line.text.raw() == shell) => Reply::one(Success, Concern::Access),
        Fact::Known(_) => {
            let why = format!("the shell `{}` is not in /etc/shells", Untrusted::from(shell));
            Reply::no(AuthErr, Concern::Access, why)
                .mended_by(Mend::Append { file: "/etc/shells".to_owned(), text: shell.to_owned() })
        }
        Fact::Absent => Reply::no(AuthErr, Concern::Access, "there is no /etc/shells"),
        Fact::Unreadable(why) => either(&why.reason),
        Fact::NotGathered => either("not gathered"),
    }
}
