//! One thing broken at a time, and all that changes by it. Each check is made `warn` or `fail` by some row.

use eic_doctor_proto::{Attempt, Fact};

use super::facts::*;
use super::healthy::{self, World};

mod account;
mod firewall;
mod log;
mod network;
mod resources;
mod security;
mod sshd;
mod trust;

pub struct Fault {
    pub name: &'static str,
    pub world: fn() -> World,
    pub break_it: fn(&mut OsFacts, &mut Attempt),
    pub changes: &'static [&'static str],
}

const WITHOUT_PACKAGE: &[&str] = &[
    "os.package.installed fail",
    "os.package.version blocked",
    "os.package.keys-command-files blocked",
    "os.account.keys-user blocked",
    "os.imds.token-as-keys-user blocked",
    "os.imds.time-budget blocked",
    "os.imds.pushed-keys blocked",
    "os.host.identity blocked",
    "os.host.tools blocked",
    "os.host.null-device blocked",
    "os.host.shared-memory blocked",
    "os.host.syslog blocked",
    "os.trust.certificate-authority blocked",
    "os.trust.openssl blocked",
    "os.trust.signer blocked",
    "os.sshd.authorized-keys-command blocked",
    "os.sshd.authorized-keys-command-user blocked",
    "os.security.selinux blocked",
];
const WITHOUT_IMDS: &[&str] = &[
    "os.imds.token fail",
    "os.imds.token-as-keys-user blocked",
    "os.imds.instance-id blocked",
    "os.imds.availability-zone blocked",
    "os.imds.domain blocked",
    "os.imds.time-budget blocked",
    "os.imds.pushed-keys blocked",
    "os.host.identity blocked",
    "os.trust.clock blocked",
    "os.trust.signer blocked",
];
const NOT_WIRED: &[&str] = &["os.sshd.authorized-keys-command fail", "os.sshd.authorized-keys-command-user blocked"];
const WITHOUT_SSHD: &[&str] = &[
    "os.sshd.running fail",
    "os.sshd.port blocked",
    "os.sshd.user-allowed blocked",
    "os.sshd.root-login blocked",
    "os.sshd.authorized-keys-command blocked",
    "os.sshd.authorized-keys-command-user blocked",
];

/// The name of each area, and its faults.
pub const AREAS: [(&str, &[Fault]); 9] = [
    ("first", FIRST),
    ("account", account::FAULTS),
    ("firewall", firewall::FAULTS),
    ("log", log::FAULTS),
    ("network", network::FAULTS),
    ("resources", resources::FAULTS),
    ("security", security::FAULTS),
    ("sshd", sshd::FAULTS),
    ("trust", trust::FAULTS),
];

pub fn all() -> impl Iterator<Item = &'static Fault> {
    AREAS.iter().flat_map(|(_, faults)| *faults)
}

const FIRST: &[Fault] = &[
    Fault {
        name: "an operating system that AWS does not list",
        world: healthy::rhel9,
        break_it: |facts, _| known(&mut facts.system.os_release).version_id = "10.0".into(),
        changes: &["os.host.supported warn"],
    },
    Fault {
        name: "no package",
        world: healthy::rhel9,
        break_it: |facts, _| {
            facts.package.ec2_instance_connect = Fact::Absent;
            facts.package.selinux = Fact::Absent;
            for file in healthy::files(facts).iter_mut().filter(|file| file.path.raw().contains("eic_")) {
                file.state = Fact::Absent;
            }
            unwire(facts);
        },
        changes: WITHOUT_PACKAGE,
    },
    Fault {
        name: "no package, on a system that has none to offer",
        world: healthy::debian_12,
        break_it: |facts, _| {
            facts.package.ec2_instance_connect = Fact::Absent;
            facts.keys_command.files = Fact::Known(Vec::new());
            facts.account.keys_user = Fact::Absent;
            unwire(facts);
        },
        changes: WITHOUT_PACKAGE,
    },
    Fault {
        name: "a package from before IMDSv2",
        world: healthy::al2,
        break_it: |facts, _| {
            known(&mut facts.package.ec2_instance_connect).version = "1.1-11.amzn2".into();
            facts.package.selinux = Fact::Absent;
            facts.imds.without_token = Fact::Known(ImdsAnswer { status: 200, ..ImdsAnswer::default() });
        },
        changes: &["os.package.version warn"],
    },
    Fault {
        name: "a package from before IMDSv2, where tokens are required",
        world: healthy::al2,
        break_it: |facts, _| {
            known(&mut facts.package.ec2_instance_connect).version = "1.1-11.amzn2".into();
            facts.package.selinux = Fact::Absent;
            facts.imds.without_token = Fact::Known(ImdsAnswer { status: 401, ..ImdsAnswer::default() });
        },
        changes: &["os.package.version fail"],
    },
    Fault {
        name: "a script missing",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            healthy::file(facts, "/usr/share/ec2-instance-connect/eic_run_authorized_keys").state = Fact::Absent;
        },
        changes: &["os.package.keys-command-files fail"],
    },
    Fault {
        name: "a folder that the keys user cannot enter",
        world: healthy::al2023,
        break_it: |facts, _| {
            healthy::file(facts, "/opt").mode = Fact::Known(0o700);
            healthy::set_access(facts, Fact::Known(false));
        },
        changes: &["os.package.keys-command-files fail"],
    },
    Fault {
        name: "no keys user",
        world: healthy::al2023,
        break_it: |facts, _| {
            facts.account.keys_user = Fact::Absent;
            facts.imds.as_keys_user = unreadable_view("there is no keys user");
            // Root looked, and nobody could try to write.
            if let Fact::Known(memory) = &mut facts.keys_user.shared_memory {
                memory.writable = Fact::unreadable("there is no keys user");
            }
        },
        changes: &[
            "os.account.keys-user fail",
            "os.imds.token-as-keys-user blocked",
            "os.imds.time-budget blocked",
            "os.imds.pushed-keys blocked",
            "os.host.identity blocked",
            "os.host.tools blocked",
            "os.host.null-device blocked",
            "os.host.shared-memory unknown",
            "os.host.syslog blocked",
            "os.trust.certificate-authority blocked",
            "os.trust.openssl blocked",
            "os.trust.signer blocked",
            "os.sshd.authorized-keys-command-user blocked",
        ],
    },
    Fault {
        name: "no such OS user",
        world: healthy::ubuntu_2204,
        break_it: |facts, attempt| {
            attempt.os_user = "ec2-user".parse().expect("an OS user");
            facts.account.os_user = Fact::Absent;
        },
        changes: &[
            "os.account.os-user fail",
            "os.account.shell blocked",
            "os.account.locked blocked",
            "os.account.expired blocked",
            "os.account.nologin blocked",
            "os.account.access blocked",
            "os.sshd.user-allowed blocked",
            "os.sshd.root-login blocked",
        ],
    },
    Fault {
        name: "IMDS rejected by a firewall",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| imds(facts, || unreadable_view("connection refused")),
        changes: WITHOUT_IMDS,
    },
    Fault {
        name: "IMDS dropped by a firewall",
        world: healthy::al2023,
        break_it: |facts, _| imds(facts, || unreadable_view("timed out after 1 s")),
        changes: WITHOUT_IMDS,
    },
    Fault {
        name: "no route to IMDS",
        world: healthy::al2023,
        break_it: |facts, _| imds(facts, || unreadable_view("no route to host")),
        changes: WITHOUT_IMDS,
    },
    Fault {
        name: "the metadata endpoint disabled",
        world: healthy::al2,
        break_it: |facts, _| {
            imds(facts, || ImdsView { token: status(403), ..ImdsView::default() });
        },
        changes: WITHOUT_IMDS,
    },
    Fault {
        name: "IMDS kept from the keys user alone",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| facts.imds.as_keys_user = unreadable_view("connection refused"),
        changes: &[
            "os.imds.token-as-keys-user fail",
            "os.imds.time-budget blocked",
            "os.imds.pushed-keys blocked",
            "os.trust.signer blocked",
        ],
    },
    Fault {
        name: "a stranger at the address of IMDS",
        world: healthy::al2023,
        break_it: |facts, _| body(facts, |view| &mut view.instance_id, ""),
        changes: &[
            "os.imds.instance-id fail",
            "os.imds.availability-zone blocked",
            "os.imds.domain blocked",
            "os.host.identity blocked",
        ],
    },
    Fault {
        name: "a Local Zone",
        world: healthy::al2023,
        break_it: |facts, _| body(facts, |view| &mut view.availability_zone, "us-west-2-lax-1a"),
        changes: &["os.imds.availability-zone fail", "os.trust.signer unknown"],
    },
    Fault {
        name: "a partition without EC2 Instance Connect",
        world: healthy::al2023,
        break_it: |facts, _| body(facts, |view| &mut view.domain, "amazonaws.eu"),
        changes: &["os.imds.domain fail", "os.trust.signer unknown"],
    },
    Fault {
        name: "a pushed key without the signer's certificate",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            let view = &mut facts.imds.as_keys_user;
            (view.active_keys, view.signer_cert) = (status(200), status(404));
            facts.trust.signer = Fact::Absent;
        },
        changes: &["os.imds.pushed-keys fail", "os.trust.signer blocked"],
    },
    Fault {
        name: "IMDS throttled when it is asked for a key",
        world: healthy::al2023,
        break_it: |facts, _| facts.imds.as_keys_user.active_keys = status(503),
        changes: &["os.imds.pushed-keys fail", "os.trust.signer blocked"],
    },
    Fault {
        name: "sshd stopped",
        world: healthy::al2023,
        break_it: |facts, _| {
            facts.sshd.process = Fact::Absent;
            facts.sshd.listeners = Fact::Known(Vec::new());
            let unit = known(&mut facts.sshd.unit);
            (unit.active_state, unit.sub_state) = ("inactive".into(), "dead".into());
        },
        changes: WITHOUT_SSHD,
    },
    Fault {
        name: "sshd failed",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            facts.sshd.process = Fact::Absent;
            facts.sshd.effective = Fact::unreadable("sshd -T: bad configuration option");
            let unit = known(&mut facts.sshd.unit);
            (unit.active_state, unit.sub_state) = ("failed".into(), "failed".into());
        },
        changes: &[
            "os.account.locked unknown",
            "os.account.expired unknown",
            "os.account.nologin unknown",
            "os.account.access unknown",
            "os.sshd.running fail",
            "os.sshd.port blocked",
            "os.sshd.connection-limits unknown",
            "os.sshd.user-allowed blocked",
            "os.sshd.root-login blocked",
            "os.sshd.public-key-authentication unknown",
            "os.sshd.accepted-algorithms unknown",
            "os.sshd.authorized-keys-command blocked",
            "os.sshd.authorized-keys-command-user blocked",
            "os.sshd.revoked-keys unknown",
            "os.sshd.max-auth-tries unknown",
            "os.sshd.authentication-methods unknown",
            "os.sshd.session unknown",
        ],
    },
    Fault {
        name: "sshd on another port",
        world: healthy::rhel9,
        break_it: |facts, _| {
            healthy::set_effective(facts, "port", "2222");
            for listener in healthy::listeners(facts) {
                listener.port = 2222;
            }
        },
        changes: &["os.sshd.port fail"],
    },
    Fault {
        name: "the socket unit on another port",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| {
            for listener in healthy::listeners(facts) {
                listener.port = 2222;
            }
        },
        changes: &["os.sshd.port fail"],
    },
    Fault {
        name: "the keys command overridden by a drop-in",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            unwire(facts);
            known(&mut facts.sshd.unit).drop_ins.push(DropIn {
                path: "/etc/systemd/system/ssh.service.d/override.conf".into(),
                exec_start: Fact::Known(vec!["".into(), "/usr/sbin/sshd -D $SSHD_OPTS".into()]),
            });
        },
        changes: NOT_WIRED,
    },
    Fault {
        name: "the keys command overridden by a Match block",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            healthy::set_effective(facts, "authorizedkeyscommand", "none");
            facts.sshd.configured = Fact::Known(vec![ConfiguredLine {
                file: "/etc/ssh/sshd_config".into(),
                line: 124,
                text: "\tAuthorizedKeysCommand none".into(),
            }]);
        },
        changes: NOT_WIRED,
    },
    Fault {
        name: "the keys command of another tool",
        world: healthy::rhel9,
        break_it: |facts, _| {
            with_keys_command(facts, "/usr/bin/sss_ssh_authorizedkeys %u");
        },
        changes: NOT_WIRED,
    },
    Fault {
        name: "the keys command of Google's OS Login",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| with_keys_command(facts, "/usr/bin/google_authorized_keys"),
        changes: NOT_WIRED,
    },
    Fault {
        name: "the keys command of Keymaker",
        world: healthy::al2023,
        break_it: |facts, _| with_keys_command(facts, "/usr/local/bin/keymaker-get-public-keys"),
        changes: NOT_WIRED,
    },
    Fault {
        name: "the keys command of aws-ec2-ssh",
        world: healthy::al2,
        break_it: |facts, _| with_keys_command(facts, "/opt/authorized_keys_command.sh"),
        changes: NOT_WIRED,
    },
    Fault {
        name: "a wrapper around two keys commands",
        world: healthy::al2023,
        break_it: |facts, _| {
            let wrapper = "/usr/local/bin/all-keys /opt/aws/bin/eic_run_authorized_keys %u %f";
            healthy::set_effective(facts, "authorizedkeyscommand", wrapper);
            let path = "/usr/local/bin/all-keys".into();
            facts.sshd.keys_program =
                Fact::Known(KeysProgram { path, names_keys_command: true, ..KeysProgram::default() });
        },
        changes: &["os.sshd.authorized-keys-command warn"],
    },
    Fault {
        name: "a package that was installed without a restart of sshd",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            healthy::set_effective(facts, "authorizedkeyscommand", "none");
            healthy::set_effective(facts, "authorizedkeyscommanduser", "none");
            known(&mut facts.sshd.process).options.clear();
        },
        changes: NOT_WIRED,
    },
    Fault {
        name: "a package that left sshd alone",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            unwire(facts);
            known(&mut facts.sshd.unit).drop_ins.clear();
            facts.sshd.configured = Fact::Known(vec![ConfiguredLine {
                file: "/etc/ssh/sshd_config".into(),
                line: 7,
                text: "AuthorizedKeysCommandUser nobody".into(),
            }]);
        },
        changes: NOT_WIRED,
    },
    Fault {
        name: "a keys command without a user",
        world: healthy::al2023,
        break_it: |facts, _| healthy::set_effective(facts, "authorizedkeyscommanduser", "none"),
        changes: &["os.sshd.authorized-keys-command-user fail"],
    },
];

fn known<T>(fact: &mut Fact<T>) -> &mut T {
    match fact {
        Fact::Known(value) => value,
        _ => panic!("the healthy world lacks what this fault breaks"),
    }
}

/// As after the installation of a tool that takes the one place there is.
fn with_keys_command(facts: &mut OsFacts, command: &str) {
    healthy::set_effective(facts, "authorizedkeyscommand", command);
    healthy::set_effective(facts, "authorizedkeyscommanduser", "nobody");
}

/// As after a restart of sshd without EC2 Instance Connect among its options.
fn unwire(facts: &mut OsFacts) {
    healthy::set_effective(facts, "authorizedkeyscommand", "none");
    healthy::set_effective(facts, "authorizedkeyscommanduser", "none");
    facts.sshd.configured = Fact::Known(Vec::new());
    known(&mut facts.sshd.process).options.clear();
    known(&mut facts.sshd.unit).exec_start = vec!["/usr/sbin/sshd".into(), "-D".into()];
}

fn imds(facts: &mut OsFacts, view: fn() -> ImdsView) {
    facts.imds.as_root = view();
    facts.imds.as_keys_user = view();
}

fn unreadable_view(reason: &str) -> ImdsView {
    ImdsView { token: Fact::unreadable(reason), ..ImdsView::default() }
}

fn status(status: u16) -> Fact<ImdsAnswer> {
    Fact::Known(ImdsAnswer { status, latency_ms: 1, ..ImdsAnswer::default() })
}

fn body(facts: &mut OsFacts, answer: fn(&mut ImdsView) -> &mut Fact<ImdsAnswer>, body: &str) {
    for view in [&mut facts.imds.as_root, &mut facts.imds.as_keys_user] {
        known(answer(view)).body = body.into();
    }
}
