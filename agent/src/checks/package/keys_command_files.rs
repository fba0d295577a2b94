use std::cmp::Ordering;

use eic_doctor_proto::{Attempt, Evidence, Fact, Finding, Verdict, check};

use super::mode::{Demand, Fault, mend};
use crate::checks::{keys_command, version};
use crate::facts::{FileState, FileType, OsFacts};

check! {
    /// The keys command's files are there, may be run by the keys user, and have an owner and modes that sshd accepts.
    ///
    /// ## Why it matters
    /// Releases 1.x of the package are three scripts that call each other: `eic_run_authorized_keys`, `eic_curl_authorized_keys`
    /// and `eic_parse_authorized_keys`; 2.x is the first of them alone, as a program. One that is missing ends with status 127, one
    /// that may not be run with 126.
    ///
    /// sshd runs a keys command only if the program and each folder above it belong to root and can be written by root alone; it
    /// logs `Unsafe AuthorizedKeysCommand … bad ownership or modes for file …` and asks nobody otherwise. Debian and Ubuntu let
    /// group-writable pass as long as the group is root's own. Before it looks, sshd has become the keys user, so a folder such
    /// as `/opt` at mode 0700 ends with `Could not stat AuthorizedKeysCommand … Permission denied`.
    ///
    /// ## How to look by hand
    /// On the instance, `namei -l /opt/aws/bin/eic_run_authorized_keys` or
    /// `namei -l /usr/share/ec2-instance-connect/eic_run_authorized_keys` shows owner and mode of each step. Each folder needs
    /// `x` for others, each script `r` and `x`. `rpm -V ec2-instance-connect` or `dpkg -V ec2-instance-connect` tells what changed.
    ///
    /// ## How to mend
    /// Put missing files back by reinstalling the package; take write access away with `chmod go-w`, give ownership back with
    /// `chown root`, let the keys user pass with `chmod o+x` on folders and `chmod o+rx` on scripts. Hardening scripts and
    /// configuration management may undo it: mend it there too. sshd needs no restart.
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
    let scripts = scripts(facts, files, &program);
    look.at(&program, Demand::program(!scripts.is_empty()));
    for script in &scripts {
        look.at(script, Demand::Script);
    }
    for folder in folders_above(files, &program) {
        look.at(&folder, Demand::Folder);
    }
    let Look { faults, unseen, .. } = look;
    if !faults.is_empty() {
        let why: Vec<_> = faults.iter().map(Fault::words).collect();
        let evidence = faults.iter().map(|fault| Evidence::new(fault.words(), "lstat and stat"));
        return Ok(Verdict::fail(Finding::new(why.join("; "), mend(facts, &faults)).with(evidence)));
    }
    if !unseen.is_empty() {
        return Err(Verdict::unknown(unseen.join("; ")));
    }
    let verdict = Verdict::ok(&program, "lstat and stat");
    Ok(scripts.iter().fold(verdict, |verdict, script| verdict.seen(script, "lstat and stat")))
}

struct Look<'a> {
    facts: &'a OsFacts,
    files: &'a [FileState],
    faults: Vec<Fault>,
    unseen: Vec<String>,
}

impl Look<'_> {
    fn at(&mut self, path: &str, demand: Demand) {
        let Some(file) = keys_command::state_of(self.files, path) else {
            self.unseen.push(format!("`{path}`: not gathered"));
            return;
        };
        match (&file.state, demand) {
            (Fact::Absent, _) => self.faults.push(Fault::missing(path)),
            (Fact::Known(FileType::Directory), Demand::Folder) | (Fact::Known(FileType::Regular), _) => {}
            (Fact::Known(_), _) => self.faults.push(Fault::not_a_file(path)),
            (Fact::Unreadable(why), _) => self.unseen.push(format!("`{path}`: {}", why.reason)),
            (Fact::NotGathered, _) => self.unseen.push(format!("`{path}`: not gathered")),
        }
        if file.state.known().is_some() {
            match demand.faults(self.facts, file) {
                Ok(faults) => self.faults.extend(faults),
                Err(unseen) => self.unseen.push(unseen),
            }
        }
    }
}

/// The two scripts that the program of 1.x calls from its own folder; none for 2.x and for ports.
fn scripts(facts: &OsFacts, files: &[FileState], program: &str) -> Vec<String> {
    let Some(folder) = program.strip_suffix(keys_command::PROGRAM) else { return Vec::new() };
    let scripts = ["eic_curl_authorized_keys", "eic_parse_authorized_keys"].map(|name| format!("{folder}{name}"));
    let package = facts.package.ec2_instance_connect.known();
    let release = package.and_then(|package| version::release(package.version.raw()));
    let is_three_scripts = match release {
        Some(release) => version::compare(&release, version::FIRST_BINARY) == Ordering::Less,
        // Without a version: one of the two shows that it is 1.x.
        None => scripts.iter().any(|path| {
            keys_command::state_of(files, path).is_some_and(|file| file.state == Fact::Known(FileType::Regular))
        }),
    };
    if is_three_scripts { scripts.to_vec() } else { Vec::new() }
}

/// sshd follows links first and then looks at each folder of the real path.
fn folders_above(files: &[FileState], program: &str) -> Vec<String> {
    let target = keys_command::state_of(files, program).and_then(|file| file.target.known());
    let mut path = target.map_or(program, |target| target.raw());
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
        changes(world, |facts, _| change(healthy::file(facts, path)))
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
    fn behind_a_link_the_folders_of_the_real_path_count() {
        let changed = with(healthy::al2023(), "/opt/aws/bin/eic_run_authorized_keys", |file| {
            file.target = Fact::Known("/srv/eic/eic_run_authorized_keys".into());
        });
        assert_eq!(changed, ["os.package.keys-command-files unknown"]);
    }
}
