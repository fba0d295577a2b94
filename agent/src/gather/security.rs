//! Security modules and policies: SELinux, FIPS mode, system-wide crypto policies.

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::{Denial, SecurityFacts, SelinuxMode};
use crate::parse;

use super::host::Host;

const AUDIT_LOG: &str = "/var/log/audit/audit.log";
/// auditd writes some 100 kB an hour on a quiet host.
const AUDIT_TAIL: usize = 512 * 1024;
const DENIALS_KEPT: usize = 12;
/// Seconds.
const DENIALS_FOR: u64 = 3_600;

pub(super) fn gather_security(host: &dyn Host) -> SecurityFacts {
    let selinux = gather_selinux(host);
    let facts = SecurityFacts {
        fips: host.read("/proc/sys/crypto/fips_enabled").map(|bytes| bytes.trim_ascii() == b"1"),
        crypto_policy: gather_crypto_policy(host),
        policy_algorithms: gather_policy_algorithms(host),
        ..SecurityFacts::default()
    };
    if selinux.known().is_none() {
        return SecurityFacts { selinux, ..facts };
    }
    let selinux_policy = gather_policy(host);
    SecurityFacts {
        selinux,
        selinux_modules: gather_modules(host, &selinux_policy),
        selinux_policy,
        selinux_connect: host
            .read("/sys/fs/selinux/booleans/authlogin_yubikey")
            .map(|bytes| bytes.trim_ascii().starts_with(b"1")),
        denials: gather_denials(host),
        ..facts
    }
}

fn gather_selinux(host: &dyn Host) -> Fact<SelinuxMode> {
    match host.read("/sys/fs/selinux/enforce").map(|bytes| bytes.trim_ascii().to_vec()) {
        Fact::Known(mode) if mode == b"1" => Fact::Known(SelinuxMode::Enforcing),
        Fact::Known(mode) if mode == b"0" => Fact::Known(SelinuxMode::Permissive),
        Fact::Known(_) => Fact::unreadable("`/sys/fs/selinux/enforce` is neither 0 nor 1"),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

fn gather_policy(host: &dyn Host) -> Fact<Untrusted> {
    match host.read("/etc/selinux/config").map(|bytes| parse::parse_selinux_config(&bytes).value) {
        Fact::Known(name) => name.map_or(Fact::Absent, Fact::Known),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

/// The store keeps a folder for each module, below one for its priority; older releases have the store in `/etc`.
fn gather_modules(host: &dyn Host, policy: &Fact<Untrusted>) -> Fact<Vec<Untrusted>> {
    // Where nobody says, it is `targeted` (selinux_config(5)).
    let policy = policy.known().map_or("targeted", Untrusted::raw);
    if policy.is_empty() || !policy.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
        return Fact::unreadable("the policy has an odd name");
    }
    let mut missing = Fact::Absent;
    for above in ["/var/lib/selinux", "/etc/selinux"] {
        let store = format!("{above}/{policy}/active/modules");
        let priorities = match host.list(&store) {
            Fact::Known(priorities) => priorities,
            Fact::Absent => continue,
            Fact::Unreadable(why) => return Fact::Unreadable(why),
            Fact::NotGathered => {
                missing = Fact::NotGathered;
                continue;
            }
        };
        let mut found = Vec::new();
        for priority in priorities.iter().filter(|name| name.parse::<u16>().is_ok()).take(16) {
            match host.list(&format!("{store}/{priority}")) {
                Fact::Known(names) => found.extend(names.into_iter().filter(|name| is_ours(name)).map(Untrusted::from)),
                Fact::Absent => {}
                Fact::Unreadable(why) => return Fact::Unreadable(why),
                Fact::NotGathered => return Fact::NotGathered,
            }
        }
        return Fact::Known(found);
    }
    missing
}

fn is_ours(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    name.contains("instance-connect") || name.split('-').any(|part| part == "eic")
}

/// Only the keys command's: what another service is denied says nothing of it.
fn gather_denials(host: &dyn Host) -> Fact<Vec<Denial>> {
    let now = match host.now() {
        Fact::Known(now) => now,
        Fact::Absent | Fact::NotGathered => return Fact::NotGathered,
        Fact::Unreadable(why) => return Fact::Unreadable(why),
    };
    host.tail(AUDIT_LOG, AUDIT_TAIL).map(|tail| {
        let mut denials = parse::parse_audit(&tail.bytes).value;
        denials.retain(|denial| denial.at.saturating_add(DENIALS_FOR) >= now && is_the_keys_commands(denial));
        denials.drain(..denials.len().saturating_sub(DENIALS_KEPT));
        denials
    })
}

fn is_the_keys_commands(denial: &Denial) -> bool {
    let command = denial.command.raw();
    let source = denial.source.raw();
    command.starts_with("eic_") || command.starts_with("eic-") || source.starts_with("sshd") || source == "ssh_keygen_t"
}

fn gather_crypto_policy(host: &dyn Host) -> Fact<Untrusted> {
    host.read("/etc/crypto-policies/state/current").map(|bytes| {
        let text = String::from_utf8_lossy(&bytes);
        let name: String = text.lines().next().unwrap_or_default().trim().chars().take(100).collect();
        name.into()
    })
}

fn gather_policy_algorithms(host: &dyn Host) -> Fact<Vec<Untrusted>> {
    let path = "/etc/crypto-policies/back-ends/opensshserver.config";
    match host.read(path).map(|bytes| parse::parse_crypto_policy(&bytes).value) {
        Fact::Known(algorithms) => algorithms.map_or(Fact::Absent, Fact::Known),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}
