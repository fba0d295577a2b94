//! Tells EC2 Instance Connect's keys command from others.

use eic_doctor_proto::Fact;

use crate::facts::{EffectiveConfig, FileState, FileType, OsFacts, PackageManager};

use super::platform;

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
        Some(PROGRAM | PORT) => Wired::Own { line, program },
        _ if mentions(&line) => Wired::Wrapper { line, program },
        _ => Wired::Other { line, program },
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
    fn a_path_with_shell_characters_never_reaches_a_command() {
        assert!(is_plain("/opt/aws/bin/eic_run_authorized_keys"));
        for path in ["/opt/$(reboot)", "opt/aws", "/a b", "/opt/../etc", "/x\u{1b}[2J", "/ü"] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
