//! What each module of the rules would return for this login, or which returns are possible.

use std::net::IpAddr;

use eic_doctor_proto::{Fact, Untrusted};
use ipnet::IpNet;

use crate::facts::{Account, OsFacts, PackageManager, PamFacts, PamFile, PamRule, PasswordField, Shadow};
use crate::source;

use super::access::{self, Fit, Options, Separators};
use super::control::Return;
use super::limits;
use super::time::{self, Now};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Account,
    Session,
}

/// Which check speaks of a module's no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    Expiry,
    Nologin,
    Access,
    /// It only directs the way through the rules. Where that ends in a no, it is a matter of access.
    Way,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Not empty; more than one where it is not known which.
    pub returns: Vec<Return>,
    pub concern: Concern,
    /// Why it says no, or why it is not known what it says: a part of a sentence.
    pub why: String,
    pub mend: Mend,
}

/// What takes a module's no away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mend {
    /// Nothing but another rule in PAM's file.
    #[default]
    Rule,
    /// A line that admits before this one of access.conf.
    Admit {
        file: String,
        line: u32,
    },
    /// This line of a file out of force.
    Comment {
        file: String,
        line: u32,
    },
    /// This line of a list taken out, where lists know no comments.
    Delete {
        file: String,
        line: u32,
    },
    /// One more line at the end of the list.
    Append {
        file: String,
        text: String,
    },
    JoinGroup(String),
}

impl Reply {
    fn one(returned: Return, concern: Concern) -> Self {
        Self { returns: vec![returned], concern, why: String::new(), mend: Mend::Rule }
    }

    fn yes() -> Self {
        Self::one(Return::Success, Concern::Way)
    }

    fn no(returned: Return, concern: Concern, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..Self::one(returned, concern) }
    }

    fn either(returns: &[Return], concern: Concern, why: impl Into<String>) -> Self {
        Self { returns: returns.to_vec(), concern, why: why.into(), mend: Mend::Rule }
    }

    fn mended_by(self, mend: Mend) -> Self {
        Self { mend, ..self }
    }

    /// For a no that no rule says.
    pub fn without_rule() -> Self {
        Self::one(Return::PermDenied, Concern::Access)
    }

    /// Nothing else than a yes, or no opinion.
    pub fn is_yes(&self) -> bool {
        self.returns.iter().all(|returned| matches!(returned, Return::Success | Return::Ignore))
    }

    /// As it would be were its own matter mended.
    pub fn mended(&self) -> Self {
        if self.is_yes() { self.clone() } else { Self::one(Return::Success, self.concern) }
    }

    #[cfg(test)]
    pub(super) fn of_test(returns: &[Return]) -> Self {
        Self::either(returns, Concern::Way, "")
    }
}

/// Who logs in, from where.
pub struct Login<'a> {
    pub facts: &'a OsFacts,
    pub account: &'a Account,
    pub pam: &'a PamFacts,
    /// `None` where nobody said.
    pub from: Option<Vec<IpNet>>,
    /// sshd tells PAM the name of the other side in place of its address.
    pub uses_dns: bool,
}

impl Login<'_> {
    pub fn is_in_group(&self, name: &str) -> Fit {
        match &self.facts.account.groups {
            Fact::Known(groups) if groups.iter().any(|group| group.name.raw() == name) => Fit::Yes,
            Fact::Known(_) => Fit::No,
            Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => Fit::Unsure,
        }
    }

    fn file(&self, path: &str) -> Option<&PamFile> {
        self.pam.files.iter().find(|file| file.path.raw() == path)
    }

    /// The default file and those of its folder, or the one that the rule names.
    fn files(&self, named: Option<&str>, file: &str, folder: &str) -> Vec<&PamFile> {
        match named {
            Some(path) => self.file(path).into_iter().collect(),
            None => {
                let below = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
                self.pam.files.iter().filter(|found| found.path.raw() == file || below(found.path.raw())).collect()
            }
        }
    }
}

/// What is known of password and account ageing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    None,
    /// On this day since 1970-01-01.
    Account(i64),
    /// An administrator wants a new password.
    ChangeWanted,
    /// The password is so many days old, and may be so many.
    Aged {
        days: i64,
        maximum: i64,
    },
    /// Releases of Linux-PAM differ by a day, or in what an empty date means.
    Border,
}

/// Source: Linux-PAM, `check_shadow_expiry` of 1.1.8 to 1.7.2.
pub fn expiry(shadow: &Shadow, today: i64) -> Expiry {
    if let Some(expires) = shadow.expires.filter(|expires| today >= *expires) {
        return Expiry::Account(expires);
    }
    let maximum = shadow.maximum.unwrap_or(i64::MAX);
    match shadow.last_change {
        Some(0) => Expiry::ChangeWanted,
        // Older releases reckon from the day before 1970-01-01.
        None if today.saturating_add(1) > maximum => Expiry::Border,
        None => Expiry::None,
        Some(changed) => match today.saturating_sub(changed) {
            days if days > maximum => Expiry::Aged { days, maximum },
            days if days == maximum => Expiry::Border,
            _ => Expiry::None,
        },
    }
}

/// One for each rule.
pub fn replies(rules: &[PamRule], phase: Phase, login: &Login<'_>) -> Vec<Reply> {
    rules.iter().map(|rule| reply(rule, phase, login)).collect()
}

fn reply(rule: &PamRule, phase: Phase, login: &Login<'_>) -> Reply {
    use Return::{AuthErr, Ignore, ModuleUnknown, PermDenied, SessionErr, Success, UserUnknown};
    if rule.module.raw().is_empty() {
        return Reply::no(
            PermDenied,
            Concern::Access,
            "PAM does not understand the line, or cannot read the file that it names",
        );
    }
    if login.pam.missing_modules.known().is_some_and(|missing| missing.contains(&rule.module)) {
        return Reply::no(ModuleUnknown, Concern::Access, format!("there is no module `{}`", rule.module));
    }
    let is_account = phase == Phase::Account;
    let module = rule.module.raw().rsplit('/').next().unwrap_or_default();
    let module = module.strip_suffix(".so").unwrap_or(module);
    let unknown = |what: &str| Reply::either(&[Success, Ignore, PermDenied], Concern::Access, what);
    match module {
        "pam_permit" | "pam_rootok" => Reply::yes(),
        "pam_deny" => {
            Reply::no(if is_account { AuthErr } else { SessionErr }, Concern::Way, "the rules end in `pam_deny.so`")
        }
        "pam_warn" | "pam_echo" | "pam_sepermit" => Reply::one(Ignore, Concern::Way),
        "pam_succeed_if" => succeed_if(rule, login),
        "pam_localuser" => local_user(rule, login),
        "pam_usertype" => user_type(rule, login),
        "pam_access" => access_rules(rule, login),
        "pam_listfile" => list_file(rule, login),
        // Both only forget failures here; who is locked out by them is so in the phase `auth`, which a login by key leaves out.
        "pam_faillock" | "pam_tally2" | "pam_tally" if is_account => Reply::yes(),
        "pam_unix" if is_account => unix(rule, login),
        "pam_nologin" if is_account => nologin(rule, login),
        "pam_time" if is_account => times(rule, login),
        "pam_shells" if is_account => shells(login),
        "pam_systemd_home" => Reply::one(UserUnknown, Concern::Way),
        "pam_securetty" if is_account && login.account.uid != 0 => Reply::one(Ignore, Concern::Way),
        "pam_limits" if !is_account => limits_of(rule, login),
        "pam_sss" | "pam_ldap" | "pam_krb5" | "pam_winbind" | "pam_sss_gss" if is_account => {
            match login.facts.account.is_local {
                Fact::Known(true) => Reply::either(
                    &[Success, UserUnknown],
                    Concern::Access,
                    "a directory service is asked, which need not know the user",
                ),
                _ => unknown("a directory service decides"),
            }
        }
        _ if !is_account && is_harmless_in_a_session(module) => Reply::yes(),
        "pam_exec" | "pam_script" | "pam_python" | "pam_perl" => unknown("it runs a program of this system's own"),
        "pam_duo" | "pam_radius" | "pam_radius_auth" | "pam_tacplus" | "pam_okta" | "pam_centrifydc" | "pam_vas3" => {
            unknown("a service outside the instance decides")
        }
        _ => unknown("what this module says is not known here"),
    }
}

/// They set something up, and a host on which that fails is no host that anybody logs in to.
fn is_harmless_in_a_session(module: &str) -> bool {
    const NAMES: [&str; 38] = [
        "pam_unix",
        "pam_env",
        "pam_motd",
        "pam_mail",
        "pam_umask",
        "pam_keyinit",
        "pam_systemd",
        "pam_elogind",
        "pam_loginuid",
        "pam_selinux",
        "pam_namespace",
        "pam_tty_audit",
        "pam_mkhomedir",
        "pam_oddjob_mkhomedir",
        "pam_lastlog",
        "pam_lastlog2",
        "pam_xauth",
        "pam_ck_connector",
        "pam_cap",
        "pam_ecryptfs",
        "pam_fscrypt",
        "pam_issue",
        "pam_faildelay",
        "pam_timestamp",
        "pam_cgfs",
        "pam_cgroup",
        "pam_gnome_keyring",
        "pam_kwallet",
        "pam_kwallet5",
        "pam_reauthorize",
        "pam_sss",
        "pam_ldap",
        "pam_krb5",
        "pam_winbind",
        "pam_afs_session",
        "pam_tmpdir",
        "pam_group",
        "pam_ssm",
    ];
    NAMES.contains(&module)
}

/// The value of the last argument that begins so.
fn argument<'a>(rule: &'a PamRule, name: &str) -> Option<&'a str> {
    rule.arguments.iter().rev().find_map(|argument| argument.raw().strip_prefix(name))
}

fn has(rule: &PamRule, word: &str) -> bool {
    rule.arguments.iter().any(|argument| argument.raw() == word)
}

fn unix(rule: &PamRule, login: &Login<'_>) -> Reply {
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

fn nologin(rule: &PamRule, login: &Login<'_>) -> Reply {
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

/// Three words are a condition; the first that does not hold ends it (`pam_succeed_if(8)`).
fn succeed_if(rule: &PamRule, login: &Login<'_>) -> Reply {
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

fn condition_holds(left: &str, comparison: &str, right: &str, login: &Login<'_>, as_sshd: bool) -> Fit {
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

fn local_user(rule: &PamRule, login: &Login<'_>) -> Reply {
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

fn user_type(rule: &PamRule, login: &Login<'_>) -> Reply {
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

/// Why the first of `files` that is not known is so.
fn unseen(files: &[&PamFile]) -> Option<String> {
    files.iter().find_map(|file| match &file.lines {
        Fact::Unreadable(why) => Some(format!("{}: {}", file.path, why.reason)),
        Fact::NotGathered => Some(format!("{}: not gathered", file.path)),
        Fact::Known(_) | Fact::Absent => None,
    })
}

fn access_rules(rule: &PamRule, login: &Login<'_>) -> Reply {
    use Return::{PermDenied, ServiceErr, Success};
    let named = argument(rule, "accessfile=");
    let files = login.files(named, "/etc/security/access.conf", "/etc/security/access.d");
    let either = |why: String| Reply::either(&[Success, PermDenied], Concern::Access, why);
    if named.is_some() && files.iter().any(|file| file.lines == Fact::Absent) {
        return Reply::no(ServiceErr, Concern::Access, "the file that it names does not exist");
    }
    if files.is_empty() {
        return either("its file: not gathered".to_owned());
    }
    if let Some(why) = unseen(&files) {
        return either(why);
    }
    let options = Options {
        separators: Separators {
            fields: argument(rule, "fieldsep=").unwrap_or(":"),
            list: argument(rule, "listsep=").unwrap_or(", \t"),
        },
        only_marked_groups: has(rule, "nodefgroup"),
    };
    let addresses: Vec<Option<IpAddr>> = match &login.from {
        Some(from) => source::representatives(from, &access::borders(&files, &options)).into_iter().map(Some).collect(),
        None => vec![None],
    };
    let mut refused = None;
    let mut admitted = None;
    for address in addresses {
        match access::judge(&files, login, address, &options) {
            access::Verdict::Admitted => admitted = Some(address),
            access::Verdict::Refused(file, line) => refused = Some((address, file, line)),
            access::Verdict::Unsure(file, line) => {
                let why = match address {
                    Some(_) => format!("whether {file}:{line} is about this login, a directory service or DNS decides"),
                    None => format!("{file}:{line} asks where the connection comes from, and nobody said"),
                };
                return either(why);
            }
        }
    }
    match (refused, admitted) {
        (Some((_, file, line)), None) => Reply::no(PermDenied, Concern::Access, format!("{file}:{line} refuses it"))
            .mended_by(Mend::Admit { file, line }),
        (Some((Some(refused), file, line)), Some(Some(admitted))) => {
            either(format!("{file}:{line} refuses a part of the source ({refused}) and not another ({admitted})"))
        }
        (Some((_, file, line)), Some(_)) => either(format!("{file}:{line} refuses a part of the source")),
        (None, _) => Reply::one(Success, Concern::Access),
    }
}

fn list_file(rule: &PamRule, login: &Login<'_>) -> Reply {
    use Return::{AuthErr, Ignore, ServiceErr, Success};
    let either = |why: &str| Reply::either(&[Success, AuthErr], Concern::Access, why);
    let on_error = if argument(rule, "onerr=") == Some("succeed") { Success } else { ServiceErr };
    let (Some(path), Some(item), Some(sense)) =
        (argument(rule, "file="), argument(rule, "item="), argument(rule, "sense="))
    else {
        return Reply::no(on_error, Concern::Access, "its arguments are not complete");
    };
    let is_denial = match sense {
        "deny" => true,
        "allow" => false,
        _ => return Reply::no(on_error, Concern::Access, "its arguments are not understood"),
    };
    if let Some(whom) = argument(rule, "apply=")
        && !["user", "group", "ruser"].contains(&item)
    {
        let applies = match whom.strip_prefix('@') {
            Some(group) => login.is_in_group(group),
            None if whom == login.account.name.raw() => Fit::Yes,
            None => Fit::No,
        };
        match applies {
            Fit::Yes => {}
            Fit::No => return Reply::one(Ignore, Concern::Access),
            Fit::Unsure => return either("whether it applies to the user is not known"),
        }
    }
    let Some(file) = login.file(path) else { return either("its file: not gathered") };
    let shown = Untrusted::from(path);
    match &file.lines {
        Fact::Absent => return Reply::no(on_error, Concern::Access, format!("there is no {shown}")),
        Fact::Unreadable(why) => return either(&format!("{shown}: {}", why.reason)),
        Fact::NotGathered => return either(&format!("{shown}: not gathered")),
        Fact::Known(_) => {}
    }
    match &file.mode {
        Fact::Known(mode) if mode & 0o002 != 0 => {
            return Reply::no(AuthErr, Concern::Access, format!("{shown} can be written by everybody"));
        }
        Fact::Known(_) => {}
        _ => return either(&format!("the mode of {shown} is not known")),
    }
    let lines = file.lines.known().map_or(&[][..], Vec::as_slice);
    let fits = |text: &str| match item {
        "user" => Some(text == login.account.name.raw()),
        "tty" => Some(text.strip_prefix("/dev/").unwrap_or(text) == "ssh"),
        "ruser" => Some(false),
        "shell" => Some(text == login.account.shell.raw()),
        "group" => match login.is_in_group(text) {
            Fit::Yes => Some(true),
            Fit::No => Some(false),
            Fit::Unsure => None,
        },
        "rhost" => match login.from.as_deref().and_then(source::each) {
            Some(addresses) if !login.uses_dns => {
                let fitting = addresses.iter().filter(|address| address.to_string() == text).count();
                if fitting == 0 { Some(false) } else { (fitting == addresses.len()).then_some(true) }
            }
            _ => None,
        },
        _ => None,
    };
    let hit = lines.iter().find(|line| fits(line.text.raw()) == Some(true));
    if hit.is_none() && lines.iter().any(|line| fits(line.text.raw()).is_none()) {
        return either(&format!("whether {shown} lists it is not known"));
    }
    match (hit, is_denial) {
        (Some(line), true) => Reply::no(AuthErr, Concern::Access, format!("{shown}:{} lists it", line.line))
            .mended_by(Mend::Delete { file: path.to_owned(), line: line.line }),
        (None, false) => {
            let reply = Reply::no(AuthErr, Concern::Access, format!("{shown} does not list it"));
            match item {
                "user" => {
                    reply.mended_by(Mend::Append { file: path.to_owned(), text: login.account.name.raw().to_owned() })
                }
                _ => reply,
            }
        }
        _ => Reply::one(Success, Concern::Access),
    }
}

fn times(rule: &PamRule, login: &Login<'_>) -> Reply {
    use Return::{PermDenied, Success};
    let path = argument(rule, "conffile=").unwrap_or("/etc/security/time.conf");
    let files: Vec<&PamFile> = login.file(path).into_iter().collect();
    if files.is_empty() {
        return Reply::either(&[Success, PermDenied], Concern::Access, "its file: not gathered");
    }
    if let Some(why) = unseen(&files) {
        return Reply::either(&[Success, PermDenied], Concern::Access, why);
    }
    let now = login.facts.account.utc_seconds.known().map(|seconds| Now::of(*seconds));
    let mut doubt = None;
    for line in files.iter().filter_map(|file| file.lines.known()).flatten() {
        let text = line.text.raw().split('#').next().unwrap_or_default();
        let at = format!("{}:{}", Untrusted::from(path), line.line);
        match time::refuses(text, login.pam.service.raw(), login.account.name.raw(), now) {
            Fit::No => {}
            Fit::Yes => {
                return Reply::no(PermDenied, Concern::Access, format!("{at} refuses it at this time"))
                    .mended_by(Mend::Comment { file: path.to_owned(), line: line.line });
            }
            Fit::Unsure => doubt = Some(format!("what {at} says at this time is not known")),
        }
    }
    match doubt {
        Some(why) => Reply::either(&[Success, PermDenied], Concern::Access, why),
        None => Reply::one(Success, Concern::Access),
    }
}

fn shells(login: &Login<'_>) -> Reply {
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

fn limits_of(rule: &PamRule, login: &Login<'_>) -> Reply {
    use Return::{PermDenied, Success};
    let files = login.files(argument(rule, "conf="), "/etc/security/limits.conf", "/etc/security/limits.d");
    // root is held to no number of logins.
    if login.account.uid == 0 {
        return Reply::yes();
    }
    let either = |why: String| Reply::either(&[Success, PermDenied], Concern::Access, why);
    if files.is_empty() {
        return either("its file: not gathered".to_owned());
    }
    if let Some(why) = unseen(&files) {
        return either(why);
    }
    let limits = limits::limits(&files, login);
    let at = |line: &limits::Line| format!("{}:{} (`{}`)", line.file, line.line, Untrusted::from(line.text.as_str()));
    let refused = |line: &limits::Line, what: &str| {
        Reply::no(PermDenied, Concern::Access, format!("{} {what}", at(line)))
            .mended_by(Mend::Comment { file: line.file.clone(), line: line.line })
    };
    if let Some(line) = limits.doubts.first() {
        return either(format!("whether {} is about the user is not known", at(line)));
    }
    // Debian's pam_limits passes over a limit that the kernel refuses.
    let is_debian = login.facts.package.manager == Fact::Known(PackageManager::Dpkg);
    if !is_debian
        && let (Some(line), Fact::Known(most)) = (&limits.open_files, &login.facts.account.open_files_limit)
        && line.value.is_some_and(|value| value > *most)
    {
        return refused(line, &format!("asks for more open files than the kernel gives ({most})"));
    }
    let logins = &login.facts.account.logins;
    let counted = [(&limits.logins, false), (&limits.system_logins, true)];
    for (line, all) in counted.into_iter().filter_map(|(line, all)| line.as_ref().map(|line| (line, all))) {
        let Some(most) = line.value else { continue };
        if most == 0 {
            return refused(line, "allows no login");
        }
        let Fact::Known(logins) = logins else {
            return either(format!("how many logins {} would have to count is not known", at(line)));
        };
        let now = if all || line.counts_all { logins.all } else { logins.of_user };
        if u64::from(now) >= most {
            return refused(line, &format!("allows {most} at a time, and there are {now}"));
        }
    }
    Reply::one(Success, Concern::Access)
}
