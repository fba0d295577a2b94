use eic_doctor_proto::{Attempt, Command, Finding, Remedy, Verdict, check};

use crate::checks::keys_command;
use crate::facts::{NullDevice, OsFacts};

check! {
    /// `/dev/null` is the kernel's device, and the keys user may write to it.
    ///
    /// ## Why it matters
    /// sshd opens `/dev/null` before it starts any keys command, and takes no key when there is none. The scripts of releases 1.x send
    /// there what their programs print; where the keys user may not write to it the first of them ends with status 1 or 2, and the log
    /// shows no more than that. `/dev/null` is lost when a program that runs as root deletes or replaces its output file, and what
    /// comes in its place is a regular file that only root may write, and that grows.
    ///
    /// ## How to look by hand
    /// On the instance; the mode should be `crw-rw-rw-` and the numbers `1, 3`:
    ///
    /// ```text
    /// ls -l /dev/null
    /// runuser -u ec2-instance-connect -- sh -c ': >/dev/null' && echo writable
    /// ```
    ///
    /// ## How to mend
    /// `chmod 0666 /dev/null` where it is the device; else `rm -f /dev/null; mknod -m 0666 /dev/null c 1 3`, as root. A restart of the
    /// instance makes it anew too.
    ///
    /// ## References
    /// - null(4), mknod(1)
    /// - OpenSSH, misc.c: `subprocess`
    pub static CHECK: OsFacts = {
        id: "os.host.null-device",
        title: "the keys user can write to /dev/null",
        needs: ["os.account.keys-user"],
        judge: judge,
    }
}

const PATH: &str = "/dev/null";
const LOOK_AGAIN: &str = "runuser -u ec2-instance-connect -- sh -c ': >/dev/null' && echo writable";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let at = format!("{PATH}, as {}", keys_command::where_seen(facts));
    let again = || {
        let remove = Command::new("rm").args(["-f", PATH]);
        let make = Command::new("mknod").args(["-m", "0666", PATH, "c", "1", "3"]);
        Remedy::by_command("Make the device anew, as root on the instance", &remove.and(make), LOOK_AGAIN)
    };
    let found = facts.keys_user.null_device.present(PATH)?;
    match found {
        Some(NullDevice::Writable) => Ok(Verdict::ok("the keys user may write there", at)),
        // Before any keys command.
        None => {
            let why = "there is no `/dev/null`, without which sshd starts no keys command";
            Ok(Verdict::fail(Finding::new(why, again()).seen("no such file", at)))
        }
        Some(NullDevice::Denied) => {
            let why =
                "the keys user may not write to `/dev/null`, where the keys command sends what its programs print";
            let chmod = Command::new("chmod").args(["0666", PATH]);
            let remedy = Remedy::by_command("Let everybody use it again, as root on the instance", &chmod, LOOK_AGAIN);
            let finding = Finding::new(why, remedy).seen("permission denied", at);
            keys_command::by_scripts(facts, Ok(Verdict::fail(finding)))
        }
        Some(NullDevice::OtherDenied) => {
            let why = "`/dev/null` is another file than the kernel's device, and the keys user may not write to it";
            let finding = Finding::new(why, again()).seen("not the character device 1:3", at);
            keys_command::by_scripts(facts, Ok(Verdict::fail(finding)))
        }
        Some(NullDevice::OtherWritable) => {
            let why = "`/dev/null` is another file than the kernel's device, and grows with all that is sent there";
            Ok(Verdict::warn(Finding::new(why, again()).seen("not the character device 1:3", at)))
        }
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, World, changes};
    use crate::facts::NullDevice;

    const FAIL: [&str; 1] = ["os.host.null-device fail"];

    fn with(world: World, device: Fact<NullDevice>) -> Vec<String> {
        changes(world, |facts, _| facts.keys_user.null_device = device)
    }

    #[test]
    fn the_device_and_nothing_else_will_do() {
        assert_eq!(with(healthy::al2023(), Fact::Absent), FAIL);
        assert_eq!(with(healthy::rhel9(), Fact::Absent), FAIL, "sshd itself opens it");
        for device in [NullDevice::Denied, NullDevice::OtherDenied] {
            assert_eq!(with(healthy::ubuntu_2404(), Fact::Known(device)), FAIL);
            assert_eq!(with(healthy::rhel9(), Fact::Known(device)), ["os.host.null-device unknown"]);
        }
        assert_eq!(with(healthy::al2(), Fact::Known(NullDevice::OtherWritable)), ["os.host.null-device warn"]);
    }
}
