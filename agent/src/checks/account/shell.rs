use eic_doctor_proto::{Attempt, Command, Fact, Finding, Remedy, Untrusted, Verdict, check};

use super::login::{account, is_local, usermod};
use crate::checks::keys_command;
use crate::facts::{Account, FileState, FileType, OsFacts};

check! {
    /// The OS user has a shell that exists, that sshd and the user may run, and that takes logins.
    ///
    /// ## Why it matters
    /// sshd looks at the shell before it looks at any key. One that does not exist or that nobody may execute makes it treat the user
    /// as unknown: it logs `User … not allowed because shell … does not exist` (or `is not executable`), asks no keys command, and
    /// the client sees `Permission denied (publickey)`. A shell such as `/usr/sbin/nologin` or `/bin/false` passes that look: the
    /// pushed key is accepted, and then the shell ends the session at once, with or without a sentence. Both happen when a package
    /// with a shell is removed, when a user was made as a service account, or when hardening takes shells away. A shell that was built
    /// for another system, with another loader than this one has, ends as soon, and so does a script without its interpreter.
    ///
    /// ## How to look by hand
    /// On the instance: `getent passwd NAME` shows the shell in the last field (none means `/bin/sh`), `ls -lL` the program, and
    /// `journalctl -u ssh.service -u sshd.service | grep shell` what sshd said.
    ///
    /// ## How to mend
    /// `usermod -s /bin/bash NAME`; it holds from the next login. Where the program itself lost its mode, `chmod a+rx` it.
    ///
    /// ## References
    /// - sshd(8): LOGIN PROCESS
    /// - OpenSSH, `auth.c`: `allowed_user`
    /// - nologin(8), usermod(8)
    pub static CHECK: OsFacts = {
        id: "os.account.shell",
        title: "the OS user has a shell that takes logins",
        needs: ["os.account.os-user"],
        judge: judge,
    }
}

/// Programs that end at once when they are given as a shell.
const ENDS_AT_ONCE: [&str; 7] = ["nologin", "false", "true", "sync", "halt", "shutdown", "poweroff"];
/// Shells that every supported system has.
const USUAL: [&str; 2] = ["/bin/bash", "/bin/sh"];

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let account = account(facts, attempt)?;
    let value = |keyword| facts.sshd.effective.known().and_then(|config| config.first(keyword));
    if let Some(root) = value("chrootdirectory").filter(|root| !root.raw().eq_ignore_ascii_case("none")) {
        return Ok(Verdict::not_applicable(format!("the session is locked into `{root}`, and its shell with it")));
    }
    let shell = facts.account.shell.need("the OS user's shell")?;
    let path = &shell.path;
    let seen = |what: String| (what, path.to_string());
    let kind = shell.state.present(&format!("the shell `{path}`"))?;
    let (why, seen) = match kind {
        None => {
            let why = format!(
                "the shell `{path}` does not exist, so sshd takes {account} for no user at all",
                account = account.name
            );
            let at = shell
                .target
                .known()
                .map_or_else(|| "there is no such file".to_owned(), |target| format!("it leads to `{target}`"));
            (why, seen(at))
        }
        Some(FileType::Regular) => {
            let mode = *shell.mode.need(&format!("the mode of the shell `{path}`"))?;
            let name = path.raw().rsplit('/').next().unwrap_or_default();
            let runs_no_shell = value("forcecommand").is_some_and(|command| command.raw().starts_with("internal-sftp"));
            if mode & 0o111 == 0 {
                let why =
                    format!("the shell `{path}` is not executable, so sshd takes {} for no user at all", account.name);
                (why, seen(format!("mode {mode:04o}")))
            } else if ENDS_AT_ONCE.contains(&name) && !runs_no_shell {
                let why = format!(
                    "the shell of {} is `{path}`: the key is accepted, and the session ends at once",
                    account.name
                );
                (why, (format!("shell {path}"), "passwd".to_owned()))
            } else if may_run(facts, account, shell, mode) == Some(false) {
                let why = format!(
                    "{} may not run the shell `{path}`: the key is accepted, and the session ends at once",
                    account.name
                );
                (why, seen(format!("mode {mode:04o}")))
            } else if let Some(loader) = missing_loader(facts) {
                let why = format!(
                    "the shell `{path}` is started with `{loader}`, which is not here: the key is accepted, and the session ends at once"
                );
                (why, ("no such file".to_owned(), loader.to_string()))
            } else {
                return Ok(Verdict::ok(format!("shell {path}"), "passwd"));
            }
        }
        Some(_) => {
            let why =
                format!("the shell `{path}` is no regular file, so sshd takes {} for no user at all", account.name);
            (why, seen("no regular file".to_owned()))
        }
    };
    Ok(Verdict::fail(Finding::new(why, remedy(facts, attempt, shell)).seen(seen.0, seen.1)))
}

fn missing_loader(facts: &OsFacts) -> Option<&Untrusted> {
    facts.account.shell_loader.known().filter(|loader| loader.state == Fact::Absent).map(|loader| &loader.path)
}

/// By the mode alone; `None` where a group decides that nobody could look up.
fn may_run(facts: &OsFacts, account: &Account, shell: &FileState, mode: u32) -> Option<bool> {
    let (uid, gid) = (*shell.uid.known()?, *shell.gid.known()?);
    if account.uid == 0 {
        return Some(true);
    }
    if account.uid == uid {
        return Some(mode & 0o100 != 0);
    }
    let is_member = account.gid == gid
        || match &facts.account.groups {
            Fact::Known(groups) => groups.iter().any(|group| group.gid == gid),
            // A mode that treats both alike needs no answer.
            _ if (mode >> 3) & 1 == mode & 1 => false,
            _ => return None,
        };
    Some(if is_member { mode & 0o010 != 0 } else { mode & 0o001 != 0 })
}

fn remedy(facts: &OsFacts, attempt: &Attempt, shell: &FileState) -> Remedy {
    let path = shell.path.raw();
    let verify = Command::new("getent").args(["passwd", attempt.os_user.as_str()]).to_string();
    let is_broken = matches!(shell.state, Fact::Known(FileType::Regular)) && missing_loader(facts).is_none();
    if is_broken && USUAL.contains(&path) && keys_command::is_plain(path) {
        return Remedy::by_command(
            "Give the shell its mode back, as root on the instance",
            &Command::new("chmod").args(["a+rx", path]),
            Command::new("ls").args(["-lL", path]).to_string(),
        );
    }
    let other = USUAL.into_iter().find(|usual| *usual != path).unwrap_or("/bin/sh");
    if !is_local(facts) {
        let text = format!(
            "Give `{}` a shell that is there, such as `{other}`, in the directory service that has the account",
            attempt.os_user
        );
        return Remedy::by_hand(text, verify);
    }
    Remedy::by_command("Give the user a shell, as root on the instance", &usermod(attempt, "-s", other), verify)
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{FileState, FileType, OsFacts};

    const FAIL: [&str; 1] = ["os.account.shell fail"];

    fn shell(facts: &mut OsFacts) -> &mut FileState {
        let Fact::Known(shell) = &mut facts.account.shell else { panic!("no shell") };
        shell
    }

    fn with(change: impl Fn(&mut FileState)) -> Vec<String> {
        changes(healthy::al2023(), |facts, _| change(shell(facts)))
    }

    fn command(change: impl Fn(&mut OsFacts)) -> Option<String> {
        let World { mut facts, attempt, .. } = healthy::al2023();
        change(&mut facts);
        match judge(&facts, &attempt) {
            Ok(Verdict::Fail(finding)) => finding.remedy.command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_shell_must_be_there_be_a_file_and_have_one_execute_bit() {
        assert_eq!(with(|shell| shell.state = Fact::Absent), FAIL);
        assert_eq!(with(|shell| shell.state = Fact::Known(FileType::Directory)), FAIL);
        assert_eq!(with(|shell| shell.mode = Fact::Known(0o644)), FAIL);
        assert_eq!(with(|shell| shell.mode = Fact::Known(0o711)), [""; 0]);
    }

    #[test]
    fn a_shell_that_only_others_may_run_is_refused_after_the_key() {
        assert_eq!(with(|shell| shell.mode = Fact::Known(0o700)), FAIL);
        assert_eq!(with(|shell| shell.mode = Fact::Known(0o750)), FAIL);
        let own_group = |shell: &mut FileState| {
            shell.mode = Fact::Known(0o750);
            shell.gid = Fact::Known(1000);
        };
        assert_eq!(with(own_group), [""; 0]);
    }

    #[test]
    fn a_shell_that_ends_at_once_is_told_from_one_that_does_not() {
        for path in ["/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/true"] {
            assert_eq!(with(|shell| shell.path = path.into()), FAIL, "{path}");
        }
        for path in ["/usr/bin/zsh", "/usr/bin/tmux", "/opt/nologinx"] {
            assert_eq!(with(|shell| shell.path = path.into()), [""; 0], "{path}");
        }
    }

    #[test]
    fn a_shell_without_the_loader_that_it_was_built_for_does_not_start() {
        let loader = |state: Fact<FileType>| {
            changes(healthy::al2023(), |facts, _| {
                let mut loader = shell(facts).clone();
                (loader.path, loader.state) = ("/lib/ld-musl-x86_64.so.1".into(), state.clone());
                facts.account.shell_loader = Fact::Known(loader);
            })
        };
        assert_eq!(loader(Fact::Absent), FAIL);
        assert_eq!(loader(Fact::Known(FileType::Regular)), [""; 0]);
        let bash_for_another_system = |facts: &mut OsFacts| {
            let mut loader = shell(facts).clone();
            loader.state = Fact::Absent;
            facts.account.shell_loader = Fact::Known(loader);
        };
        assert_eq!(command(bash_for_another_system).as_deref(), Some("usermod -s /bin/sh ec2-user"));
    }

    #[test]
    fn what_sshd_serves_itself_needs_no_shell() {
        let changed = changes(healthy::al2023(), |facts, _| {
            healthy::set_effective(facts, "forcecommand", "internal-sftp");
            shell(facts).path = "/usr/sbin/nologin".into();
        });
        assert!(!changed.contains(&"os.account.shell fail".to_owned()), "{changed:?}");
    }

    #[test]
    fn the_remedy_mends_the_program_or_the_account() {
        let bash_lost_its_mode = |facts: &mut OsFacts| shell(facts).mode = Fact::Known(0o644);
        assert_eq!(command(bash_lost_its_mode).as_deref(), Some("chmod a+rx /bin/bash"));
        let gone = |facts: &mut OsFacts| shell(facts).state = Fact::Absent;
        assert_eq!(command(gone).as_deref(), Some("usermod -s /bin/sh ec2-user"));
        let other = |facts: &mut OsFacts| shell(facts).path = "/bin/false".into();
        assert_eq!(command(other).as_deref(), Some("usermod -s /bin/bash ec2-user"));
        let from_a_directory = |facts: &mut OsFacts| {
            shell(facts).state = Fact::Absent;
            facts.account.is_local = Fact::Known(false);
        };
        assert_eq!(command(from_a_directory), None);
    }
}
