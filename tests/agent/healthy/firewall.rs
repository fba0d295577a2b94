use eic_doctor_proto::Fact;

use super::OsFacts;

/// The same on every healthy instance.
pub fn fill(facts: &mut OsFacts) {
    facts.firewall.nf_tables = Fact::Absent;
    facts.firewall.ip_tables = Fact::Absent;
    facts.firewall.hosts_access.allow = Fact::Known(Vec::new());
    facts.firewall.hosts_access.deny = Fact::Known(Vec::new());
}
