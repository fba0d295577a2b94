//! Two coordinators on one PostgreSQL.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

use super::Resident;
use super::cluster::Cluster;
use super::coordinator::{Coordinator, Wishes};

#[test]
fn a_check_at_either_coordinator_reaches_the_agent_and_one_serves_all_when_the_other_is_killed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(Cluster::of_all_tests().new_database());
    let dir = TempDir::new().unwrap();
    let (certificate, key) = authority();
    let files = [("authority.pem", &certificate), ("authority.key", &key)].map(|(name, text)| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    });
    let authority = format!("certificate = \"{}\"\nkey = \"{}\"", files[0].display(), files[1].display());
    let scenario = Resident::made();
    let begin = |name: &str| {
        let dir = dir.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        let agents = "127.0.0.1:0".parse().unwrap();
        Coordinator::begin(
            &scenario,
            &Wishes { store: &store, dir: &dir, authority: &authority, enrolment: "", agents, page: None, more: "" },
        )
    };
    let (one, other) = (begin("one"), begin("other"));
    let first = Resident::begin(Resident::made(), one.agents, &files[0]);
    let second = Resident::begin(scenario, other.agents, &files[0]);
    one.wait_for(&format!("{} connected", first.id()));
    other.wait_for(&format!("{} connected", second.id()));
    for (coordinator, resident) in [(&one, &second), (&other, &first), (&one, &first)] {
        let run =
            resident.scenario.check(&["--via", "browser", "--os-facts", "agent", "--coordinator", &coordinator.at()]);
        run.expect(0, "yes", &[]);
    }
    let to = other.agents;
    one.kill();
    first.relay.join(to);
    other.wait_for(&format!("{} connected", first.id()));
    for resident in [&first, &second] {
        let run = resident.scenario.check(&["--via", "browser", "--os-facts", "agent", "--coordinator", &other.at()]);
        run.expect(0, "yes", &[]);
    }
}

fn authority() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}
