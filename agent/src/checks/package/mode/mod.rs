//! What sshd and the kernel demand of the keys command's files, and the command that gives it to them.

use eic_doctor_proto::{Command, Remedy};

use crate::checks::{keys_command, platform};
use crate::facts::{FileState, OsFacts};

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

    /// The faults of one file that is there, or what could not be seen.
    pub fn faults(self, facts: &OsFacts, file: &FileState) -> Result<Vec<Fault>, String> {
        let path = file.path.raw();
        let unseen = |what: &str| format!("`{}`: its {what} could not be read", file.path);
        let mode = *file.mode.known().ok_or_else(|| unseen("mode"))?;
        let uid = *file.uid.known().ok_or_else(|| unseen("owner"))?;
        let gid = *file.gid.known().ok_or_else(|| unseen("group"))?;
        let mut faults = Vec::new();
        let fault = |words: String, repair: Repair| Fault { path: path.to_owned(), words, repair };
        if self != Self::Script {
            if uid != 0 {
                faults.push(fault(format!("belongs to uid {uid} instead of root"), Repair::Chown));
            }
            let group_may_write = mode & 0o020 != 0 && !(gid == 0 && platform::tolerates_group_write(facts));
            if mode & 0o002 != 0 || group_may_write {
                let who = if mode & 0o002 != 0 { "everybody".to_owned() } else { format!("group {gid}") };
                faults.push(fault(format!("can be written by {who} (mode {mode:04o})"), Repair::Chmod("go-w")));
            }
        }
        let (needed, others, group, words) = match self {
            Self::Folder => (0o1, "o+x", "g+x", "cannot be entered"),
            Self::Program { is_script: false } => (0o1, "o+x", "g+x", "cannot be run"),
            Self::Program { is_script: true } | Self::Script => (0o5, "o+rx", "g+rx", "cannot be read and run"),
        };
        let account = facts.account.keys_user.known();
        // Root needs one execute bit on a file and none on a folder.
        let (allowed, change) = match account {
            Some(account) if account.uid == 0 => (self == Self::Folder || mode & 0o111 != 0, others),
            Some(account) if account.uid == uid => {
                (mode >> 6 & needed == needed, if needed == 1 { "u+x" } else { "u+rx" })
            }
            Some(account) if account.gid == gid => (mode >> 3 & needed == needed, group),
            _ => (mode & needed == needed, others),
        };
        if !allowed {
            faults.push(fault(format!("{words} by the keys user (mode {mode:04o})"), Repair::Chmod(change)));
        }
        Ok(faults)
    }
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
}

impl Fault {
    pub fn missing(path: &str) -> Self {
        Self { path: path.to_owned(), words: "is missing".to_owned(), repair: Repair::Reinstall }
    }

    pub fn not_a_file(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            words: "is not the kind of file that it should be".to_owned(),
            repair: Repair::Reinstall,
        }
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
    if faults.iter().any(|fault| matches!(fault.repair, Repair::Reinstall)) {
        "Put the package's files back as they were, as root on the instance"
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
        let step = match fault.repair {
            Repair::Reinstall => platform::reinstall(facts)?,
            Repair::Chown => Command::new("chown").args(["root", &fault.path]),
            Repair::Chmod(change) => Command::new("chmod").args([change, &fault.path]),
        };
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps.into_iter().reduce(Command::and)
}
