use eic_doctor_proto::{Attempt, Command, Fact, Finding, Remedy, Verdict, check};

use crate::checks::{keys_command, platform};
use crate::facts::{OsFacts, PackageManager, SharedMemory};

check! {
    /// The keys user can make files in `/dev/shm`, where the keys command keeps what it fetches.
    ///
    /// ## Why it matters
    /// The keys command makes a folder `/dev/shm/eic-…` for certificates, OCSP responses and pushed keys, and deletes it at its end. If it
    /// cannot, it ends with status 1 before any key is looked at, and the log says no more than `failed, status 1`. Hardening guides
    /// have people mount `/dev/shm` with options: `noexec`, `nosuid` and `nodev` do no harm; `ro`, another mode than 1777, a size of next
    /// to nothing, or a full one do. So does a unit of sshd that hides it (`InaccessiblePaths=/dev/shm`, `ReadOnlyPaths=/`).
    ///
    /// ## How to look by hand
    /// On the instance:
    ///
    /// ```text
    /// ls -ld /dev/shm; findmnt /dev/shm; df -h /dev/shm; df -i /dev/shm
    /// runuser -u ec2-instance-connect -- test -w /dev/shm && echo writable
    /// systemctl cat ssh.service sshd.service | grep -i paths
    /// ```
    ///
    /// ## How to mend
    /// - Read-only: `mount -o remount,rw /dev/shm`; mode: `chmod 1777 /dev/shm`; not there or not mounted: `mount -t tmpfs -o
    ///   rw,nosuid,nodev,mode=1777 tmpfs /dev/shm`. Put the same into the line for `/dev/shm` in `/etc/fstab`.
    /// - Full: find what fills it with `du -a /dev/shm | sort -n | tail`, or give it more room with `mount -o remount,size=…`.
    /// - Hidden from sshd alone: take the setting out of sshd's unit and restart it.
    ///
    /// ## References
    /// - tmpfs(5)
    /// - systemd.exec(5)
    pub static CHECK: OsFacts = {
        id: "os.host.shared-memory",
        title: "the keys user can make files in /dev/shm",
        needs: ["os.package.installed"],
        judge: judge,
    }
}

const FOLDER: &str = "/dev/shm";
const LOOK_AGAIN: &str = "df -h /dev/shm; runuser -u ec2-instance-connect -- test -w /dev/shm && echo writable";
/// Some 17 files of a page each.
const NEEDED: u64 = 48 * 1024;
/// With AWS's own packages a copy of the bundle of certificate authorities as well, 200 kB and more.
const BUNDLE: u64 = 256 * 1024;
/// Two look-ups side by side, and room for what others put there.
const ROOMY: u64 = 1024 * 1024;
const INODES_NEEDED: u64 = 8;
const INODES_ROOMY: u64 = 64;

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    keys_command::by_scripts(facts, judge_scripts(facts))
}

fn judge_scripts(facts: &OsFacts) -> Result<Verdict, Verdict> {
    let is_seen_as_root = facts.account.keys_user == Fact::Absent;
    let who = if is_seen_as_root { "root" } else { keys_command::where_seen(facts) };
    let at = format!("{FOLDER}, as {who}");
    let Some(found) = facts.keys_user.shared_memory.present(FOLDER)? else {
        let mount = Command::new("mkdir").args(["-p", FOLDER]).and(mounted());
        let remedy = remedy(facts, "Mount a tmpfs at /dev/shm, as root on the instance, and in `/etc/fstab`", &mount);
        return Ok(Verdict::fail(Finding::new("there is no `/dev/shm`", remedy).seen("no such folder", at)));
    };
    if let Some(finding) = permission(facts, found) {
        return Ok(Verdict::fail(finding.seen(words(found), at)));
    }
    if *found.writable.need("whether the keys user may make files in `/dev/shm`")? {
        space(facts, found, &at)
    } else {
        let remedy = Remedy::by_hand(
            "Find what keeps the keys user from writing there: `getfacl /dev/shm`, `findmnt /dev/shm`, the log of SELinux",
            LOOK_AGAIN,
        );
        let finding = Finding::new("the keys user may make no files in `/dev/shm`, though its mode allows it", remedy);
        Ok(Verdict::fail(finding.seen(words(found), at)))
    }
}

/// Why the keys user may make no files there, as far as mount and mode say.
fn permission(facts: &OsFacts, found: &SharedMemory) -> Option<Finding> {
    if found.writable == Fact::Known(true) {
        return None;
    }
    if found.is_read_only == Fact::Known(true) {
        let mount = Command::new("mount").args(["-o", "remount,rw", FOLDER]);
        let text = "Mount it for writing, as root on the instance, and take `ro` out of its line in `/etc/fstab`";
        return Some(Finding::new("`/dev/shm` is mounted read-only", remedy(facts, text, &mount)));
    }
    let mode = *found.mode.known()?;
    // An access list may let in whom the mode does not.
    if mode & 0o003 == 0o003 || found.writable != Fact::Known(false) {
        return None;
    }
    let why = format!("`/dev/shm` has mode {mode:04o}, so the keys user may make no files there");
    let change = Command::new("chmod").args(["1777", FOLDER]);
    let text =
        "Give it its usual mode, as root on the instance, and put no other `mode=` into its line in `/etc/fstab`";
    Some(Finding::new(why, remedy(facts, text, &change)))
}

fn space(facts: &OsFacts, found: &SharedMemory, at: &str) -> Result<Verdict, Verdict> {
    let needed = if platform::manager(facts) == Some(PackageManager::Rpm) { NEEDED + BUNDLE } else { NEEDED };
    let bytes = found.bytes_free.present("the room in `/dev/shm`")?.copied().unwrap_or(u64::MAX);
    let inodes = found.inodes_free.present("the inodes of `/dev/shm`")?.copied().unwrap_or(u64::MAX);
    if bytes >= ROOMY && inodes >= INODES_ROOMY {
        return Ok(Verdict::ok(words(found), at));
    }
    let why = if bytes < ROOMY {
        format!(
            "`/dev/shm` has {} kB left; the keys command needs up to {} kB at a time",
            bytes / 1024,
            (needed + 20 * 1024) / 1024
        )
    } else {
        format!("`/dev/shm` has {inodes} inodes left; the keys command needs about 20 at a time")
    };
    let is_small = matches!(found.size, Fact::Known(size) if size < 16 * ROOMY);
    let remedy = if bytes >= ROOMY {
        let mount = Command::new("mount").args(["-o", "remount,nr_inodes=100k", FOLDER]);
        remedy(facts, "Let it have more inodes, as root on the instance, and in `/etc/fstab`", &mount)
    } else if is_small {
        let mount = Command::new("mount").args(["-o", "remount,size=50%", FOLDER]);
        remedy(facts, "Give it tmpfs's usual size, as root on the instance, and in `/etc/fstab`", &mount)
    } else {
        Remedy::by_hand("Delete what fills it: `du -a /dev/shm | sort -n | tail` shows it", LOOK_AGAIN)
    };
    let finding = Finding::new(why, remedy).seen(words(found), at);
    if bytes < NEEDED || inodes < INODES_NEEDED {
        return Ok(Verdict::fail(finding));
    }
    if bytes < needed {
        // How large the bundle is here was not looked at.
        let unknown = Verdict::unknown(finding.why);
        return Err(finding.evidence.iter().fold(unknown, |verdict, seen| verdict.seen(&seen.seen, &seen.at)));
    }
    Ok(Verdict::warn(finding))
}

fn mounted() -> Command {
    Command::new("mount").args(["-t", "tmpfs", "-o", "rw,nosuid,nodev,mode=1777", "tmpfs", FOLDER])
}

/// What is wrong in sshd's own namespace is mended in its unit, which no single command does.
fn remedy(facts: &OsFacts, text: &str, command: &Command) -> Remedy {
    if keys_command::is_in_own_namespace(facts) {
        return Remedy::by_hand(
            "Take what hides or protects `/dev/shm` out of sshd's unit (`InaccessiblePaths=`, `ReadOnlyPaths=`, \
             `TemporaryFileSystem=`) and restart it: `systemctl cat ssh.service sshd.service` shows it",
            "The next login with a pushed key",
        );
    }
    Remedy::by_command(text, command, LOOK_AGAIN)
}

fn words(found: &SharedMemory) -> String {
    let mode = found.mode.known().map_or_else(|| "an unknown mode".to_owned(), |mode| format!("mode {mode:04o}"));
    let mount = if found.is_read_only == Fact::Known(true) { ", read-only" } else { "" };
    let left = |fact: &Fact<u64>, unit: u64, name: &str| match fact {
        Fact::Known(value) => format!(", {} {name} left", value / unit),
        Fact::Absent => format!(", {name} without limit"),
        Fact::Unreadable(_) | Fact::NotGathered => String::new(),
    };
    format!("{mode}{mount}{}{}", left(&found.bytes_free, 1024, "kB"), left(&found.inodes_free, 1, "inodes"))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, changes};
    use crate::facts::{Namespace, OsFacts, SharedMemory};

    const FAIL: [&str; 1] = ["os.host.shared-memory fail"];
    const WARN: [&str; 1] = ["os.host.shared-memory warn"];

    fn with(change: impl Fn(&mut SharedMemory)) -> Vec<String> {
        changes(healthy::ubuntu_2204(), |facts, _| change(memory(facts)))
    }

    fn memory(facts: &mut OsFacts) -> &mut SharedMemory {
        let Fact::Known(memory) = &mut facts.keys_user.shared_memory else { panic!("no shared memory") };
        memory
    }

    #[test]
    fn room_that_is_short_is_a_warning_and_next_to_none_a_failure() {
        for (kilobytes, expected) in [(0, &FAIL[..]), (47, &FAIL), (100, &WARN), (1_023, &WARN), (1_024, &[])] {
            assert_eq!(with(|memory| memory.bytes_free = Fact::Known(kilobytes * 1024)), expected, "{kilobytes} kB");
        }
        for (inodes, expected) in [(0, &FAIL[..]), (7, &FAIL), (20, &WARN), (64, &[])] {
            assert_eq!(with(|memory| memory.inodes_free = Fact::Known(inodes)), expected, "{inodes}");
        }
    }

    #[test]
    fn room_for_a_copy_of_the_bundle_is_reckoned_where_one_is_made() {
        let changed = changes(healthy::al2023(), |facts, _| memory(facts).bytes_free = Fact::Known(100 * 1024));
        assert_eq!(changed, ["os.host.shared-memory unknown"]);
    }

    #[test]
    fn a_tmpfs_without_limits_has_room() {
        let changed = with(|memory| {
            (memory.bytes_free, memory.inodes_free, memory.size) = (Fact::Absent, Fact::Absent, Fact::Absent);
        });
        assert_eq!(changed, [""; 0]);
    }

    #[test]
    fn an_access_list_may_let_the_keys_user_in_where_the_mode_does_not() {
        assert_eq!(with(|memory| memory.mode = Fact::Known(0o755)), [""; 0]);
        assert_eq!(with(|memory| memory.writable = Fact::Known(false)), FAIL);
    }

    #[test]
    fn without_a_keys_user_what_is_wrong_for_everybody_is_told_all_the_same() {
        let without = |change: &dyn Fn(&mut SharedMemory)| {
            let mut changed = changes(healthy::ubuntu_2204(), |facts, _| {
                facts.account.keys_user = Fact::Absent;
                let memory = memory(facts);
                memory.writable = Fact::unreadable("the keys user does not exist");
                change(memory);
            });
            changed.retain(|change| change.starts_with("os.host.shared-memory"));
            changed
        };
        assert_eq!(without(&|memory| memory.is_read_only = Fact::Known(true)), FAIL);
        // Who may write there hangs on who asks.
        assert_eq!(without(&|memory| memory.mode = Fact::Known(0o755)), ["os.host.shared-memory unknown"]);
        assert_eq!(without(&|_| ()), ["os.host.shared-memory unknown"]);
    }

    #[test]
    fn what_hides_it_from_sshd_alone_is_mended_in_the_unit() {
        let mut world = healthy::ubuntu_2204();
        world.facts.keys_user.namespaces = Fact::Known(vec![Namespace::Mount]);
        let memory = memory(&mut world.facts);
        (memory.writable, memory.is_read_only) = (Fact::Known(false), Fact::Known(true));
        let result = healthy::results(&world).into_iter().find(|result| result.id == "os.host.shared-memory").unwrap();
        assert_eq!(result.remedy.unwrap().command, None);
        assert!(result.evidence[0].at.contains("sshd's mount namespace"));
    }
}
