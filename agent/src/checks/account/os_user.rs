use eic_doctor_proto::{Attempt, Command, Finding, Remedy, Verdict, check};

use crate::checks::{imds, platform};
use crate::facts::OsFacts;

check! {
    /// The OS user that the key is pushed for has an account on the instance.
    ///
    /// ## Why it matters
    /// A key is pushed for one OS user, and AWS stores it whether or not the instance knows that user. sshd refuses a user it does
    /// not know without telling the client so: it logs `Invalid user …` and the client sees `Permission denied (publickey)`. The
    /// usual reason is a name from another operating system: `ec2-user` on Ubuntu, or `ubuntu` on Amazon Linux.
    ///
    /// ## How to look by hand
    /// The usual users are `ec2-user` on Amazon Linux, RHEL, CentOS, Fedora, SUSE and Oracle Linux, `ubuntu` on Ubuntu, `admin` on
    /// Debian, `rocky` on Rocky Linux and `bitnami` on Bitnami's images. On the instance: `getent passwd NAME`, and
    /// `journalctl -u ssh.service -u sshd.service | grep 'Invalid user'`. Without a login: the image's name tells the operating
    /// system, and the launch's user data may have renamed or added users.
    ///
    /// ## How to mend
    /// Push the key for a user that exists: `aws ec2-instance-connect ssh --instance-id i-… --os-user NAME`. The caller's IAM policy
    /// may allow some names only (`ec2:osuser`). Or create the account: `useradd --create-home NAME`.
    ///
    /// ## References
    /// - EC2 User Guide: "Troubleshoot issues connecting to your Amazon EC2 Linux instance"
    /// - EC2 User Guide: "Connect to a Linux instance using EC2 Instance Connect"
    pub static CHECK: OsFacts = {
        id: "os.account.os-user",
        title: "the OS user exists",
        needs: [],
        judge: judge,
    }
}

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let user = &attempt.os_user;
    let account = facts.account.os_user.present(&format!("the account of `{user}`"))?;
    match account {
        Some(account) if is_same(account.name.raw(), user.as_str()) => {
            return Ok(Verdict::ok(format!("{user} has uid {}", account.uid), "passwd"));
        }
        // Facts gathered for another attempt answer nothing about this one.
        Some(account) => {
            return Err(Verdict::unknown(format!("the account of `{user}`: the facts are about `{}`", account.name)));
        }
        None => {}
    }
    let finding = Finding::new(format!("the instance has no account `{user}`"), remedy(facts, attempt));
    Ok(Verdict::fail(finding.seen(format!("`{user}` is not there"), "passwd")))
}

/// A name service may answer with its own spelling: `alice` for `Alice@corp`.
fn is_same(account: &str, asked: &str) -> bool {
    let stem = |name: &str| name.split('@').next().unwrap_or_default().to_ascii_lowercase();
    stem(account) == stem(asked)
}

fn remedy(facts: &OsFacts, attempt: &Attempt) -> Remedy {
    let user = attempt.os_user.as_str();
    let usual = platform::usual_user(facts).filter(|usual| *usual != user);
    let Some(usual) = usual else {
        return Remedy::by_command(
            format!("Create `{user}` on the instance, or push the key for a user that is there"),
            &Command::new("useradd").args(["--create-home", user]),
            Command::new("getent").args(["passwd", user]).to_string(),
        );
    };
    let text =
        format!("Connect as `{usual}`, the usual user of this operating system, or create `{user}` on the instance");
    let verify = "The login succeeds";
    match imds::ssh(facts) {
        Some(ssh) => Remedy::by_command(text, &ssh.args(["--os-user", usual]), verify),
        None => Remedy::by_hand(text, verify),
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World, changes};

    fn remedy_for(mut world: World, user: &str) -> Option<String> {
        world.attempt.os_user = user.parse().unwrap();
        world.facts.account.os_user = Fact::Absent;
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        finding.remedy.command
    }

    #[test]
    fn a_user_of_another_operating_system_is_told_the_usual_one() {
        assert_eq!(
            remedy_for(healthy::ubuntu_2204(), "ec2-user").as_deref(),
            Some("aws ec2-instance-connect ssh --region eu-west-1 --instance-id i-0123456789abcdef0 --os-user ubuntu")
        );
        assert_eq!(remedy_for(healthy::ubuntu_2204(), "ubuntu").as_deref(), Some("useradd --create-home ubuntu"));
    }

    #[test]
    fn facts_about_another_user_say_nothing_about_this_one() {
        let changed = changes(healthy::al2023(), |_, attempt| attempt.os_user = "alice".parse().unwrap());
        assert!(changed.iter().all(|change| change.ends_with(" unknown")), "{changed:?}");
        assert_eq!(changed[0], "os.account.os-user unknown");
    }
}
