use super::healthy::account::{first_rule, pam_file};
use super::{Fact, Fault, FileType, PasswordField, healthy, known};

const SHELL: &[&str] = &["os.account.shell fail"];
const EXPIRED: &[&str] = &["os.account.expired fail"];
const NOLOGIN: &[&str] = &["os.account.nologin fail"];
const USER_ALLOWED: &[&str] = &["os.sshd.user-allowed fail"];
const ACCESS: &[&str] = &["os.account.access fail"];

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "a shell that is not there",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            let shell = known(&mut facts.account.shell);
            (shell.path, shell.state) = ("/usr/bin/zsh".into(), Fact::Absent);
        },
        changes: SHELL,
    },
    Fault {
        name: "a shell that nobody may run",
        world: healthy::al2023,
        break_it: |facts, _| known(&mut facts.account.shell).mode = Fact::Known(0o644),
        changes: SHELL,
    },
    Fault {
        name: "a shell that is a folder",
        world: healthy::al2023,
        break_it: |facts, _| known(&mut facts.account.shell).state = Fact::Known(FileType::Directory),
        changes: SHELL,
    },
    Fault {
        name: "a shell that ends at once",
        world: healthy::rhel9,
        break_it: |facts, _| known(&mut facts.account.shell).path = "/sbin/nologin".into(),
        changes: SHELL,
    },
    Fault {
        name: "a shell that the user may not run",
        world: healthy::al2,
        break_it: |facts, _| known(&mut facts.account.shell).mode = Fact::Known(0o700),
        changes: SHELL,
    },
    Fault {
        name: "a locked password where sshd does not ask PAM",
        world: healthy::al2023,
        break_it: |facts, _| healthy::set_effective(facts, "usepam", "no"),
        changes: &["os.account.locked fail", "os.account.access not-applicable"],
    },
    Fault {
        name: "an account that has expired",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| known(&mut facts.account.shadow).expires = Some(18_262),
        changes: EXPIRED,
    },
    Fault {
        name: "an account that has expired where sshd does not ask PAM",
        world: healthy::al2,
        break_it: |facts, _| {
            healthy::set_effective(facts, "usepam", "no");
            let shadow = known(&mut facts.account.shadow);
            (shadow.password, shadow.expires) = (PasswordField::Unmatchable, Some(18_262));
        },
        changes: &["os.account.expired fail", "os.account.access not-applicable"],
    },
    Fault {
        name: "a password to be changed at the next login",
        world: healthy::rhel9,
        break_it: |facts, _| known(&mut facts.account.shadow).last_change = Some(0),
        changes: EXPIRED,
    },
    Fault {
        name: "a password that is too old",
        world: healthy::debian_12,
        break_it: |facts, _| {
            let shadow = known(&mut facts.account.shadow);
            (shadow.last_change, shadow.maximum) = (Some(18_262), Some(90));
        },
        changes: EXPIRED,
    },
    Fault {
        name: "a password that falls due today",
        world: healthy::debian_12,
        break_it: |facts, _| {
            let shadow = known(&mut facts.account.shadow);
            (shadow.last_change, shadow.maximum) = (Some(20_691), Some(90));
        },
        changes: &["os.account.expired warn"],
    },
    Fault {
        name: "no line in /etc/shadow",
        world: healthy::al2023,
        break_it: |facts, _| facts.account.shadow = Fact::Absent,
        changes: EXPIRED,
    },
    Fault {
        name: "a boot that is not over",
        world: healthy::al2023,
        break_it: |facts, _| {
            let text = "\"System is booting up. Unprivileged users are not permitted to log in yet.\"";
            facts.account.run_nologin = Fact::Known(text.into());
        },
        changes: NOLOGIN,
    },
    Fault {
        name: "closed for maintenance",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| facts.account.etc_nologin = Fact::Known("Back at noon".into()),
        changes: NOLOGIN,
    },
    Fault {
        name: "refused by access.conf",
        world: healthy::rhel9,
        break_it: |facts, _| {
            first_rule(facts, "account", "required", "pam_access.so", &[]);
            pam_file(facts, "/etc/security/access.conf", &["+:root:LOCAL", "+:(admins):ALL", "-:ALL:ALL"]);
        },
        changes: ACCESS,
    },
    Fault {
        name: "listed by pam_listfile",
        world: healthy::debian_12,
        break_it: |facts, _| {
            let arguments = ["item=user", "sense=deny", "file=/etc/ssh/denied", "onerr=succeed"];
            first_rule(facts, "account", "required", "pam_listfile.so", &arguments);
            pam_file(facts, "/etc/ssh/denied", &["root", "admin"]);
        },
        changes: ACCESS,
    },
    Fault {
        name: "not in the group that PAM wants",
        world: healthy::al2023,
        break_it: |facts, _| {
            let arguments = ["user", "ingroup", "ssh-users"];
            first_rule(facts, "account", "required", "pam_succeed_if.so", &arguments);
        },
        changes: ACCESS,
    },
    Fault {
        name: "a rule whose module is gone",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| {
            first_rule(facts, "account", "required", "pam_duo.so", &[]);
            known(&mut facts.account.pam).missing_modules = Fact::Known(vec!["pam_duo.so".into()]);
        },
        changes: ACCESS,
    },
    Fault {
        name: "no login allowed by limits.conf",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| pam_file(facts, "/etc/security/limits.d/90-lock.conf", &["ubuntu hard maxlogins 0"]),
        changes: ACCESS,
    },
    Fault {
        name: "not among the users that sshd lets in",
        world: healthy::al2023,
        break_it: |facts, _| healthy::set_effective(facts, "allowusers", "deploy"),
        changes: USER_ALLOWED,
    },
    Fault {
        name: "let in by sshd from elsewhere only",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| healthy::set_effective(facts, "allowusers", "ubuntu@10.0.0.0/8"),
        changes: USER_ALLOWED,
    },
    Fault {
        name: "denied by sshd",
        world: healthy::rhel9,
        break_it: |facts, _| healthy::set_effective(facts, "denyusers", "ec2-*"),
        changes: USER_ALLOWED,
    },
    Fault {
        name: "in no group that sshd lets in",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| healthy::set_effective(facts, "allowgroups", "ssh-users"),
        changes: USER_ALLOWED,
    },
    Fault {
        name: "in a group that sshd denies",
        world: healthy::al2,
        break_it: |facts, _| healthy::set_effective(facts, "denygroups", "adm"),
        changes: USER_ALLOWED,
    },
    Fault {
        name: "a key pushed for root, whom sshd does not let in",
        world: healthy::debian_12,
        break_it: |facts, attempt| {
            healthy::becomes_root(facts, attempt);
            healthy::set_effective(facts, "permitrootlogin", "no");
        },
        changes: &["os.sshd.root-login fail"],
    },
    Fault {
        name: "a key pushed for root, whom sshd does not let in from a part of the addresses",
        world: healthy::al2,
        break_it: |facts, attempt| {
            healthy::becomes_root(facts, attempt);
            healthy::perhaps(facts, "permitrootlogin", "Address 10.0.8.0/28", "no");
        },
        changes: &["os.sshd.root-login unknown"],
    },
    Fault {
        name: "a list that denies the user from a part of the addresses",
        world: healthy::al2,
        break_it: |facts, _| healthy::perhaps(facts, "denyusers", "Address 10.0.8.0/28", "ec2-user"),
        changes: &["os.sshd.user-allowed unknown"],
    },
    Fault {
        name: "a key pushed for root, whom sshd wants a command of",
        world: healthy::al2023,
        break_it: |facts, attempt| {
            healthy::becomes_root(facts, attempt);
            healthy::set_effective(facts, "permitrootlogin", "forced-commands-only");
        },
        changes: &["os.sshd.root-login fail"],
    },
    Fault {
        name: "sshd without rules of PAM",
        world: healthy::al2,
        break_it: |facts, _| known(&mut facts.account.pam).account = Fact::Absent,
        changes: ACCESS,
    },
];
