//! Accounts, looked up as sshd would look them up.
//!
//! sshd asks the name service switch. A static program cannot (glibc's switch loads the host's shared libraries into it), so
//! `/etc/passwd` answers where the switch would stop there, and `getent passwd NAME` answers everything else.

use std::time::Duration;

use eic_doctor_proto::{Fact, OsUser, Untrusted};

use crate::facts::{
    Account, AccountFacts, EffectiveConfig, FileState, Group, Logins, PamFacts, PasswordField, Shadow, SshdProcess,
};
use crate::parse::{self, UtmpLogin};

use super::host::{Host, Run};
use super::pam;

/// The user of AuthorizedKeysCommandUser in every package of EC2 Instance Connect (`domain.md` §2.4).
const USUAL_KEYS_USER: &str = "ec2-instance-connect";
/// A directory that needs longer to answer makes logins fail too.
const GETENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Members of root's group that are kept; one is one too many.
const MEMBERS: usize = 16;
/// Groups of one user that are kept.
const GROUPS: usize = 256;
/// The kernel follows a script to its interpreter so often (`BINPRM_MAX_RECURSION`, `exec_binprm` in `fs/exec.c`).
const SCRIPTS: usize = 5;
/// Sessions that are counted.
const SESSIONS: usize = 1_024;
/// Names of the zone whose local time needs no table.
const UTC: [&str; 5] = ["/UTC", "/UCT", "/Etc/Universal", "/Zulu", "/GMT"];
const SECONDS_OF_A_DAY: u64 = 86_400;
/// sshd takes an empty field for it (`_PATH_BSHELL`).
const USUAL_SHELL: &str = "/bin/sh";
/// Without it SSSD does not run, whatever `nsswitch.conf` names.
const SSSD_SOCKET: &str = "/var/lib/sss/pipes/nss";

/// All but the keys user, which others need before sshd's configuration is known.
pub(super) fn gather_os_user(host: &dyn Host, os_user: &OsUser) -> Fact<Account> {
    gather_account(host, "getent-os-user", os_user.as_str())
}

/// `os_user` is the account of the user of that name.
pub(super) fn gather_account_facts(
    host: &dyn Host,
    os_user: Fact<Account>,
    name: &OsUser,
    effective: &Fact<EffectiveConfig>,
    keys_user: Fact<Account>,
) -> AccountFacts {
    let name = name.as_str();
    let is_local = host
        .read("/etc/passwd")
        .map(|bytes| parse::parse_passwd(&bytes).value.iter().any(|account| account.name.raw() == name));
    let pam = pam::gather_pam(host, effective);
    let groups_matter = effective
        .known()
        .is_some_and(|config| ["allowgroups", "denygroups"].iter().any(|keyword| config.first(keyword).is_some()))
        || pam.known().is_some_and(pam::asks_for_groups);
    AccountFacts {
        root_group_members: gather_root_group_members(host),
        groups: of_account(&os_user, |account| gather_groups(host, account, groups_matter)),
        shadow: of_account(&os_user, |account| gather_shadow(host, account, &is_local)),
        today: host.now().map(|seconds| u32::try_from(seconds / SECONDS_OF_A_DAY).unwrap_or(u32::MAX)),
        utc_seconds: gather_utc_seconds(host, &pam),
        logins: gather_logins(host, name, &pam),
        open_files_limit: gather_open_files_limit(host, &pam),
        shell_loader: of_account(&os_user, |account| gather_shell_loader(host, account)),
        shell: of_account(&os_user, |account| gather_shell(host, account)),
        run_nologin: gather_first_line(host, "/run/nologin"),
        etc_nologin: gather_first_line(host, "/etc/nologin"),
        os_user,
        keys_user,
        is_local,
        pam,
    }
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
fn gather_root_group_members(host: &dyn Host) -> Fact<Vec<Untrusted>> {
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
    let services = services(host, "passwd");
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

/// The services that may answer, in their order. None: the files alone.
fn services(host: &dyn Host, database: &str) -> Vec<String> {
    let mut services = match host.read("/etc/nsswitch.conf") {
        Fact::Known(bytes) => parse::parse_nsswitch(&bytes, database).value,
        // musl has no switch, and glibc without the file (or the line) asks the files alone.
        Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => Vec::new(),
    };
    if services.iter().any(|service| service == "sss") && host.file_state(SSSD_SOCKET).state == Fact::Absent {
        services.retain(|service| service != "sss");
    }
    services
}

fn of_account<T>(account: &Fact<Account>, look: impl FnOnce(&Account) -> Fact<T>) -> Fact<T> {
    match account {
        Fact::Known(account) => look(account),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why.clone()),
        Fact::NotGathered => Fact::NotGathered,
    }
}

pub(super) fn gather_groups(host: &dyn Host, account: &Account, matters: bool) -> Fact<Vec<Group>> {
    let mut services = services(host, "initgroups");
    if services.is_empty() {
        services = self::services(host, "group");
    }
    // systemd's service knows only of accounts that no file has.
    if services.iter().all(|service| ["files", "compat", "systemd"].contains(&service.as_str())) {
        return host.read("/etc/group").map(|bytes| groups_of(account, &bytes));
    }
    if !matters {
        return Fact::NotGathered;
    }
    let name = account.name.raw();
    if !is_account_name(name) {
        return Fact::unreadable("the name is not one to ask the name service for");
    }
    let gids = match answer(host, Run::new("id-groups", "id", GETENT_TIMEOUT).args(["-G", name])) {
        Fact::Known(printed) => printed,
        other => return other.map(|_| Vec::new()),
    };
    let gids: Vec<u32> = String::from_utf8_lossy(&gids).split_whitespace().filter_map(|gid| gid.parse().ok()).collect();
    let words = ["group".to_owned()].into_iter().chain(gids.iter().take(GROUPS).map(u32::to_string));
    let lines = answer(host, Run::new("getent-groups", "getent", GETENT_TIMEOUT).args(words));
    lines.map(|lines| {
        let known = parse::parse_group(&lines).value;
        let named = |gid: &u32| known.iter().find(|group| group.gid == *gid);
        gids.iter().filter_map(named).map(|group| Group { name: group.name.clone(), gid: group.gid }).collect()
    })
}

/// What the program printed. `getent` ends with 2 where it found only some of the keys: a group without a name is none to sshd.
fn answer(host: &dyn Host, run: Run) -> Fact<Vec<u8>> {
    let what = format!("`{} {}`", run.program, run.arguments.first().map_or("", String::as_str));
    match host.run(&run) {
        Fact::Known(ran) if ran.status == Some(0) || (run.program == "getent" && ran.status == Some(2)) => {
            Fact::Known(ran.stdout)
        }
        Fact::Known(ran) => Fact::unreadable(ran.reason(&what)),
        Fact::Absent => Fact::unreadable(format!("there is no `{}`", run.program)),
        Fact::Unreadable(why) => Fact::unreadable(format!("{what}: {}", why.reason)),
        Fact::NotGathered => Fact::NotGathered,
    }
}

fn groups_of(account: &Account, bytes: &[u8]) -> Vec<Group> {
    let lines = parse::parse_group(bytes).value;
    let (primary, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.gid == account.gid);
    let supplementary = others.into_iter().filter(|line| line.members.contains(&account.name));
    primary
        .into_iter()
        .take(1)
        .chain(supplementary)
        .take(GROUPS)
        .map(|line| Group { name: line.name, gid: line.gid })
        .collect()
}

fn gather_shadow(host: &dyn Host, account: &Account, is_local: &Fact<bool>) -> Fact<Shadow> {
    match (account.password, is_local) {
        (PasswordField::Shadowed, Fact::Known(true)) => {}
        (PasswordField::Shadowed, _) => return Fact::unreadable("a directory service keeps it"),
        _ => return Fact::Absent,
    }
    match host.read("/etc/shadow") {
        Fact::Known(bytes) => {
            let parsed = parse::parse_shadow(&bytes, account.name.raw());
            match parsed.value {
                Some(shadow) => Fact::Known(shadow),
                None if parsed.not_understood.is_empty() => Fact::Absent,
                None => Fact::unreadable("the line in /etc/shadow has the wrong form"),
            }
        }
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

/// Where a limit of limits.conf names one of `items`.
fn has_limit(pam: &Fact<PamFacts>, items: &[&str]) -> bool {
    let files = pam.known().into_iter().flat_map(|pam| &pam.files);
    let mut lines =
        files.filter(|file| file.path.raw().contains("limits")).filter_map(|file| file.lines.known()).flatten();
    lines.any(|line| line.text.raw().split_whitespace().any(|word| items.contains(&word.to_ascii_lowercase().as_str())))
}

fn gather_utc_seconds(host: &dyn Host, pam: &Fact<PamFacts>) -> Fact<u64> {
    let files = pam.known().into_iter().flat_map(|pam| &pam.files);
    let mut lines = files.filter(|file| file.path.raw().contains("time")).filter_map(|file| file.lines.known());
    if lines.all(Vec::is_empty) {
        return Fact::NotGathered;
    }
    match host.link("/etc/localtime") {
        // glibc takes UTC without the file.
        Fact::Absent => host.now(),
        Fact::Known(zone) if UTC.iter().any(|name| zone.ends_with(name)) => host.now(),
        Fact::Known(_) => Fact::unreadable("the local time is not UTC"),
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

fn gather_open_files_limit(host: &dyn Host, pam: &Fact<PamFacts>) -> Fact<u64> {
    if !has_limit(pam, &["nofile"]) {
        return Fact::NotGathered;
    }
    match host.read("/proc/sys/fs/nr_open").map(|bytes| String::from_utf8_lossy(&bytes).trim().parse()) {
        Fact::Known(Ok(limit)) => Fact::Known(limit),
        Fact::Known(Err(_)) => Fact::unreadable("it is no number"),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

fn gather_logins(host: &dyn Host, name: &str, pam: &Fact<PamFacts>) -> Fact<Logins> {
    if !has_limit(pam, &["maxlogins", "maxsyslogins"]) {
        return Fact::NotGathered;
    }
    let machine = host.machine().known().cloned().unwrap_or_default();
    let users: Vec<Untrusted> = match host.read("/run/utmp") {
        Fact::Known(bytes) => {
            let Some(logins) = parse::parse_utmp(&bytes, &machine).value else {
                return Fact::unreadable("the records of /run/utmp are not known for this machine");
            };
            // A record whose process is gone counts no more.
            let is_there = |login: &UtmpLogin| host.file_state(&format!("/proc/{}", login.pid)).state != Fact::Absent;
            logins.into_iter().filter(is_there).map(|login| login.user).collect()
        }
        Fact::Absent => return gather_sessions(host, name),
        Fact::Unreadable(why) => return Fact::unreadable(format!("/run/utmp: {}", why.reason)),
        Fact::NotGathered => return Fact::NotGathered,
    };
    let count = |logins: usize| u32::try_from(logins).unwrap_or(u32::MAX);
    let of_user = users.iter().filter(|user| user.raw() == name).count();
    Fact::Known(Logins { of_user: count(of_user), all: count(users.len()) })
}

/// Where nobody keeps utmp any more, PAM asks systemd-logind, whose sessions are files.
fn gather_sessions(host: &dyn Host, name: &str) -> Fact<Logins> {
    const FOLDER: &str = "/run/systemd/sessions";
    host.list(FOLDER).map(|names| {
        let sessions = names.iter().filter(|name| !name.ends_with(".ref")).take(SESSIONS);
        let mut logins = Logins::default();
        for session in sessions.filter_map(|session| host.read(&format!("{FOLDER}/{session}")).known().cloned()) {
            let text = String::from_utf8_lossy(&session).into_owned();
            let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
            if value("CLASS=").is_some_and(|class| class.starts_with("user")) {
                logins.all += 1;
                logins.of_user += u32::from(value("USER=") == Some(name));
            }
        }
        logins
    })
}

fn shell_path(account: &Account) -> String {
    let shell = Some(account.shell.raw()).filter(|shell| !shell.is_empty()).unwrap_or(USUAL_SHELL);
    // sshd's own folder is the root.
    if shell.starts_with('/') { shell.to_owned() } else { format!("/{shell}") }
}

fn gather_shell(host: &dyn Host, account: &Account) -> Fact<FileState> {
    match host.file_state(&shell_path(account)) {
        FileState { state: Fact::NotGathered, .. } => Fact::NotGathered,
        state => Fact::Known(state),
    }
}

/// A script is started with its interpreter, which may be a script again.
fn gather_shell_loader(host: &dyn Host, account: &Account) -> Fact<FileState> {
    let mut path = shell_path(account);
    for _ in 0..SCRIPTS {
        let interpreter = host.beginning(&path).known().and_then(|beginning| parse::parse_interpreter(beginning));
        match interpreter {
            None => return gather_loader(host, &path),
            // The kernel looks for it in the folder that the user happens to be in.
            Some(relative) if !relative.starts_with('/') => {
                return Fact::unreadable("an interpreter without its folder");
            }
            Some(interpreter) => {
                let state = host.file_state(&interpreter);
                if state.state == Fact::Absent {
                    return Fact::Known(state);
                }
                path = interpreter;
            }
        }
    }
    Fact::unreadable("a script for a script for a script …")
}

/// The first text of the program that is such a path is the one that the kernel takes, for linkers put it right behind the headers.
fn gather_loader(host: &dyn Host, program: &str) -> Fact<FileState> {
    let is_loader = |text: &str| text.rsplit('/').next().is_some_and(|name| name.starts_with("ld"));
    match host.texts(program, "/lib", &is_loader) {
        Fact::Known(texts) => texts
            .iter()
            .find(|text| is_loader(text))
            .map_or(Fact::Absent, |loader| Fact::Known(host.file_state(loader))),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

fn gather_first_line(host: &dyn Host, path: &str) -> Fact<Untrusted> {
    host.read(path).map(|bytes| {
        let text = String::from_utf8_lossy(&bytes);
        text.lines().next().unwrap_or_default().chars().take(200).collect::<String>().into()
    })
}

/// A name that no program takes for an option or a number.
fn is_account_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-@$".contains(c))
}
