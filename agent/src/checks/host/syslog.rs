use eic_doctor_proto::{Attempt, Command, Fact, Finding, Remedy, Verdict, check};

use crate::checks::keys_command;
use crate::facts::{DevLog, FileType, OsFacts};

check! {
    /// Log messages of the keys user find somebody who reads them at `/dev/log`.
    ///
    /// ## Why it matters
    /// Before the keys command looks at a pushed key, it logs one line with `logger`, and it goes on only if that worked. On a system that
    /// systemd has started, `logger` fails when `/dev/log` is not there or nobody reads it: the keys command ends with status 1, no
    /// key is taken, and for this very reason no log says why. A log daemon that hangs makes `logger` wait until the keys
    /// command's five seconds are over (status 124), and sshd itself wait.
    ///
    /// ## How to look by hand
    /// On the instance:
    ///
    /// ```text
    /// ls -lL /dev/log; readlink /dev/log
    /// systemctl status systemd-journald.service systemd-journald-dev-log.socket
    /// ss -xlp src /run/systemd/journal/dev-log
    /// ```
    ///
    /// `runuser -u ec2-instance-connect -- logger test` tries it, and writes a line.
    ///
    /// ## How to mend
    /// `/dev/log` is a link to `/run/systemd/journal/dev-log`, and systemd makes both. `ln -s /run/systemd/journal/dev-log /dev/log` gives
    /// the link back. A socket that is gone is made anew once the journal has been stopped with its sockets and started again. Where
    /// another log daemon reads `/dev/log` itself, restart that one.
    ///
    /// ## References
    /// - logger(1): `--socket-errors`
    /// - systemd-journald.service(8)
    pub static CHECK: OsFacts = {
        id: "os.host.syslog",
        title: "the keys user can write to the log",
        needs: ["os.account.keys-user"],
        judge: judge,
    }
}

const DEV_LOG: &str = "/dev/log";
const JOURNAL: &str = "/run/systemd/journal/dev-log";
const LOOK_AGAIN: &str = "runuser -u ec2-instance-connect -- logger eic-doctor && echo written";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    keys_command::by_scripts(facts, judge_scripts(facts))
}

fn judge_scripts(facts: &OsFacts) -> Result<Verdict, Verdict> {
    let at = format!("{DEV_LOG}, as {}", keys_command::where_seen(facts));
    let (why, seen, text, command) = match facts.keys_user.dev_log.present(DEV_LOG)? {
        Some(DevLog::Listening) => return Ok(Verdict::ok("somebody reads there", at)),
        None if is_socket(facts, JOURNAL) => (
            "there is no `/dev/log`, at which `logger` and with it the keys command ends",
            "no such file",
            "Give the link to the journal's socket back, as root on the instance",
            Some(Command::new("ln").args(["-sfn", JOURNAL, DEV_LOG])),
        ),
        None => (
            "there is no `/dev/log`, at which `logger` and with it the keys command ends",
            "no such file",
            "Let systemd make the socket anew, as root on the instance; services that log by their standard output are logged again \
             from their own next start on",
            Some(restart()),
        ),
        Some(DevLog::NoSocket) => (
            "`/dev/log` is no socket, at which `logger` and with it the keys command ends",
            "not a socket",
            "Put the link to the journal's socket in its place, as root on the instance",
            is_socket(facts, JOURNAL).then(|| Command::new("ln").args(["-sfn", JOURNAL, DEV_LOG])),
        ),
        Some(DevLog::Refused) => (
            "nobody reads at `/dev/log`, at which `logger` and with it the keys command ends",
            "connection refused",
            "Start what reads there anew, as root on the instance; with systemd that is its journal, and services that log by their \
             standard output are logged again from their own next start on",
            Some(restart()),
        ),
        Some(DevLog::Denied) => (
            "the keys user may not write to `/dev/log`, at which `logger` and with it the keys command ends",
            "permission denied",
            "Let everybody write to the socket again, as root on the instance",
            Some(Command::new("chmod").args(["0666", DEV_LOG])),
        ),
        Some(DevLog::Full) => (
            "what should read at `/dev/log` has read nothing for 2 s, so the keys command waits until its time is over",
            "no room for a message within 2 s",
            "Restart what reads there, as root on the instance; with systemd that is its journal",
            Some(Command::new("systemctl").args(["restart", "systemd-journald.service"])),
        ),
    };
    let remedy = match command {
        Some(command) if !keys_command::is_in_own_namespace(facts) => Remedy::by_command(text, &command, LOOK_AGAIN),
        Some(_) => Remedy::by_hand(
            "Take what hides `/dev/log` out of sshd's unit (`PrivateDevices=`, `InaccessiblePaths=`, `TemporaryFileSystem=`) and \
             restart it: `systemctl cat ssh.service sshd.service` shows it",
            LOOK_AGAIN,
        ),
        None => Remedy::by_hand(text, LOOK_AGAIN),
    };
    let is_systemd = facts.sshd.unit.known().is_some();
    if !is_systemd {
        // logger(1): elsewhere a missing log is no error to it.
        return Err(Verdict::unknown(format!("{why} where systemd runs, which was not seen")).seen(seen, at));
    }
    Ok(Verdict::fail(Finding::new(why, remedy).seen(seen, at)))
}

fn restart() -> Command {
    // systemd makes a socket anew only while its service does not run.
    let units = ["systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald.service"];
    Command::new("systemctl").arg("stop").args(units).and(Command::new("systemctl").arg("start").args(units))
}

fn is_socket(facts: &OsFacts, path: &str) -> bool {
    let sockets = facts.system.log_sockets.known();
    sockets
        .and_then(|sockets| keys_command::state_of(sockets, path))
        .is_some_and(|socket| socket.state == Fact::Known(FileType::Other))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, changes};
    use crate::facts::DevLog;

    const FAIL: [&str; 1] = ["os.host.syslog fail"];

    #[test]
    fn whatever_keeps_logger_from_writing_ends_the_keys_command() {
        for log in [
            Fact::Absent,
            Fact::Known(DevLog::NoSocket),
            Fact::Known(DevLog::Refused),
            Fact::Known(DevLog::Denied),
            Fact::Known(DevLog::Full),
        ] {
            let changed = changes(healthy::al2023(), |facts, _| facts.keys_user.dev_log = log.clone());
            assert_eq!(changed, FAIL, "{log:?}");
            let unknown = changes(healthy::rhel9(), |facts, _| facts.keys_user.dev_log = log.clone());
            assert_eq!(unknown, ["os.host.syslog unknown"], "how the one program logs is not published");
        }
    }

    #[test]
    fn without_systemd_nobody_knows_whether_logger_minds() {
        let changed = changes(healthy::ubuntu_2204(), |facts, _| {
            facts.keys_user.dev_log = Fact::Absent;
            facts.sshd.unit = Fact::unreadable("no systemd");
        });
        assert_eq!(changed.first().map(String::as_str), Some("os.host.syslog unknown"));
    }
}
