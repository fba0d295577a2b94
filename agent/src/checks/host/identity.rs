use eic_doctor_proto::{Attempt, Command, Fact, Finding, Remedy, Verdict, check};

use crate::checks::{imds, keys_command};
use crate::facts::OsFacts;

check! {
    /// The hardware says that this is the EC2 instance that the metadata service names.
    ///
    /// ## Why it matters
    /// Before it asks for keys, the keys command makes sure that it runs on an EC2 instance: on Xen `/sys/hypervisor/uuid` must begin
    /// with `ec2`; everywhere else `/sys/devices/virtual/dmi/id/board_asset_tag` must be the instance id that the metadata service
    /// tells. If not, it ends with status 0 and no key. sshd logs nothing, and the client is refused as if no key had been pushed.
    /// The log has at most `EC2 Instance Connect was invoked on a non-instance`.
    ///
    /// It happens where something hides or replaces `/sys` (a sandbox around sshd, a container, hardening that takes read access away),
    /// in virtual machines that run inside an instance, and where something else than EC2 answers at 169.254.169.254.
    ///
    /// ## How to look by hand
    /// On the instance:
    ///
    /// ```text
    /// runuser -u ec2-instance-connect -- cat /sys/hypervisor/uuid /sys/devices/virtual/dmi/id/board_asset_tag
    /// findmnt -R /sys
    /// ls -l /sys/devices/virtual/dmi/id/board_asset_tag
    /// ```
    ///
    /// ## How to mend
    /// Give others read access back (`chmod a+r`), or take away what is mounted over `/sys`. In sshd's unit, `InaccessiblePaths=`,
    /// `TemporaryFileSystem=` and the like do such things; `systemctl cat ssh.service sshd.service` shows them. A virtual machine of
    /// your own inside an instance cannot use EC2 Instance Connect: log in to the instance and go on from there.
    ///
    /// ## References
    /// - EC2 User Guide: "Detect whether a host is an EC2 instance"
    /// - systemd.exec(5)
    pub static CHECK: OsFacts = {
        id: "os.host.identity",
        title: "the hardware and IMDS name the same instance",
        needs: ["os.account.keys-user", "os.imds.instance-id"],
        judge: judge,
    }
}

const UUID: &str = "/sys/hypervisor/uuid";
const TAG: &str = "/sys/devices/virtual/dmi/id/board_asset_tag";
const LOOK_AGAIN: &str = "runuser -u ec2-instance-connect -- cat /sys/devices/virtual/dmi/id/board_asset_tag";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let seen = &facts.keys_user;
    let at = |path: &str| format!("{path}, as {}", keys_command::where_seen(facts));
    if is_denied(facts, UUID) {
        return denied(facts, UUID);
    }
    if let Some(uuid) = seen.hypervisor_uuid.present(UUID)? {
        if uuid.raw().starts_with("ec2") {
            return Ok(Verdict::ok(uuid.to_string(), at(UUID)));
        }
        let why = format!("`{UUID}` begins with `{uuid}` and not with `ec2`");
        return finding(facts, &why, (&format!("`{uuid}`"), &at(UUID)), elsewhere(facts));
    }
    if is_denied(facts, TAG) {
        return denied(facts, TAG);
    }
    let Some(tag) = seen.board_asset_tag.present(TAG)? else {
        let why = format!("neither `{UUID}` nor `{TAG}` is there");
        return finding(facts, &why, ("no such file", &at(TAG)), elsewhere(facts));
    };
    let Some(id) = imds::instance_id(facts) else {
        return Err(Verdict::unknown("IMDS did not name the instance").seen(format!("`{tag}`"), at(TAG)));
    };
    if tag.raw() == id {
        return Ok(Verdict::ok(tag.to_string(), at(TAG)));
    }
    let why = format!("`{TAG}` says `{tag}`, and IMDS calls this instance {id}");
    finding(facts, &why, (&format!("`{tag}`"), &at(TAG)), elsewhere(facts))
}

fn is_denied(facts: &OsFacts, path: &str) -> bool {
    keys_command::access_to(facts, path).is_some_and(|access| access.read == Fact::Known(false))
}

fn denied(facts: &OsFacts, path: &'static str) -> Result<Verdict, Verdict> {
    let why = format!("the keys user may not read `{path}`");
    let remedy = if keys_command::is_in_own_namespace(facts) {
        elsewhere(facts)
    } else {
        let text =
            "Give everybody read access back, as root on the instance, also where it is taken away at each start";
        Remedy::by_command(text, &Command::new("chmod").args(["a+r", path]), LOOK_AGAIN)
    };
    finding(facts, &why, ("permission denied", &format!("{path}, as {}", keys_command::where_seen(facts))), remedy)
}

fn elsewhere(facts: &OsFacts) -> Remedy {
    let text = if keys_command::is_in_own_namespace(facts) {
        "Take what hides `/sys` out of sshd's unit (`InaccessiblePaths=`, `TemporaryFileSystem=`, `BindPaths=`) and restart it: \
         `systemctl cat ssh.service sshd.service` shows them"
    } else {
        "Take away what is mounted over `/sys` (`findmnt -R /sys` shows it); a virtual machine inside an instance cannot use \
         EC2 Instance Connect"
    };
    Remedy::by_hand(text, LOOK_AGAIN)
}

/// What the program of 2.x looks at is not published.
fn finding(facts: &OsFacts, why: &str, (seen, at): (&str, &str), remedy: Remedy) -> Result<Verdict, Verdict> {
    match keys_command::is_three_scripts(facts) {
        Some(true) => {
            let why = format!("{why}; the keys command then ends without a word");
            Ok(Verdict::fail(Finding::new(why, remedy).seen(seen, at)))
        }
        _ => Err(Verdict::unknown(format!("{why}; whether this keys command minds is not known")).seen(seen, at)),
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use super::TAG;
    use crate::checks::healthy::{self, changes};
    use crate::facts::OsFacts;

    const FAIL: [&str; 1] = ["os.host.identity fail"];
    const UNKNOWN: [&str; 1] = ["os.host.identity unknown"];

    fn tag(facts: &mut OsFacts, tag: &str) {
        facts.keys_user.board_asset_tag = Fact::Known(tag.into());
    }

    #[test]
    fn another_tag_or_none_is_silence_for_the_scripts() {
        for world in [healthy::al2023, healthy::ubuntu_2204] {
            assert_eq!(changes(world(), |facts, _| tag(facts, "i-0000000000000000a")), FAIL);
            assert_eq!(changes(world(), |facts, _| tag(facts, "")), FAIL);
            assert_eq!(changes(world(), |facts, _| facts.keys_user.board_asset_tag = Fact::Absent), FAIL);
        }
    }

    #[test]
    fn what_the_program_of_2_x_looks_at_is_not_known() {
        assert_eq!(changes(healthy::rhel9(), |facts, _| tag(facts, "not specified")), UNKNOWN);
    }

    #[test]
    fn on_xen_the_tag_is_not_looked_at() {
        let changed = |uuid: &str| {
            changes(healthy::al2(), |facts, _| {
                facts.keys_user.hypervisor_uuid = Fact::Known(uuid.into());
                facts.keys_user.board_asset_tag = Fact::Absent;
            })
        };
        assert_eq!(changed("ec2e1916-9099-7caf-fd21-012345abcdef"), [""; 0]);
        assert_eq!(changed("EC2E1916-9099-7caf-fd21-012345abcdef"), FAIL);
    }

    #[test]
    fn a_tag_that_only_root_may_read_is_as_good_as_none() {
        let changed = changes(healthy::ubuntu_2404(), |facts, _| {
            facts.keys_user.board_asset_tag = Fact::unreadable("permission denied");
            healthy::access(facts, TAG).read = Fact::Known(false);
        });
        assert_eq!(changed, FAIL);
    }
}
