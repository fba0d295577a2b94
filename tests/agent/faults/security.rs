use eic_doctor_proto::Fact;

use super::{Fault, known};
use crate::facts::{Denial, OsFacts};
use crate::healthy;

const FAILS: &[&str] = &["os.security.selinux fail"];
const WARNS: &[&str] = &["os.security.selinux warn"];

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "SELinux enforcing without the policy, and curl was denied",
        world: healthy::rhel9,
        break_it: |facts, _| {
            without_policy(facts);
            denied(facts, "curl", "name_connect", "tcp_socket", "http_port_t");
        },
        changes: FAILS,
    },
    Fault {
        name: "SELinux enforcing without the policy, and nothing was denied yet",
        world: healthy::rhel9,
        break_it: |facts, _| without_policy(facts),
        changes: WARNS,
    },
    Fault {
        name: "SELinux enforcing without the policy, and nobody has logged in yet",
        world: healthy::rhel9,
        break_it: |facts, _| {
            without_policy(facts);
            healthy::log::set(facts, &[]);
        },
        changes: &["os.security.selinux unknown"],
    },
    Fault {
        name: "SELinux enforcing on Amazon Linux without the policy",
        world: healthy::al2023,
        break_it: |facts, _| {
            facts.security.selinux = Fact::Known(crate::facts::SelinuxMode::Enforcing);
            without_policy(facts);
            denied(facts, "eic_run_authori", "execute", "file", "bin_t");
        },
        changes: FAILS,
    },
    Fault {
        name: "a denial with the policy installed, and sshd tells of its effect",
        world: healthy::rhel9,
        break_it: |facts, _| {
            denied(facts, "ssh-keygen", "read open", "file", "tmpfs_t");
            healthy::log::set(
                facts,
                &[
                    (
                        2,
                        "sshd",
                        90,
                        "AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys ec2-user SHA256:x failed, status 255",
                    ),
                    (
                        2,
                        "sshd",
                        90,
                        "Connection closed by authenticating user ec2-user 203.0.113.7 port 39180 [preauth]",
                    ),
                ],
            );
        },
        // Without a word of the keys command its status may mean something else.
        changes: &["os.security.selinux fail", "os.log.recent-attempts warn"],
    },
    Fault {
        name: "a denial with the policy installed, and no login since",
        world: healthy::rhel9,
        break_it: |facts, _| {
            denied(facts, "curl", "name_connect", "tcp_socket", "http_port_t");
            healthy::log::set(facts, &[]);
        },
        changes: WARNS,
    },
    Fault {
        name: "a crypto policy without Ed25519",
        world: healthy::al2023,
        break_it: |facts, _| {
            facts.security.crypto_policy = Fact::Known("FUTURE:NO-25519".into());
            facts.security.policy_algorithms = Fact::Known(vec!["rsa-sha2-512".into()]);
            healthy::set_effective(facts, "pubkeyacceptedalgorithms", "rsa-sha2-512");
        },
        changes: &["os.sshd.accepted-algorithms fail", "os.security.crypto-policy warn"],
    },
    Fault {
        name: "FIPS mode",
        world: healthy::rhel9,
        break_it: |facts, _| {
            facts.security.fips = Fact::Known(true);
            facts.security.crypto_policy = Fact::Known("FIPS".into());
            healthy::set_effective(facts, "pubkeyacceptedalgorithms", "ecdsa-sha2-nistp256,rsa-sha2-256");
        },
        changes: &["os.sshd.accepted-algorithms fail", "os.security.crypto-policy warn"],
    },
];

fn without_policy(facts: &mut OsFacts) {
    facts.package.selinux = Fact::Absent;
    facts.security.selinux_modules = Fact::Known(Vec::new());
}

/// Two seconds after the last login that worked.
fn denied(facts: &mut OsFacts, command: &str, permissions: &str, class: &str, target: &str) {
    known(&mut facts.security.denials).push(Denial {
        at: healthy::log::AT + 2,
        permissions: permissions.into(),
        command: command.into(),
        source: "sshd_t".into(),
        target: target.into(),
        class: class.into(),
        is_permissive: false,
    });
}
