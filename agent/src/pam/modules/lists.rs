//! Modules that read lists of rules: `pam_access`, `pam_listfile`, `pam_time`, `pam_limits`.

use std::net::IpAddr;

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::{PackageManager, PamFile, PamRule};
use crate::pam::access::{self, Fit, Options, Separators};
use crate::pam::control::Return;
use crate::pam::limits;
use crate::pam::login::Login;
use crate::pam::reply::{Concern, Mend, Reply};
use crate::pam::time::{self, Now};
use crate::source;

use super::{argument, has};

/// Why the first of `files` that is not known is so.
pub(super) fn unseen(files: &[&PamFile]) -> Option<String> {
    files.iter().find_map(|file| match &file.lines {
        Fact::Unreadable(why) => Some(format!("{}: {}", file.path, why.reason)),
        Fact::NotGathered => Some(format!("{}: not gathered", file.path)),
        Fact::Known(_) | Fact::Absent => None,
    })
}

pub(super) fn access_rules(rule: &PamRule, login: &Login<'_>) -> Reply {
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

pub(super) fn list_file(rule: &PamRule, login: &Login<'_>) -> Reply {
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

pub(super) fn times(rule: &PamRule, login: &Login<'_>) -> Reply {
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

pub(super) fn limits_of(rule: &PamRule, login: &Login<'_>) -> Reply {
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
    if let Some(narrow) = limits.narrow.iter().find(|narrow| narrow.is_too_little) {
        return refused(&narrow.line, "leaves a session too little to start");
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
    if let Some(narrow) = limits.narrow.first() {
        return either(format!("whether {} leaves a session enough to start is not known", at(&narrow.line)));
    }
    Reply::one(Success, Concern::Access)
}
