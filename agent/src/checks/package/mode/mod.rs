//! What sshd and the kernel demand of the keys command's files, and the command that gives it to them.

use eic_doctor_proto::{Command, Fact, Remedy};

use crate::checks::{keys_command, platform};
use crate::facts::{Access, FileState, OsFacts};

/// Source: OpenSSH, misc.c: `safe_path` over the program and its folders, `stat` as the keys user.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// sshd's own rules hold for it; it is started, and read too if it is a script.
    Program { is_script: bool },
    /// Started and read by its interpreter; sshd does not look at it.
    Script,
    /// sshd's own rules hold for it; it is passed through.
    Folder,
}

impl Demand {
    pub fn program(is_script: bool) -> Self {
        Self::Program { is_script }
    }

    /// The keys user can do with the file what has to be done, by what access(2) answered.
    pub fn is_met_by(self, access: &Access) -> Option<bool> {
        let both = |one: &Fact<bool>, other: &Fact<bool>| match (one, other) {
            (Fact::Known(false) | Fact::Absent, _) | (_, Fact::Known(false) | Fact::Absent) => Some(false),
            (Fact::Known(true), Fact::Known(true)) => Some(true),
            _ => None,
        };
        match self {
            Self::Folder => None,
            Self::Program { is_script: false } => both(&access.run, &access.run),
            Self::Program { is_script: true } | Self::Script => both(&access.read, &access.run),
        }
    }

    /// The faults of one file that is there, or what could not be seen. Where the keys user `can` use it, modes that seem to say
    /// otherwise are overruled by an access list or a supplementary group.
    pub fn faults(self, facts: &OsFacts, file: &FileState, can: Option<bool>) -> Result<Vec<Fault>, String> {
        let mut faults = Vec::new();
        if self != Self::Script {
            faults.extend(owner_faults(facts, file)?);
        }
        if can != Some(true) {
            faults.extend(self.access_faults(facts, file)?);
        }
        Ok(faults)
    }

    fn access_faults(self, facts: &OsFacts, file: &FileState) -> Result<Option<Fault>, String> {
        let (mode, uid, gid) = (mode(file)?, uid(file)?, gid(file)?);
        let (needed, others, group, words) = match self {
            Self::Folder => (0o1, "o+x", "g+x", "cannot be entered"),
            // Mended to what the package gives it: who has put a script in the program's place needs `r` as well.
            Self::Program { is_script: false } => (0o1, "o+rx", "g+rx", "cannot be run"),
            Self::Program { is_script: true } | Self::Script => (0o5, "o+rx", "g+rx", "cannot be read and run"),
        };
        let account = facts.account.keys_user.known();
        // Root needs one execute bit on a file and none on a folder.
        let (allowed, change) = match account {
            Some(account) if account.uid == 0 => (self == Self::Folder || mode & 0o111 != 0, others),
            Some(account) if account.uid == uid => {
                (mode >> 6 & needed == needed, if self == Self::Folder { "u+x" } else { "u+rx" })
            }
            Some(account) if account.gid == gid => (mode >> 3 & needed == needed, group),
            _ => (mode & needed == needed, others),
        };
        let words = format!("{words} by the keys user (mode {mode:04o})");
        Ok((!allowed).then(|| Fault::new(file.path.raw(), words, Repair::Chmod(change))))
    }
}

/// sshd's own rules.
fn owner_faults(facts: &OsFacts, file: &FileState) -> Result<Vec<Fault>, String> {
    let (mode, uid, gid) = (mode(file)?, uid(file)?, gid(file)?);
    let fault = |words: String, repair: Repair| Fault::new(file.path.raw(), words, repair);
    let mut faults = Vec::new();
    if uid != 0 {
        faults.push(fault(format!("belongs to uid {uid} instead of root"), Repair::Chown));
    }
    if mode & 0o002 != 0 {
        faults.push(fault(format!("can be written by everybody (mode {mode:04o})"), Repair::Chmod("go-w")));
    } else if mode & 0o020 != 0 {
        let words = format!("can be written by group {gid} (mode {mode:04o})");
        if gid != 0 || !platform::tolerates_group_write(facts) {
            faults.push(fault(words, Repair::Chmod("go-w")));
        } else {
            let members = facts.account.root_group_members.known();
            let members = members.ok_or_else(|| format!("`{}` {words}, whose members could not be seen", file.path))?;
            if let Some(member) = members.first() {
                let words = format!("can be written by root's group, which `{member}` has as well (mode {mode:04o})");
                faults.push(fault(words, Repair::Chmod("go-w")));
            }
        }
    }
    Ok(faults)
}

fn mode(file: &FileState) -> Result<u32, String> {
    file.mode.known().copied().ok_or_else(|| unseen(file, "mode"))
}

fn uid(file: &FileState) -> Result<u32, String> {
    file.uid.known().copied().ok_or_else(|| unseen(file, "owner"))
}

fn gid(file: &FileState) -> Result<u32, String> {
    file.gid.known().copied().ok_or_else(|| unseen(file, "group"))
}

fn unseen(file: &FileState, what: &str) -> String {
    format!("`{}`: its {what} could not be read", file.path)
}

/// One thing that is wrong with one file.
pub struct Fault {
    path: String,
    words: String,
    repair: Repair,
}

enum Repair {
    Reinstall,
    Chown,
    Chmod(&'static str),
    /// Of the mount point, the options that forbid programs.
    Remount(String),
    /// The program with this name is not the package's, and is to be run by everybody.
    Runnable(String),
    ByHand(&'static str),
}

impl Fault {
    fn new(path: &str, words: impl Into<String>, repair: Repair) -> Self {
        Self { path: path.to_owned(), words: words.into(), repair }
    }

    pub fn missing(path: &str) -> Self {
        Self::new(path, "is missing", Repair::Reinstall)
    }

    pub fn not_a_file(path: &str) -> Self {
        Self::new(path, "is not the kind of file that it should be", Repair::Reinstall)
    }

    /// The kernel runs it, by a shell, and it does nothing.
    pub fn empty(path: &str) -> Self {
        Self::new(path, "is empty", Repair::Reinstall)
    }

    pub fn noexec(path: &str, mount: &str) -> Self {
        let words = format!("cannot be run, because `{}` is mounted noexec", eic_doctor_proto::visible(mount));
        Self::new(path, words, Repair::Remount(mount.to_owned()))
    }

    /// Modes allow it, and the keys user was refused.
    pub fn denied(path: &str) -> Self {
        let text = "Find what denies it to the keys user though its modes allow it: `getfacl` on it and on each folder above it, \
                    and the log of SELinux or AppArmor";
        Self::new(path, "cannot be read and run by the keys user, though modes allow it", Repair::ByHand(text))
    }

    pub fn interpreter(path: &str, interpreter: &Access) -> Self {
        let name = &interpreter.path;
        if interpreter.run != Fact::Absent {
            let words = format!("names `{name}`, which the keys user may not run");
            return Self::new(path, words, Repair::Runnable(name.raw().to_owned()));
        }
        let words = format!("names `{name}`, which is not there");
        let repair = if name.raw() == "/bin/sh" {
            Repair::ByHand("Give this system its shell back: `/bin/sh` is a link to `dash` or `bash`")
        } else {
            Repair::Reinstall
        };
        Self::new(path, words, repair)
    }

    pub fn words(&self) -> String {
        format!("`{}` {}", self.path, self.words)
    }
}

/// The narrowest commands that mend all of `faults`, as one line.
pub fn mend(facts: &OsFacts, faults: &[Fault]) -> Remedy {
    let verify = match faults.iter().find(|fault| keys_command::is_plain(&fault.path)) {
        Some(fault) => Command::new("namei").args(["-l", &fault.path]).to_string(),
        None => "`namei -l` on the keys command shows root as the owner of each step".to_owned(),
    };
    match steps(facts, faults) {
        Some(command) => Remedy::by_command(text(faults), &command, verify),
        None => Remedy::by_hand(text(faults), verify),
    }
}

fn text(faults: &[Fault]) -> &'static str {
    if let Some(text) = faults.iter().find_map(|fault| match fault.repair {
        Repair::ByHand(text) => Some(text),
        _ => None,
    }) {
        text
    } else if faults.iter().any(|fault| matches!(fault.repair, Repair::Reinstall)) {
        "Put the package's files back as they were, as root on the instance"
    } else if faults.iter().any(|fault| matches!(fault.repair, Repair::Remount(_))) {
        "Let programs be run there, as root on the instance, and take `noexec` out of its line in `/etc/fstab`"
    } else {
        "Give each file the owner and mode that sshd demands, as root on the instance"
    }
}

fn steps(facts: &OsFacts, faults: &[Fault]) -> Option<Command> {
    let mut steps = Vec::new();
    for fault in faults {
        if !keys_command::is_plain(&fault.path) {
            return None;
        }
        let step = match &fault.repair {
            Repair::Reinstall => platform::reinstall(facts)?,
            Repair::Chown => Command::new("chown").args(["root", &fault.path]),
            Repair::Chmod(change) => Command::new("chmod").arg(*change).arg(&fault.path),
            Repair::Remount(mount) if keys_command::is_plain(mount) => {
                Command::new("mount").args(["-o", "remount,exec", mount])
            }
            Repair::Runnable(path) if keys_command::is_plain(path) => Command::new("chmod").args(["a+rx", path]),
            Repair::Remount(_) | Repair::Runnable(_) | Repair::ByHand(_) => return None,
        };
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps.into_iter().reduce(Command::and)
}
