use eic_doctor_proto::{Attempt, Evidence, Finding, Remedy, Verdict, check};

use crate::checks::log::login;
use crate::checks::platform;
use crate::facts::{Denial, OsFacts, SelinuxMode};
use crate::report::rfc3339;

check! {
    /// SELinux lets the keys command do its work.
    ///
    /// ## Why it matters
    /// sshd runs the keys command in its own domain, which the stock policy does not allow to speak HTTP or to start `ssh-keygen`
    /// on a file of its own. The package `ec2-instance-connect-selinux` brings the policy that allows it. In enforcing mode and
    /// without it the keys command fails while each of its parts works when root tries it: status 7 or 255 in sshd's log, and
    /// `avc: denied` in the audit log. In permissive mode, the default of Amazon Linux 2023, SELinux only writes down.
    ///
    /// What is looked at: the mode, the package and the modules of the policy, the boolean `authlogin_yubikey` (which lets sshd's
    /// domain connect too), and what the audit log says was denied to sshd's domain in the last hour. This fails only for a
    /// denial of something that the keys command cannot do without, with no key handed out since. Enforcing without the package and
    /// without such a denial is `unknown` while no key was handed out, for some systems bring a policy of their own that allows it, and
    /// `warn` where one was.
    ///
    /// ## How to look by hand
    /// ```text
    /// getenforce
    /// rpm -q ec2-instance-connect-selinux; semodule -l | grep -i instance
    /// ausearch -m AVC -ts recent -c curl -c ssh-keygen -c eic_run_authoriz
    /// ```
    ///
    /// ## How to mend
    /// Install the package: `dnf install ec2-instance-connect-selinux` on Amazon Linux; on RHEL and CentOS Stream from the same
    /// place as `ec2-instance-connect`. No restart is needed. Where something is denied all the same, allow that:
    /// `ausearch -m AVC -ts recent | audit2allow -M local-eic`, read `local-eic.te`, then `semodule -i local-eic.pp`.
    /// Turning SELinux off mends it too, and gives up much more.
    ///
    /// ## References
    /// - EC2 User Guide: "Install EC2 Instance Connect on your EC2 instances"
    /// - aws/aws-ec2-instance-connect-config, issues 2, 9, 27 and pull request 35
    /// - selinux(8), ausearch(8), audit2allow(1)
    pub static CHECK: OsFacts = {
        id: "os.security.selinux",
        title: "SELinux lets the keys command work",
        needs: ["os.package.installed"],
        judge: judge,
    }
}

const PACKAGE: &str = "ec2-instance-connect-selinux";
const AUDIT_LOG: &str = "/var/log/audit/audit.log";
const VERIFY: &str = "A login with a pushed key, and then `eic-doctor-agent check --only os.security.selinux`";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let security = &facts.security;
    match security.selinux.present("SELinux's mode")? {
        None => return Ok(Verdict::ok("the kernel runs without SELinux", "/sys/fs/selinux")),
        Some(SelinuxMode::Permissive) => {
            return Ok(Verdict::ok("permissive: SELinux writes down and lets through", "/sys/fs/selinux/enforce"));
        }
        Some(SelinuxMode::Enforcing) => {}
    }
    let denials = security.denials.present("the audit log")?.map_or(&[][..], Vec::as_slice);
    let denials: Vec<&Denial> = denials.iter().filter(|denial| !denial.is_permissive).collect();
    let module = module(facts)?;
    let needed = denials.iter().rfind(|denial| is_needed(denial) && !login::has_worked_since(facts, denial.at));
    if let Some(denial) = needed {
        let why = format!("SELinux denies the keys command what it needs: {}", words(denial));
        let finding =
            Finding::new(why, remedy(facts, module.is_some())).with(denials.iter().map(|denial| seen(denial)));
        // The policy may have come after the denial.
        let is_certain = module.is_none() || login::has_failed_at(facts, denial.at);
        return Ok(if is_certain { Verdict::fail(finding) } else { Verdict::warn(finding) });
    }
    let Some(module) = module else {
        if security.selinux_connect.known() == Some(&true) {
            let at = "/sys/fs/selinux/booleans/authlogin_yubikey";
            return Ok(Verdict::ok("enforcing, and the boolean authlogin_yubikey lets sshd's domain connect", at));
        }
        let why = "SELinux is enforcing, and the policy for EC2 Instance Connect is not installed";
        if !login::has_worked_since(facts, 0) {
            let why = format!(
                "{why}; nothing was denied yet, and no key was handed out: whether this policy allows it is not known"
            );
            return Err(Verdict::unknown(why).seen(format!("no package {PACKAGE}"), "rpm -q"));
        }
        let finding = Finding::new(why, remedy(facts, false)).seen(format!("no package {PACKAGE}"), "rpm -q");
        return Ok(Verdict::warn(finding.with(denials.iter().map(|denial| seen(denial)))));
    };
    Ok(Verdict::Ok { evidence: vec![Evidence::new("enforcing", "/sys/fs/selinux/enforce"), module] })
}

/// The policy for EC2 Instance Connect, where it was seen; an error where nobody could see.
fn module(facts: &OsFacts) -> Result<Option<Evidence>, Verdict> {
    if let Some(package) = facts.package.selinux.known() {
        return Ok(Some(Evidence::new(format!("{PACKAGE} {}", package.version), "rpm -q")));
    }
    let modules = facts.security.selinux_modules.present("the modules of the SELinux policy")?;
    if let Some(module) = modules.and_then(|modules| modules.first()) {
        return Ok(Some(Evidence::new(format!("module {module}"), "the SELinux policy")));
    }
    facts.package.selinux.present("the package of the SELinux policy")?;
    Ok(None)
}

/// Denied, this ends the keys command; other denials may be harmless (`setpgid` of `timeout` is).
fn is_needed(denial: &Denial) -> bool {
    let (command, class) = (denial.command.raw(), denial.class.raw());
    let wants = |wanted: &[&str]| denial.permissions.raw().split_whitespace().any(|one| wanted.contains(&one));
    let is_own = command.starts_with("eic_") || command.starts_with("eic-");
    match class {
        "tcp_socket" => (is_own || command == "curl") && wants(&["name_connect", "connect", "create"]),
        "file" => {
            let runs = is_own || ["sshd", "sshd-session", "timeout", "sh", "bash"].contains(&command);
            let reads = is_own || ["ssh-keygen", "openssl", "curl"].contains(&command);
            (runs && wants(&["execute", "execute_no_trans", "entrypoint"])) || (reads && wants(&["open", "read"]))
        }
        "dir" => (is_own || command == "mktemp") && wants(&["write", "add_name", "create"]),
        _ => false,
    }
}

fn remedy(facts: &OsFacts, has_module: bool) -> Remedy {
    if has_module {
        return Remedy::by_hand(
            "Look at what was denied (`ausearch -m AVC -ts recent`), and allow it by a module of your own: `audit2allow -M local-eic`, \
             `semodule -i local-eic.pp`",
            VERIFY,
        );
    }
    match platform::install_selinux(facts) {
        Some(command) => Remedy::by_command("Install the policy, as root on the instance", &command, VERIFY),
        None => Remedy::by_hand(
            "Allow sshd's domain what the keys command needs: try with `setenforce 0`, collect the denials with \
             `ausearch -m AVC -ts recent | audit2allow -M local-eic`, load them with `semodule -i local-eic.pp`, and `setenforce 1`",
            VERIFY,
        ),
    }
}

fn words(denial: &Denial) -> String {
    let Denial { command, permissions, class, target, .. } = denial;
    format!("`{command}` was denied {permissions} on a {class} of type {target}")
}

fn seen(denial: &Denial) -> Evidence {
    let Denial { at, command, permissions, source, target, class, .. } = denial;
    let seen = format!("denied {{ {permissions} }} comm={command} {source} to {target} tclass={class}");
    Evidence::new(seen, format!("{AUDIT_LOG}, {}", rfc3339(*at)))
}
