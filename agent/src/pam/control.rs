//! The control field of a rule: what follows from what the module returned (`pam.conf(5)`).

/// What a module can return here, by the name that control fields have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Return {
    Success,
    NewAuthtokReqd,
    Ignore,
    UserUnknown,
    AcctExpired,
    AuthtokExpired,
    AuthinfoUnavail,
    AuthErr,
    PermDenied,
    ServiceErr,
    SessionErr,
    ModuleUnknown,
}

impl Return {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::NewAuthtokReqd => "new_authtok_reqd",
            Self::Ignore => "ignore",
            Self::UserUnknown => "user_unknown",
            Self::AcctExpired => "acct_expired",
            Self::AuthtokExpired => "authtok_expired",
            Self::AuthinfoUnavail => "authinfo_unavail",
            Self::AuthErr => "auth_err",
            Self::PermDenied => "perm_denied",
            Self::ServiceErr => "service_err",
            Self::SessionErr => "session_err",
            Self::ModuleUnknown => "module_unknown",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Ignore,
    Ok,
    Done,
    Bad,
    Die,
    Reset,
    /// Passes over so many of the rules that follow.
    Jump(usize),
}

pub fn action(control: &str, returned: Return) -> Action {
    let is_yes = matches!(returned, Return::Success | Return::NewAuthtokReqd);
    match control.to_ascii_lowercase().as_str() {
        "required" if is_yes => Action::Ok,
        "requisite" if is_yes => Action::Ok,
        "required" | "requisite" if returned == Return::Ignore => Action::Ignore,
        "required" => Action::Bad,
        "requisite" => Action::Die,
        "optional" if is_yes => Action::Ok,
        "sufficient" if is_yes => Action::Done,
        "optional" | "sufficient" => Action::Ignore,
        _ => of_list(control, returned.name()).unwrap_or(Action::Bad),
    }
}

/// `success=1 default=ignore`. A return without a word of its own is the default's, and bad where there is none; so is everything in a
/// list that is not understood.
fn of_list(control: &str, name: &str) -> Option<Action> {
    let mut named = None;
    let mut default = None;
    let mut rest = control.trim_start();
    while !rest.is_empty() {
        let (word, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let (value, next) = after.split_at_checked(end)?;
        let action = match value {
            "ignore" => Action::Ignore,
            "ok" => Action::Ok,
            "done" => Action::Done,
            "bad" => Action::Bad,
            "die" => Action::Die,
            "reset" => Action::Reset,
            number => Action::Jump(number.parse().ok().filter(|jump| *jump > 0)?),
        };
        match word.trim() {
            "default" => default = default.or(Some(action)),
            word if word == name => named = Some(action),
            word if word.chars().all(|c| c.is_ascii_lowercase() || c == '_') => {}
            _ => return None,
        }
        rest = next.trim_start();
    }
    named.or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_and_the_lists_say_what_the_manual_says() {
        for (control, returned, expected) in [
            ("required", Return::Success, Action::Ok),
            ("Required", Return::AuthErr, Action::Bad),
            ("requisite", Return::PermDenied, Action::Die),
            ("requisite", Return::Ignore, Action::Ignore),
            ("sufficient", Return::NewAuthtokReqd, Action::Done),
            ("sufficient", Return::AuthErr, Action::Ignore),
            ("optional", Return::ModuleUnknown, Action::Ignore),
            ("success=1 new_authtok_reqd=done default=ignore", Return::Success, Action::Jump(1)),
            ("success=1 new_authtok_reqd=done default=ignore", Return::NewAuthtokReqd, Action::Done),
            ("success = 2  default = die", Return::AcctExpired, Action::Die),
            ("default=bad success=ok user_unknown=ignore", Return::UserUnknown, Action::Ignore),
            ("success=ok", Return::Ignore, Action::Bad),
            ("success=0 default=ok", Return::Success, Action::Bad),
            ("nonsense", Return::Success, Action::Bad),
        ] {
            assert_eq!(action(control, returned), expected, "{control} {returned:?}");
        }
    }
}
