//! Tells EC2 Instance Connect's keys command from others.

use std::cmp::Ordering;

use eic_doctor_proto::{Fact, Verdict};

use crate::facts::{Access, EffectiveConfig, FileState, FileType, Namespace, OsFacts, PackageManager};
use crate::sshd_config;

use super::{platform, version};

/// What AWS's package calls it in every version.
pub const PROGRAM: &str = "eic_run_authorized_keys";
/// The same in the Python port that Fedora users install from copr.
const PORT: &str = "eic-run";

/// Where the packages put it: rpm and macOS; deb.
const RPM_FOLDER: &str = "/opt/aws/bin";
const DEB_FOLDER: &str = "/usr/share/ec2-instance-connect";

/// What `AuthorizedKeysCommand` says, whole line as sshd prints it.
#[derive(Debug, PartialEq, Eq)]
pub enum Wired {
    Nothing,
    Own {
        line: String,
        program: String,
        /// As sshd cuts them; `None` where a quote is not closed.
        arguments: Option<Vec<String>>,
    },
    /// Somebody else's program that is told of EC2 Instance Connect's.
    Wrapper {
        line: String,
        program: String,
    },
    Other {
        line: String,
        program: String,
    },
}

/// `None` when sshd's answer lacks the keyword, which it always prints.
pub fn wired(config: &EffectiveConfig) -> Option<Wired> {
    let values = config.keywords.get("authorizedkeyscommand")?;
    let line = values.iter().map(|value| value.raw()).collect::<Vec<_>>().join(" ");
    Some(read(line.trim()))
}

/// The value of an `AuthorizedKeysCommand` keyword.
pub fn read(line: &str) -> Wired {
    if line.is_empty() || line.eq_ignore_ascii_case("none") {
        return Wired::Nothing;
    }
    let program = line.split_whitespace().next().unwrap_or_default().trim_matches('"').to_owned();
    let line = line.to_owned();
    match program.rsplit('/').next() {
        Some(PROGRAM | PORT) => {
            let arguments = sshd_config::split(&line, false).map(|words| words.into_iter().skip(1).collect());
            Wired::Own { line, program, arguments }
        }
        _ if mentions(&line) => Wired::Wrapper { line, program },
        _ => Wired::Other { line, program },
    }
}

/// Programs that print keys of their own, and whose they are.
const TOOLS: &[(&str, &str)] = &[
    ("sss_ssh_authorizedkeys", "SSSD (FreeIPA, Active Directory, LDAP)"),
    ("google_authorized_keys", "Google's OS Login"),
    ("google_authorized_keys_sk", "Google's OS Login"),
    ("aad_certhandler", "Microsoft's AADSSH"),
    ("authorized_keys_command.sh", "aws-ec2-ssh, which takes keys from IAM"),
    ("keymaker-get-public-keys", "Keymaker, which takes keys from IAM"),
    ("ssh-ldap-wrapper", "OpenSSH's LDAP helper"),
    ("ssh-ldap-helper", "OpenSSH's LDAP helper"),
    ("userdbctl", "systemd's user database"),
    ("gitlab-shell-authorized-keys-check", "GitLab"),
    ("gitea", "Gitea"),
    ("forgejo", "Forgejo"),
];

/// The tool that a program belongs to, by its file name.
pub fn tool(program: &str) -> Option<&'static str> {
    let name = program.rsplit('/').next()?;
    TOOLS.iter().find(|(known, _)| *known == name).map(|(_, tool)| *tool)
}

/// Programs that run what stands behind them.
const RUNNERS: [&str; 19] = [
    "env", "timeout", "sudo", "sh", "bash", "dash", "ksh", "zsh", "nice", "ionice", "chrt", "setpriv", "runuser", "su",
    "flock", "stdbuf", "python3", "perl", "ruby",
];
/// Programs that run nothing.
const IDLE: [&str; 10] = ["true", "false", "echo", "printf", "cat", "test", "ls", "nologin", "sleep", "logger"];

pub fn runs_its_arguments(program: &str) -> bool {
    program.rsplit('/').next().is_some_and(|name| RUNNERS.contains(&name))
}

pub fn runs_nothing(program: &str) -> bool {
    program.rsplit('/').next().is_some_and(|name| IDLE.contains(&name))
}

/// The tokens of AuthorizedKeysCommand (sshd_config(5), TOKENS), of old and new versions together.
const TOKENS: &str = "%CDfhiktUu";

/// Why EC2 Instance Connect's own program finds no key with these arguments: it takes the user, then the fingerprint if any. Without
/// arguments sshd gives it the user.
pub fn wrong_arguments(arguments: Option<&[String]>, os_user: &str) -> Option<String> {
    let Some(arguments) = arguments else { return Some("a quote of it is not closed".to_owned()) };
    for argument in arguments {
        let mut rest = argument.as_str();
        while let Some((_, behind)) = rest.split_once('%') {
            match behind.chars().next() {
                Some(token) if TOKENS.contains(token) => rest = behind.get(token.len_utf8()..).unwrap_or_default(),
                _ => {
                    return Some(format!(
                        "`{argument}` has a token that sshd does not know, at which it ends the login"
                    ));
                }
            }
        }
    }
    match arguments.first().map(String::as_str) {
        None => return None,
        Some(user) if user == "%u" || user == os_user => {}
        Some(other) => return Some(format!("its first argument is `{other}`, and not the user (`%u`)")),
    }
    match arguments.get(1).map(String::as_str) {
        None | Some("" | "%f") => None,
        Some(other) => Some(format!("its second argument is `{other}`, and not the key's fingerprint (`%f`)")),
    }
}

/// A command line, unit or option that starts or names EC2 Instance Connect's keys command.
pub fn mentions(text: &str) -> bool {
    text.contains(PROGRAM)
}

/// sshd, as it runs, asks EC2 Instance Connect; `None` when nobody could see.
pub fn is_wired(facts: &OsFacts) -> Option<bool> {
    let wired = wired(facts.sshd.effective.known()?)?;
    Some(matches!(wired, Wired::Own { .. } | Wired::Wrapper { .. }))
}

/// The keys command that sshd should run here: the one that it runs, else the one that is there, else where this system's package puts it.
pub fn program(facts: &OsFacts) -> Option<String> {
    if let Some(Wired::Own { program, .. }) = facts.sshd.effective.known().and_then(wired) {
        return Some(program);
    }
    let folders = [RPM_FOLDER, DEB_FOLDER];
    let is_there = |folder: &&str| {
        let state = state_of(facts.keys_command.files.known()?, &format!("{folder}/{PROGRAM}"))?;
        (state.state == Fact::Known(FileType::Regular)).then_some(())
    };
    let folder = folders.into_iter().find(|folder| is_there(folder).is_some()).or_else(|| {
        platform::manager(facts).map(|manager| match manager {
            PackageManager::Dpkg => DEB_FOLDER,
            PackageManager::Rpm => RPM_FOLDER,
        })
    });
    folder.map(|folder| format!("{folder}/{PROGRAM}"))
}

/// The keys command is the three scripts of releases 1.x, and no program of 2.x and no port; `None` when nobody could see.
pub fn is_three_scripts(facts: &OsFacts) -> Option<bool> {
    let program = program(facts)?;
    let Some(folder) = program.strip_suffix(PROGRAM) else { return Some(false) };
    let package = facts.package.ec2_instance_connect.known();
    match package.and_then(|package| version::release(package.version.raw())) {
        Some(release) => Some(version::compare(&release, version::FIRST_BINARY) == Ordering::Less),
        // Without a version: one of the other two shows that it is 1.x.
        None => {
            let files = facts.keys_command.files.known()?;
            Some(
                scripts_in(folder)
                    .iter()
                    .any(|path| state_of(files, path).is_some_and(|file| file.state == Fact::Known(FileType::Regular))),
            )
        }
    }
}

/// What was judged by what the three scripts do. The one program of 2.x and ports may do otherwise, which is not published.
pub fn by_scripts(facts: &OsFacts, judged: Result<Verdict, Verdict>) -> Result<Verdict, Verdict> {
    match (is_three_scripts(facts), judged) {
        (Some(true), judged) => judged,
        (
            Some(false),
            Ok(Verdict::Warn(finding) | Verdict::Fail(finding)) | Err(Verdict::Warn(finding) | Verdict::Fail(finding)),
        ) => {
            let why = format!("{}; whether this keys command, which is one program, minds is not known", finding.why);
            Err(finding.evidence.iter().fold(Verdict::unknown(why), |verdict, seen| verdict.seen(&seen.seen, &seen.at)))
        }
        (_, judged @ Err(_)) => judged,
        (Some(false), Ok(_)) => {
            Ok(Verdict::not_applicable("this keys command is one program, and what it needs of this is not published"))
        }
        (None, Ok(_)) => Err(Verdict::unknown("which keys command this system has is not known")),
    }
}

/// The two scripts that the first one calls from its own folder, which ends with a slash.
pub fn scripts_in(folder: &str) -> [String; 2] {
    ["eic_curl_authorized_keys", "eic_parse_authorized_keys"].map(|name| format!("{folder}{name}"))
}

/// What access(2) answered the keys user for a path.
pub fn access_to<'a>(facts: &'a OsFacts, path: &str) -> Option<&'a Access> {
    facts.keys_user.files.known()?.iter().find(|file| file.path.raw() == path)
}

/// The folders above a path, as root saw them, whose modes keep the keys user from passing through.
pub fn closed_folders<'a>(facts: &'a OsFacts, path: &str) -> Vec<&'a FileState> {
    let seen = [&facts.keys_command.files, &facts.trust.files];
    let mut closed = Vec::new();
    let mut path = path;
    while let Some((folder, _name)) = path.rsplit_once('/') {
        let name = if folder.is_empty() { "/" } else { folder };
        let states = seen.iter().filter_map(|files| state_of(files.known()?, name));
        closed.extend(states.filter(|state| is_closed(state)).take(1));
        path = folder;
    }
    closed
}

fn is_closed(folder: &FileState) -> bool {
    folder.state == Fact::Known(FileType::Directory) && folder.mode.known().is_some_and(|mode| mode & 0o001 == 0)
}

/// The keys user was kept out of the keys command itself by this folder, so `os.package.keys-command-files` tells of it.
pub fn keeps_from_program(facts: &OsFacts, folder: &FileState) -> bool {
    program(facts).is_some_and(|program| {
        let is_out = access_to(facts, &program).is_none_or(|access| access.read != Fact::Known(true));
        is_out && closed_folders(facts, &program).iter().any(|closed| closed.path == folder.path)
    })
}

/// What the agent says where the keys user saw something through sshd's own namespace.
pub fn where_seen(facts: &OsFacts) -> &'static str {
    match &facts.keys_user.namespaces {
        Fact::Known(namespaces) if namespaces.contains(&Namespace::Mount) => "the keys user, in sshd's mount namespace",
        _ => "the keys user",
    }
}

pub fn is_in_own_namespace(facts: &OsFacts) -> bool {
    facts.keys_user.namespaces.known().is_some_and(|namespaces| namespaces.contains(&Namespace::Mount))
}

pub fn state_of<'a>(files: &'a [FileState], path: &str) -> Option<&'a FileState> {
    files.iter().find(|file| file.path.raw() == path)
}

/// `path` may stand in a command that people paste: absolute, and made of the characters that packages use.
pub fn is_plain(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains("/../")
        && path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_decides_and_not_the_words_behind_it() {
        assert_eq!(read("none"), Wired::Nothing);
        for own in [
            "/opt/aws/bin/eic_run_authorized_keys %u %f",
            "/usr/bin/eic-run",
            "\"/opt/aws/bin/eic_run_authorized_keys\" %u",
        ] {
            assert!(matches!(read(own), Wired::Own { .. }), "{own}");
        }
        let wrapper = read("/usr/local/bin/both-keys /opt/aws/bin/eic_run_authorized_keys %u %f");
        assert!(matches!(wrapper, Wired::Wrapper { .. }));
        let Wired::Other { program, .. } = read("/usr/bin/sss_ssh_authorizedkeys %u") else { panic!("not another's") };
        assert_eq!(program, "/usr/bin/sss_ssh_authorizedkeys");
    }

    #[test]
    fn the_user_comes_first_and_the_fingerprint_second() {
        let wrong = |line: &str| {
            let Wired::Own { arguments, .. } = read(&format!("/opt/aws/bin/eic_run_authorized_keys {line}")) else {
                panic!("not its own")
            };
            wrong_arguments(arguments.as_deref(), "ec2-user")
        };
        for line in ["", "%u", "%u %f", "\"%u\" '%f'", "ec2-user %f", "%u %f more"] {
            assert_eq!(wrong(line), None, "{line}");
        }
        for line in ["%f %u", "%h %f", "%U %f", "%u %k", "%u:%f", "%%u %f", "root %f", "%u %z", "%u \"%f", "%"] {
            assert!(wrong(line).is_some(), "{line}");
        }
    }

    #[test]
    fn a_path_with_shell_characters_never_reaches_a_command() {
        assert!(is_plain("/opt/aws/bin/eic_run_authorized_keys"));
        for path in ["/opt/$(reboot)", "opt/aws", "/a b", "/opt/../etc", "/x\u{1b}[2J", "/ü"] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
