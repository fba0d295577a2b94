use super::{Fact, OsFacts, SelinuxMode};

/// The same on every healthy instance: no SELinux, no FIPS, no crypto policy.
pub fn fill(facts: &mut OsFacts) {
    let security = &mut facts.security;
    security.selinux = Fact::Absent;
    security.fips = Fact::Known(false);
    security.crypto_policy = Fact::Absent;
    security.policy_algorithms = Fact::Absent;
}

/// As on Amazon Linux 2023, permissive, and RHEL 9, enforcing.
pub fn with_policies(facts: &mut OsFacts, mode: SelinuxMode) {
    let security = &mut facts.security;
    security.selinux = Fact::Known(mode);
    security.selinux_policy = Fact::Known("targeted".into());
    security.selinux_modules = Fact::Known(vec!["ec2-instance-connect".into()]);
    security.selinux_connect = Fact::Known(false);
    security.denials = Fact::Known(Vec::new());
    security.crypto_policy = Fact::Known("DEFAULT".into());
    let algorithms = ["ecdsa-sha2-nistp256", "ssh-ed25519", "rsa-sha2-256", "rsa-sha2-512"];
    security.policy_algorithms = Fact::Known(algorithms.map(Into::into).to_vec());
}
