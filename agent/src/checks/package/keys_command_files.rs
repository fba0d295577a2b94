use eic_doctor_proto::{Attempt, Evidence, Fact, Finding, Verdict, check};

use super::mode::{Demand, Fault, mend};
use crate::checks::keys_command;
use crate::facts::{FileState, FileType, OsFacts, real_path};

check! {
    /// The keys command's files are there, may be run by the keys user, and have an owner and modes that sshd accepts.
    ///
    /// ## Why it matters
    /// Releases 1.x of the package are three scripts that call each other: `eic_run_authorized_keys`, `eic_curl_authorized_keys`
    /// and `eic_parse_authorized_keys`; 2.x is the first of them alone, as a program. One that is missing ends with status 127, one
    /// that may not be run with 126, and one that is empty, as a full disk during an upgrade leaves it, with 0 and without a key.
    ///
    /// sshd runs a keys command only if the program and each folder above it belong to root and can be written by root alone; it
    /// logs `Unsafe AuthorizedKeysCommand … bad ownership or modes for file …` and asks nobody otherwise. Debian and Ubuntu let
    /// group-writable pass as long as the group is root's and nobody else has it. Before it looks, sshd has become the keys user, so
    /// a folder such as `/opt` at mode 0700 ends with `Could not stat AuthorizedKeysCommand … Permission denied`. An access list or a
    /// supplementary group may let the keys user through all the same, so the agent tries it as that user.
    ///
    /// A file system that is mounted `noexec` runs no script (status 126), and neither does a script whose first line names a program
    /// that is not there.
    ///
    /// ## How to look by hand
    /// On the instance, `namei -l /opt/aws/bin/eic_run_authorized_keys` or
    /// `namei -l /usr/share/ec2-instance-connect/eic_run_authorized_keys` shows owner and mode of each step. Each folder needs
    /// `x` for others, each script `r` and `x`. `rpm -V ec2-instance-connect` or `dpkg -V ec2-instance-connect` tells what changed.
    ///
    /// ## How to mend
    /// Put missing files back by reinstalling the package; take write access away with `chmod go-w`, give ownership back with
    /// `chown root`, let the keys user pass with `chmod o+x` on folders and `chmod o+rx` on scripts, and `mount -o remount,exec` what
    /// is mounted `noexec`. Hardening scripts and configuration management may undo it: mend it there too. sshd needs no restart.
    ///
    /// ## References
    /// - sshd_config(5): AuthorizedKeysCommand
    /// - EC2 User Guide: "Install EC2 Instance Connect on your EC2 instances"
    pub static CHECK: OsFacts = {
        id: "os.package.keys-command-files",
        title: "the keys command's files are as sshd demands",
        needs: ["os.package.installed"],
        runbook: ["CheckEICPackageInstallation"],
        judge: judge,
    }
}

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let files = facts.keys_command.files.need("the keys command's files")?;
    let Some(program) = keys_command::program(facts) else {
        return Err(Verdict::unknown("where this system keeps the keys command is not known"));
    };
    let mut look = Look { facts, files, faults: Vec::new(), unseen: Vec::new() };
    let scripts = scripts(facts, &program);
    look.at(&program, Demand::program(!scripts.is_empty()));
    for script in &scripts {
        look.at(script, Demand::Script);
    }
    let is_reached = keys_command::access_to(facts, &program).is_some_and(|access| access.read == Fact::Known(true));
    for folder in folders_above(files, &program) {
        look.folder(&folder, is_reached);
    }
    look.denials(&program, &scripts);
    let Look { faults, unseen, .. } = look;
    let at = format!("lstat, stat, and access as {}", keys_command::where_seen(facts));
    if !faults.is_empty() {
        let why: Vec<_> = faults.iter().map(Fault::words).collect();
        let evidence = faults.iter().map(|fault| Evidence::new(fault.words(), &at));
        return Ok(Verdict::fail(Finding::new(why.join("; "), mend(facts, &faults)).with(evidence)));
    }
    if !unseen.is_empty() {
        return Err(Verdict::unknown(unseen.join("; ")));
    }
    let verdict = Verdict::ok(&program, &at);
    Ok(scripts.iter().fold(verdict, |verdict, script| verdict.seen(script, &at)))
}

struct Look<'a> {
    facts: &'a OsFacts,
    files: &'a [FileState],
    faults: Vec<Fault>,
    unseen: Vec<String>,
}

impl Look<'_> {
    fn at(&mut self, path: &str, demand: Demand) {
        let access = keys_command::access_to(self.facts, path);
        self.judge(path, demand, access.and_then(|access| demand.is_met_by(access)));
        let Some(Fact::Known(name)) = access.map(|access| &access.interpreter) else { return };
        let Some(interpreter) = keys_command::access_to(self.facts, name.raw()) else { return };
        if Demand::program(false).is_met_by(interpreter) == Some(false) {
            // A closed folder of programs is one fault, which os.host.tools tells.
            if keys_command::closed_folders(self.facts, "/usr/bin/").is_empty() {
                self.faults.push(Fault::interpreter(path, interpreter));
            } else {
                self.unseen.push(format!("`{}` stands behind a folder that cannot be entered", interpreter.path));
            }
        }
    }

    /// A folder of the way. `is_reached`: the keys user came through it.
    fn folder(&mut self, path: &str, is_reached: bool) {
        self.judge(path, Demand::Folder, is_reached.then_some(true));
    }

    fn judge(&mut self, path: &str, demand: Demand, can: Option<bool>) {
        let Some(file) = keys_command::state_of(self.files, path) else {
            self.unseen.push(format!("`{path}`: not gathered"));
            return;
        };
        match (&file.state, demand) {
            (Fact::Absent, _) => self.faults.push(Fault::missing(path)),
            (Fact::Known(FileType::Regular), _) if file.size == Fact::Known(0) => self.faults.push(Fault::empty(path)),
            (Fact::Known(FileType::Directory), Demand::Folder) | (Fact::Known(FileType::Regular), _) => {}
            (Fact::Known(_), _) => self.faults.push(Fault::not_a_file(path)),
            (Fact::Unreadable(why), _) => self.unseen.push(format!("`{path}`: {}", why.reason)),
            (Fact::NotGathered, _) => self.unseen.push(format!("`{path}`: not gathered")),
        }
        if file.state.known().is_some() {
            match demand.faults(self.facts, file, can) {
                Ok(faults) => self.faults.extend(faults),
                Err(unseen) => self.unseen.push(unseen),
            }
        }
    }

    /// What the keys user was refused for a reason that no mode shows.
    fn denials(&mut self, program: &str, scripts: &[String]) {
        if !self.faults.is_empty() || !self.unseen.is_empty() {
            return;
        }
        let is_script = !scripts.is_empty();
        let demands = std::iter::once((program, Demand::program(is_script)));
        for (path, demand) in demands.chain(scripts.iter().map(|script| (script.as_str(), Demand::Script))) {
            let Some(access) = keys_command::access_to(self.facts, path) else { continue };
            if demand.is_met_by(access) == Some(false) {
                self.faults.push(match &access.noexec_mount {
                    Fact::Known(mount) => Fault::noexec(path, mount.raw()),
                    _ => Fault::denied(path),
                });
            }
        }
    }
}

/// The two scripts that the program of 1.x calls from its own folder; none for 2.x and for ports.
fn scripts(facts: &OsFacts, program: &str) -> Vec<String> {
    match (program.strip_suffix(keys_command::PROGRAM), keys_command::is_three_scripts(facts)) {
        (Some(folder), Some(true)) => keys_command::scripts_in(folder).to_vec(),
        _ => Vec::new(),
    }
}

/// sshd follows links first and then looks at each folder of the real path.
fn folders_above(files: &[FileState], program: &str) -> Vec<String> {
    let real = real_path(files, program);
    let mut path = real.as_str();
    let mut folders = Vec::new();
    while let Some((folder, _name)) = path.rsplit_once('/') {
        folders.push(if folder.is_empty() { "/".to_owned() } else { folder.to_owned() });
        path = folder;
    }
    folders
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World, changes};
    use crate::facts::FileState;

    const FAIL: [&str; 1] = ["os.package.keys-command-files fail"];
    const OK: [&str; 0] = [];

    fn with(world: World, path: &str, change: impl Fn(&mut FileState)) -> Vec<String> {
        changes(world, |facts, _| {
            // By modes alone.
            healthy::set_access(facts, Fact::NotGathered);
            change(healthy::file(facts, path));
        })
    }

    fn mode(world: World, path: &str, mode: u32) -> Vec<String> {
        with(world, path, |file| file.mode = Fact::Known(mode))
    }

    #[test]
    fn each_of_the_three_scripts_is_missed_and_the_binary_release_misses_none() {
        for name in ["run", "curl", "parse"] {
            let path = format!("/opt/aws/bin/eic_{name}_authorized_keys");
            assert_eq!(with(healthy::al2023(), &path, |file| file.state = Fact::Absent), FAIL, "{name}");
        }
        let parse = "/opt/aws/bin/eic_parse_authorized_keys";
        assert_eq!(with(healthy::rhel9(), parse, |file| file.state = Fact::Absent), OK);
    }

    #[test]
    fn an_empty_script_finds_no_key() {
        for name in ["run", "curl", "parse"] {
            let path = format!("/opt/aws/bin/eic_{name}_authorized_keys");
            assert_eq!(with(healthy::al2(), &path, |file| file.size = Fact::Known(0)), FAIL, "{name}");
        }
    }

    #[test]
    fn group_write_is_refused_by_upstream_and_tolerated_by_debian_for_the_group_of_root() {
        let program = "/usr/share/ec2-instance-connect/eic_run_authorized_keys";
        assert_eq!(mode(healthy::ubuntu_2204(), program, 0o775), OK);
        assert_eq!(mode(healthy::ubuntu_2204(), "/usr", 0o775), OK);
        assert_eq!(mode(healthy::al2023(), "/opt/aws/bin/eic_run_authorized_keys", 0o775), FAIL);
        assert_eq!(mode(healthy::al2023(), "/opt", 0o775), FAIL);
        let games = with(healthy::ubuntu_2204(), program, |file| {
            file.mode = Fact::Known(0o775);
            file.gid = Fact::Known(60);
        });
        assert_eq!(games, FAIL);
    }

    #[test]
    fn world_write_is_refused_everywhere_a_sticky_bit_included() {
        assert_eq!(mode(healthy::ubuntu_2204(), "/usr/share", 0o1777), FAIL);
        assert_eq!(mode(healthy::al2023(), "/", 0o777), FAIL);
    }

    #[test]
    fn the_keys_user_must_reach_and_run_each_file() {
        assert_eq!(mode(healthy::al2023(), "/opt", 0o700), FAIL);
        assert_eq!(mode(healthy::al2023(), "/opt/aws/bin/eic_curl_authorized_keys", 0o744), FAIL);
        // A script must be read by its interpreter; a program only started.
        assert_eq!(mode(healthy::al2023(), "/opt/aws/bin/eic_parse_authorized_keys", 0o711), FAIL);
        assert_eq!(mode(healthy::rhel9(), "/opt/aws/bin/eic_run_authorized_keys", 0o711), OK);
    }

    #[test]
    fn the_keys_users_own_group_opens_the_way_as_well() {
        let changed = with(healthy::al2023(), "/opt/aws", |file| {
            file.mode = Fact::Known(0o750);
            file.gid = Fact::Known(healthy::KEYS_USER_ID);
        });
        assert_eq!(changed, OK);
    }

    #[test]
    fn what_sshd_does_not_look_at_is_not_reported() {
        // sshd judges the program that it starts, not those that the program starts.
        assert_eq!(mode(healthy::al2023(), "/opt/aws/bin/eic_curl_authorized_keys", 0o775), OK);
    }

    #[test]
    fn another_owner_is_refused() {
        let changed = with(healthy::al2023(), "/opt/aws/bin", |file| file.uid = Fact::Known(1000));
        assert_eq!(changed, FAIL);
    }

    #[test]
    fn each_wrong_file_is_named_and_mended_once() {
        let mut world = healthy::al2023();
        healthy::set_access(&mut world.facts, Fact::Known(false));
        healthy::file(&mut world.facts, "/opt").mode = Fact::Known(0o770);
        healthy::file(&mut world.facts, "/opt/aws/bin/eic_curl_authorized_keys").mode = Fact::Known(0o644);
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        assert_eq!(finding.evidence.len(), 3);
        assert_eq!(
            finding.remedy.command.as_deref(),
            Some("chmod o+rx /opt/aws/bin/eic_curl_authorized_keys && chmod go-w /opt && chmod o+x /opt")
        );
    }

    #[test]
    fn a_mode_that_could_not_be_read_is_unknown() {
        let changed = with(healthy::al2023(), "/opt/aws", |file| file.mode = Fact::unreadable("permission denied"));
        assert_eq!(changed, ["os.package.keys-command-files unknown"]);
    }

    #[test]
    fn an_access_list_or_a_supplementary_group_opens_the_way_as_well() {
        let path = "/opt/aws/bin/eic_run_authorized_keys";
        let changed = changes(healthy::al2023(), |facts, _| {
            healthy::file(facts, "/opt").mode = Fact::Known(0o700);
            healthy::file(facts, path).mode = Fact::Known(0o700);
        });
        assert_eq!(changed, OK, "the keys user was let through when it tried");
        let refused = changes(healthy::al2023(), |facts, _| healthy::access(facts, path).run = Fact::Known(false));
        assert_eq!(refused, FAIL, "modes allow it, and the keys user was refused");
    }

    #[test]
    fn a_file_system_without_programs_and_a_missing_interpreter_are_named() {
        let path = "/usr/share/ec2-instance-connect/eic_curl_authorized_keys";
        let mut world = healthy::ubuntu_2204();
        let access = healthy::access(&mut world.facts, path);
        (access.run, access.noexec_mount) = (Fact::Known(false), Fact::Known("/usr/share".into()));
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        assert_eq!(finding.remedy.command.as_deref(), Some("mount -o remount,exec /usr/share"));
        let mut world = healthy::ubuntu_2204();
        let shell = healthy::access(&mut world.facts, "/bin/sh");
        (shell.read, shell.run) = (Fact::Absent, Fact::Absent);
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        assert!(finding.why.contains("names `/bin/sh`, which is not there"), "{}", finding.why);
        assert_eq!(finding.remedy.command, None);
    }

    #[test]
    fn who_else_has_roots_group_decides_on_debian() {
        let program = "/usr/share/ec2-instance-connect/eic_run_authorized_keys";
        let with = |members: Fact<Vec<eic_doctor_proto::Untrusted>>| {
            changes(healthy::ubuntu_2204(), |facts, _| {
                healthy::file(facts, program).mode = Fact::Known(0o775);
                facts.account.root_group_members = members;
            })
        };
        assert_eq!(with(Fact::Known(Vec::new())), OK);
        assert_eq!(with(Fact::Known(vec!["games".into()])), FAIL);
        assert_eq!(with(Fact::unreadable("permission denied")), ["os.package.keys-command-files unknown"]);
    }

    #[test]
    fn behind_a_link_the_folders_of_the_real_path_count() {
        let changed = with(healthy::al2023(), "/opt/aws/bin/eic_run_authorized_keys", |file| {
            file.target = Fact::Known("/srv/eic/eic_run_authorized_keys".into());
        });
        assert_eq!(changed, ["os.package.keys-command-files unknown"]);
    }
}
