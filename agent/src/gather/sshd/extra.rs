//! Files that a value of the configuration leads to.

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::{Account, EffectiveConfig, FileState, KeysProgram, RevokedFile, RevokedKeys};
use crate::gather::host::Host;
use crate::parse;
use crate::sshd_config;

/// A path longer than the kernel takes (`PATH_MAX`) leads nowhere.
const PATH_MAX: usize = 4_096;
const REVOKED_FILES: usize = 8;
/// Folders that lead to a chroot.
const FOLDERS: usize = 32;

/// A program of EC2 Instance Connect itself is looked at by others.
pub(super) fn keys_program(host: &dyn Host, effective: &EffectiveConfig) -> Fact<KeysProgram> {
    let Some(line) = value(effective, "authorizedkeyscommand") else { return Fact::Absent };
    // Behind a program that runs its arguments, the first of them that is a program.
    const RUNNERS: [&str; 10] = ["sh", "bash", "dash", "env", "timeout", "sudo", "nice", "python3", "perl", "ruby"];
    let is_runner = |word: &String| word.rsplit('/').next().is_some_and(|name| RUNNERS.contains(&name));
    let mut words = sshd_config::split(line, false).unwrap_or_default();
    words.retain(|word| word.starts_with('/'));
    let program = words.iter().find(|word| !is_runner(word)).or(words.first()).cloned().unwrap_or_default();
    let is_own = program.ends_with("/eic_run_authorized_keys") || program.ends_with("/eic-run");
    if !program.starts_with('/') || program.len() > PATH_MAX || is_own {
        return Fact::Absent;
    }
    match host.read(&program).map(|bytes| parse::parse_keys_program(&bytes).value) {
        Fact::Known(Some(found)) => Fact::Known(KeysProgram { path: program.into(), ..found }),
        Fact::Known(None) => Fact::unreadable("it is no script"),
        Fact::Absent => Fact::unreadable("there is no such file"),
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

pub(super) fn revoked_keys(host: &dyn Host, effective: &EffectiveConfig) -> Fact<RevokedKeys> {
    let Some(files) = value(effective, "revokedkeys") else { return Fact::Absent };
    let files = files.split_whitespace().filter(|path| path.starts_with('/') && path.len() <= PATH_MAX);
    let file = |path: &str| {
        let content = match host.read(path).map(|bytes| parse::parse_revoked_keys(&bytes).value) {
            Fact::Known(Some(content)) => Fact::Known(content),
            Fact::Known(None) => Fact::unreadable("it was not understood"),
            Fact::Absent => Fact::Absent,
            Fact::Unreadable(why) => Fact::Unreadable(why),
            Fact::NotGathered => Fact::NotGathered,
        };
        RevokedFile { path: path.into(), content }
    };
    Fact::Known(RevokedKeys { files: files.take(REVOKED_FILES).map(file).collect() })
}

pub(super) fn session(host: &dyn Host, effective: &EffectiveConfig, account: &Fact<Account>) -> Fact<Vec<FileState>> {
    let mut paths: Vec<String> = Vec::new();
    let forced = value(effective, "forcecommand").and_then(|line| line.split_whitespace().next());
    paths.extend(
        forced.map(|word| word.trim_matches(['"', '\''])).filter(|word| word.starts_with('/')).map(str::to_owned),
    );
    if let (Some(chroot), Some(account)) = (value(effective, "chrootdirectory"), account.known()) {
        let root = expand(chroot, account);
        let mut folder = root.trim_end_matches('/');
        while !folder.is_empty() && paths.len() < FOLDERS {
            paths.push(folder.to_owned());
            folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        }
        paths.push("/".to_owned());
        let shell = match account.shell.raw() {
            "" => "/bin/sh",
            shell => shell,
        };
        paths.push(format!("{}{shell}", root.trim_end_matches('/')));
    }
    if paths.is_empty() {
        return Fact::Absent;
    }
    let is_plausible = |path: &String| path.starts_with('/') && path.len() <= PATH_MAX && !path.contains('\0');
    Fact::Known(paths.iter().filter(|path| is_plausible(path)).map(|path| host.file_state(path)).collect())
}

/// The tokens of ChrootDirectory (sshd_config(5), TOKENS).
pub(super) fn expand(path: &str, account: &Account) -> String {
    path.replace("%%", "\0")
        .replace("%h", account.home.raw())
        .replace("%u", account.name.raw())
        .replace("%U", &account.uid.to_string())
        .replace('\0', "%")
}

/// What is set and not `none`.
fn value<'a>(effective: &'a EffectiveConfig, keyword: &str) -> Option<&'a str> {
    effective
        .first(keyword)
        .map(Untrusted::raw)
        .filter(|value| !value.is_empty() && !value.eq_ignore_ascii_case("none"))
}
