//! Security modules and policies: SELinux, FIPS mode, system-wide crypto policies.

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecurityFacts {
    /// What the kernel does; absent when it runs without SELinux.
    pub selinux: Fact<SelinuxMode>,
    /// `SELINUXTYPE` in `/etc/selinux/config`: `targeted`.
    pub selinux_policy: Fact<Untrusted>,
    /// Modules of that policy whose name is about EC2 Instance Connect; not gathered without SELinux.
    pub selinux_modules: Fact<Vec<Untrusted>>,
    /// The boolean `authlogin_yubikey`, which lets the keys command connect; absent when the policy has none.
    pub selinux_connect: Fact<bool>,
    /// What SELinux denied to the keys command in the last hour, oldest first; absent when there is no audit log.
    pub denials: Fact<Vec<Denial>>,
    /// `/proc/sys/crypto/fips_enabled`; absent when the kernel knows no FIPS mode.
    pub fips: Fact<bool>,
    /// `/etc/crypto-policies/state/current`: `DEFAULT`, `FIPS:OSPP`; absent where there are none.
    pub crypto_policy: Fact<Untrusted>,
    /// The algorithms of public keys that this policy gives to sshd; absent when it gives none.
    pub policy_algorithms: Fact<Vec<Untrusted>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelinuxMode {
    Enforcing,
    Permissive,
}

/// An access vector that was denied: `type=AVC` of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Denial {
    /// Seconds since 1970.
    pub at: u64,
    /// `name_connect`, `read open`.
    pub permissions: Untrusted,
    /// The program that wanted it, at most 15 characters.
    pub command: Untrusted,
    /// The type of the program's context: `sshd_t`.
    pub source: Untrusted,
    /// The type of what it wanted: `http_port_t`.
    pub target: Untrusted,
    /// `tcp_socket`, `file`.
    pub class: Untrusted,
    /// Written down, and let through all the same.
    pub is_permissive: bool,
}
