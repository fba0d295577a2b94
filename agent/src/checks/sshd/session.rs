use eic_doctor_proto::{Attempt, Evidence, Fact, Finding, Remedy, Verdict, check};

use super::lines;
use crate::facts::{ConfigSetting, EffectiveConfig, FileState, FileType, OsFacts};

check! {
    /// Once the key is accepted, sshd gives the OS user a shell: no forced command, no chroot and no limit stands in the way.
    ///
    /// ## Why it matters
    /// The log says `Accepted publickey`, and the connection ends all the same. `ForceCommand /bin/false` or `internal-sftp` runs that
    /// instead of the shell; `ChrootDirectory` to a folder that is missing, not root's own or writable for others ends the session
    /// (`bad ownership or modes for chroot directory`), and so does one without the user's shell in it; `MaxSessions 0` opens none.
    /// `PermitTTY no` leaves a session without a terminal, of which the console's client makes nothing. Mostly a `Match` block for SFTP
    /// users catches more than was meant.
    ///
    /// ## How to look by hand
    /// On the instance, as root:
    /// `sshd -T -C user=NAME,host=x,addr=SOURCE | grep -e forcecommand -e chroot -e maxsessions -e permittty`; and
    /// `namei -l FOLDER` for a chroot.
    ///
    /// ## How to mend
    /// Take the line out, or write the `Match` above it so that it leaves this user alone; `sshd -t`, and reload sshd.
    ///
    /// ## References
    /// - sshd_config(5): ForceCommand, ChrootDirectory, MaxSessions, PermitTTY
    pub static CHECK: OsFacts = {
        id: "os.sshd.session",
        title: "sshd opens a session with a shell",
        needs: ["os.sshd.configuration"],
        judge: judge,
    }
}

const VERIFY: &str = "eic-doctor-agent check --only os.sshd";

/// What a value of one keyword does to a session.
type Look = fn(&OsFacts, &str) -> Result<Effect, Verdict>;

/// What one keyword does to a session.
enum Effect {
    None,
    /// It ends: why, and whether a line's value is one that must go.
    Ends(String, fn(&str) -> bool),
    /// It works for some: why, and as above.
    Hampers(String, fn(&str) -> bool),
    /// Nobody can tell from outside.
    Open(String),
}

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let config = lines::effective(facts)?;
    let keywords: [(&str, Look, &str); 4] = [
        ("forcecommand", forced, "ForceCommand none"),
        ("chrootdirectory", chroot, "ChrootDirectory none"),
        ("maxsessions", sessions, "MaxSessions 10"),
        ("permittty", terminal, "PermitTTY yes"),
    ];
    let mut ends = Vec::new();
    let mut hampers = Vec::new();
    let mut open = None;
    for (keyword, effect, good) in keywords {
        // Where a `Match` tells addresses of this attempt apart, the answer hangs on the address.
        lines::over_sources(facts, attempt, keyword, |value| {
            Ok(match effect(facts, value)? {
                Effect::Ends(why, _) => Verdict::fail(Finding::new(why, Remedy::by_hand("", ""))),
                _ => Verdict::ok(value, keyword),
            })
        })?;
        match effect(facts, lines::value(config, keyword)?)? {
            Effect::None => {}
            Effect::Ends(why, is_bad) => ends.push(Found { why, lines: lines::bad(facts, keyword, is_bad), good }),
            Effect::Hampers(why, is_bad) => {
                hampers.push(Found { why, lines: lines::bad(facts, keyword, is_bad), good })
            }
            Effect::Open(why) => open = open.or(Some(why)),
        }
    }
    if !ends.is_empty() {
        return Ok(Verdict::fail(finding(facts, attempt, config, &ends)));
    }
    if let Some(why) = open {
        return Err(Verdict::unknown(why));
    }
    if !hampers.is_empty() {
        return Ok(Verdict::warn(finding(facts, attempt, config, &hampers)));
    }
    Ok(Verdict::ok("ForceCommand none, ChrootDirectory none", lines::at(config)))
}

/// What is wrong with a session, the lines behind it, and what a line would say that is well.
struct Found<'a> {
    why: String,
    lines: Vec<&'a ConfigSetting>,
    good: &'static str,
}

fn finding(facts: &OsFacts, attempt: &Attempt, config: &EffectiveConfig, found: &[Found<'_>]) -> Finding {
    let whys: Vec<&str> = found.iter().map(|found| found.why.as_str()).collect();
    let behind: Vec<&ConfigSetting> = found.iter().flat_map(|found| found.lines.iter().copied()).collect();
    // A part of the lines mends nothing.
    let known = if found.iter().any(|found| found.lines.is_empty()) { &[][..] } else { behind.as_slice() };
    let text = "Take the lines out, or let their `Match` leave this user alone";
    let remedy = match found {
        [one] => lines::comment_out_or_match(facts, attempt, text, one.good, known, VERIFY),
        _ => lines::comment_out(facts, text, known, VERIFY),
    };
    let why = format!("the key may be accepted, but {}", whys.join("; "));
    let evidence: Vec<Evidence> = match behind.as_slice() {
        [] => vec![Evidence::new("no line of the files was found for it", lines::at(config))],
        behind => behind.iter().map(|line| lines::evidence(line)).collect(),
    };
    Finding::new(why, remedy).with(evidence)
}

fn is_set(value: &str) -> bool {
    !value.eq_ignore_ascii_case("none")
}

fn forced(facts: &OsFacts, value: &str) -> Result<Effect, Verdict> {
    if !is_set(value) {
        return Ok(Effect::None);
    }
    let mut words = value.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    let program = words.next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    let ends = |why: String| Ok(Effect::Ends(why, is_set));
    match name {
        "false" | "nologin" => {
            return ends(format!("sshd runs `{value}` instead of a shell, which refuses (ForceCommand)"));
        }
        "internal-sftp" | "sftp-server" => {
            return ends("sshd opens SFTP and no shell (ForceCommand)".to_owned());
        }
        "exit" if words.next().is_some_and(|status| status != "0") => {
            return ends(format!("sshd runs `{value}` instead of a shell (ForceCommand)"));
        }
        "true" | "echo" | "printf" | "exit" | "cat" | "sleep" | "logger" => {
            let why = format!("sshd runs `{value}` instead of a shell, and then the session is over (ForceCommand)");
            return Ok(Effect::Hampers(why, is_set));
        }
        _ => {}
    }
    let shells = ["sh", "bash", "dash", "zsh", "ksh", "fish", "tmux", "screen"];
    if program.starts_with('/') {
        let file = state(facts, program)?;
        match &file.state {
            Fact::Absent => {
                return ends(format!("sshd runs `{program}` instead of a shell, and it is missing (ForceCommand)"));
            }
            Fact::Known(FileType::Regular) if file.mode.known().is_some_and(|mode| mode & 0o111 == 0) => {
                return ends(format!(
                    "sshd runs `{program}` instead of a shell, and it cannot be executed (ForceCommand)"
                ));
            }
            _ => {}
        }
    }
    if shells.contains(&name) {
        return Ok(Effect::None);
    }
    Ok(Effect::Open(format!(
        "sshd runs `{value}` instead of a shell (ForceCommand); what that does nobody can see from outside"
    )))
}

fn chroot(facts: &OsFacts, value: &str) -> Result<Effect, Verdict> {
    if !is_set(value) || value == "/" {
        return Ok(Effect::None);
    }
    let files = facts.sshd.session.need("the folders that lead to the chroot")?;
    // The shell in the chroot comes last; a forced command before the folders.
    let forced = lines::value(lines::effective(facts)?, "forcecommand")?;
    let forced = forced.split_whitespace().next().unwrap_or_default().trim_matches(['"', '\'']);
    let Some((shell, folders)) = files.split_last() else {
        return Err(Verdict::unknown("the folders that lead to the chroot: not gathered"));
    };
    let ends = |why: String| Ok(Effect::Ends(why, is_set));
    for folder in folders.iter().filter(|file| file.path.raw() != forced) {
        match &folder.state {
            Fact::Known(FileType::Directory) => {}
            Fact::Known(_) => return ends(format!("`{}` is no folder (ChrootDirectory {value})", folder.path)),
            Fact::Absent => return ends(format!("`{}` is missing (ChrootDirectory {value})", folder.path)),
            Fact::Unreadable(why) => return Err(Verdict::unknown(format!("{}: {}", folder.path, why.reason))),
            Fact::NotGathered => return Err(Verdict::unknown(format!("{}: not gathered", folder.path))),
        }
        let is_roots = *folder.uid.need("the folder's owner")? == 0;
        let is_writable = folder.mode.need("the folder's mode")? & 0o022 != 0;
        if !is_roots || is_writable {
            let what = if is_roots { "can be written by others" } else { "is not root's" };
            return ends(format!("`{}` {what} (ChrootDirectory {value})", folder.path));
        }
    }
    match &shell.state {
        Fact::Absent => ends(format!("the user's shell `{}` is missing (ChrootDirectory {value})", shell.path)),
        Fact::Unreadable(why) => Err(Verdict::unknown(format!("{}: {}", shell.path, why.reason))),
        Fact::NotGathered => Err(Verdict::unknown(format!("{}: not gathered", shell.path))),
        Fact::Known(_) => Ok(Effect::Open(format!(
            "the session is locked into {value} (ChrootDirectory); whether its shell finds its libraries there nobody can see from outside"
        ))),
    }
}

fn sessions(_facts: &OsFacts, value: &str) -> Result<Effect, Verdict> {
    Ok(match value {
        "0" => Effect::Ends("sshd opens no session (MaxSessions 0)".to_owned(), |value| value == "0"),
        _ => Effect::None,
    })
}

fn terminal(_facts: &OsFacts, value: &str) -> Result<Effect, Verdict> {
    Ok(match value {
        "no" => Effect::Hampers("its session gets no terminal (PermitTTY no)".to_owned(), |value| value == "no"),
        _ => Effect::None,
    })
}

fn state<'a>(facts: &'a OsFacts, path: &str) -> Result<&'a FileState, Verdict> {
    let files = facts.sshd.session.need("the forced command's program")?;
    let found = files.iter().find(|file| file.path.raw() == path);
    found.ok_or_else(|| Verdict::unknown(format!("nobody looked at {path}")))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, changes};
    use crate::facts::{FileState, FileType, OsFacts};

    const FAIL: [&str; 1] = ["os.sshd.session fail"];
    const WARN: [&str; 1] = ["os.sshd.session warn"];
    const UNKNOWN: [&str; 1] = ["os.sshd.session unknown"];

    fn file(path: &str, state: Fact<FileType>, mode: u32) -> FileState {
        let (mode, uid) = (Fact::Known(mode), Fact::Known(0));
        FileState {
            path: path.into(),
            state,
            mode,
            uid: uid.clone(),
            gid: uid,
            target: Fact::Absent,
            size: Fact::NotGathered,
        }
    }

    fn forced(command: &str, state: Fact<FileType>, mode: u32) -> Vec<String> {
        changes(healthy::al2023(), |facts, _| {
            healthy::set_effective(facts, "forcecommand", command);
            let program = command.split(' ').next().unwrap();
            facts.sshd.session = Fact::Known(vec![file(program, state, mode)]);
        })
    }

    #[test]
    fn a_forced_command_that_refuses_is_a_failure_and_an_unknown_one_is_open() {
        let there = || Fact::Known(FileType::Regular);
        assert_eq!(forced("/bin/false", there(), 0o755), FAIL);
        assert_eq!(forced("internal-sftp -d /inbox", there(), 0o755), FAIL);
        assert_eq!(forced("/usr/bin/audit", Fact::Absent, 0), FAIL);
        assert_eq!(forced("/usr/bin/audit", there(), 0o644), FAIL);
        assert_eq!(forced("exit 1", there(), 0o755), FAIL);
        assert_eq!(forced("echo no entry", there(), 0o755), WARN);
        assert_eq!(forced("/usr/bin/audit", there(), 0o755), UNKNOWN);
        assert_eq!(forced("/bin/bash -l", there(), 0o755), [""; 0]);
    }

    fn chroot(change: impl Fn(&mut Vec<FileState>)) -> Vec<String> {
        let changed = changes(healthy::al2023(), |facts: &mut OsFacts, _| {
            healthy::set_effective(facts, "chrootdirectory", "/srv/jail");
            let folder = |path: &str| file(path, Fact::Known(FileType::Directory), 0o755);
            let mut files = vec![folder("/srv/jail"), folder("/srv"), folder("/")];
            files.push(file("/srv/jail/bin/bash", Fact::Known(FileType::Regular), 0o755));
            change(&mut files);
            facts.sshd.session = Fact::Known(files);
        });
        // Where the shell is looked for is another check's to say.
        changed.into_iter().filter(|change| change.starts_with("os.sshd")).collect()
    }

    #[test]
    fn a_chroot_must_be_roots_own_all_the_way_and_hold_the_shell() {
        assert_eq!(chroot(|_| ()), UNKNOWN);
        assert_eq!(chroot(|files| files[0].state = Fact::Absent), FAIL);
        assert_eq!(chroot(|files| files[1].mode = Fact::Known(0o775)), FAIL);
        assert_eq!(chroot(|files| files[0].uid = Fact::Known(1000)), FAIL);
        assert_eq!(chroot(|files| files[3].state = Fact::Absent), FAIL);
    }

    #[test]
    fn no_session_and_no_terminal() {
        let with = |keyword: &str, value: &str| {
            changes(healthy::rhel9(), |facts, _| healthy::set_effective(facts, keyword, value))
        };
        assert_eq!(with("maxsessions", "0"), FAIL);
        assert_eq!(with("maxsessions", "1"), [""; 0]);
        assert_eq!(with("permittty", "no"), WARN);
    }
}
