//! The package and the files of its keys command.

use std::collections::BTreeSet;
use std::time::Duration;

use eic_doctor_proto::{Fact, Untrusted, Why};

use crate::facts::{EffectiveConfig, KeysCommandFacts, OsRelease, Package, PackageFacts, PackageManager, real_path};
use crate::parse;

use super::host::{Host, Run};

const DPKG_STATUS: &str = "/var/lib/dpkg/status";
/// Where rpm keeps its database: everywhere up to 4.16, and since Fedora 36.
const RPM_FOLDERS: [&str; 2] = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"];
const RPM_FILES: [&str; 3] = ["rpmdb.sqlite", "Packages", "Packages.db"];
const NAME: &str = "ec2-instance-connect";
const SELINUX: &str = "ec2-instance-connect-selinux";
/// A query takes 20 to 300 ms; one that waits for another rpm's lock does not come back.
const RPM_TIMEOUT: Duration = Duration::from_secs(3);

/// Places of the keys command's three scripts: of the packages for Ubuntu and for rpm systems (`domain.md` §2.4).
const PLACES: [&str; 2] = ["/usr/share/ec2-instance-connect", "/opt/aws/bin"];
const SCRIPTS: [&str; 3] = ["eic_run_authorized_keys", "eic_curl_authorized_keys", "eic_parse_authorized_keys"];

pub(super) fn gather_package(host: &dyn Host, release: Option<&OsRelease>) -> PackageFacts {
    let manager = gather_manager(host, release);
    match &manager {
        Fact::Known(PackageManager::Dpkg) => {
            PackageFacts { ec2_instance_connect: gather_dpkg(host), selinux: Fact::Absent, manager }
        }
        Fact::Known(PackageManager::Rpm) => {
            let (ec2_instance_connect, selinux) = gather_rpm(host);
            PackageFacts { ec2_instance_connect, selinux, manager }
        }
        Fact::Unreadable(why) => PackageFacts {
            ec2_instance_connect: Fact::Unreadable(why.clone()),
            selinux: Fact::Unreadable(why.clone()),
            manager,
        },
        Fact::Absent | Fact::NotGathered => PackageFacts { manager, ..PackageFacts::default() },
    }
}

/// A Debian system may carry rpm's tools and the reverse, so the distribution's family is asked first.
fn gather_manager(host: &dyn Host, release: Option<&OsRelease>) -> Fact<PackageManager> {
    let family =
        |name: &str| release.is_some_and(|r| r.id.raw() == name || r.id_like.iter().any(|like| like.raw() == name));
    let dpkg = host.file_state(DPKG_STATUS).state.map(|_| PackageManager::Dpkg);
    let is_dpkg_family = family("debian") || family("ubuntu");
    if let (true, Fact::Known(_)) = (is_dpkg_family, &dpkg) {
        return dpkg;
    }
    let rpm = gather_rpm_database(host).map(|()| PackageManager::Rpm);
    match (rpm, dpkg) {
        (Fact::Known(manager), _) | (_, Fact::Known(manager)) => Fact::Known(manager),
        (Fact::Unreadable(why), _) | (_, Fact::Unreadable(why)) => Fact::Unreadable(why),
        (Fact::NotGathered, _) | (_, Fact::NotGathered) => Fact::NotGathered,
        (Fact::Absent, Fact::Absent) => Fact::Absent,
    }
}

fn gather_rpm_database(host: &dyn Host) -> Fact<()> {
    let mut answer = Fact::Absent;
    for folder in RPM_FOLDERS {
        for file in RPM_FILES {
            match host.file_state(&format!("{folder}/{file}")).state {
                Fact::Known(_) => return Fact::Known(()),
                Fact::Absent => {}
                Fact::Unreadable(why) => answer = Fact::Unreadable(why),
                Fact::NotGathered if answer == Fact::Absent => answer = Fact::NotGathered,
                Fact::NotGathered => {}
            }
        }
    }
    answer
}

fn gather_dpkg(host: &dyn Host) -> Fact<Package> {
    match host.paragraph(DPKG_STATUS, &format!("Package: {NAME}")) {
        Fact::Known(bytes) => parse::parse_dpkg_status(&bytes)
            .value
            .into_iter()
            .find(|package| package.name.raw() == NAME)
            // A removed package keeps its paragraph for as long as its configuration files stay.
            .filter(|package| !matches!(package.state.raw(), "config-files" | "not-installed"))
            .map_or(Fact::Absent, Fact::Known),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

fn gather_rpm(host: &dyn Host) -> (Fact<Package>, Fact<Package>) {
    let query = Run::new("rpm", "rpm", RPM_TIMEOUT).args(["-q", "--qf", parse::RPM_QUERY_FORMAT, NAME, SELINUX]);
    let both = |fact: Fact<Package>| (fact.clone(), fact);
    match host.run(&query) {
        Fact::Known(ran) => {
            let packages = parse::parse_rpm_query(&ran.stdout).value;
            let said = String::from_utf8_lossy(&ran.stdout).into_owned();
            // With a database that it cannot open rpm says so, and then that the package is not installed. A part of an older kind
            // of database is only worth a warning to it.
            let complaints = String::from_utf8_lossy(&ran.stderr);
            let is_broken =
                complaints.lines().any(|line| line.starts_with("error:") || line.contains("could not open"));
            let find = |name: &str| match packages.iter().find(|package| package.name.raw() == name) {
                Some(package) => Fact::Known(package.clone()),
                None if !is_broken && said.contains(&format!("package {name} is not installed")) => Fact::Absent,
                None => Fact::unreadable(ran.reason("`rpm -q`")),
            };
            (find(NAME), find(SELINUX))
        }
        Fact::Absent => both(Fact::unreadable("there is an rpm database, but no `rpm` program to read it")),
        Fact::Unreadable(Why { reason, .. }) => both(Fact::unreadable(format!("`rpm -q`: {reason}"))),
        Fact::NotGathered => both(Fact::NotGathered),
    }
}

/// Each file that the keys command may be or need, and the folders that lead to it; absent ones too.
pub(super) fn gather_keys_command(host: &dyn Host, effective: &Fact<EffectiveConfig>) -> KeysCommandFacts {
    let mut paths = BTreeSet::new();
    for path in places(program(effective).as_deref()) {
        add_with_folders(&mut paths, &path);
    }
    let mut files: Vec<_> = paths.iter().map(|path| host.file_state(path)).collect();
    // sshd follows links first and then looks at each folder of the real path.
    let mut behind = BTreeSet::new();
    for path in places(program(effective).as_deref()) {
        add_with_folders(&mut behind, &real_path(&files, &path));
    }
    files.extend(behind.difference(&paths).map(|path| host.file_state(path)));
    KeysCommandFacts { files: Fact::Known(files), knows_tokens: gather_knows_tokens(host, program(effective)) }
}

fn gather_knows_tokens(host: &dyn Host, program: Option<String>) -> Fact<bool> {
    let asks = |script: &str| host.contains(script, "aws-ec2-metadata-token");
    let known = PLACES.iter().map(|place| format!("{place}/{}", SCRIPTS[0]));
    for program in program.into_iter().chain(known) {
        let Some(folder) = program.strip_suffix(SCRIPTS[0]) else { continue };
        for script in [format!("{folder}{}", SCRIPTS[1]), program.clone()] {
            match asks(&script) {
                Fact::Absent => {}
                found => return found,
            }
        }
    }
    Fact::Absent
}

/// The program of AuthorizedKeysCommand, as the running sshd has it for this attempt.
pub(super) fn program(effective: &Fact<EffectiveConfig>) -> Option<String> {
    let command = effective.known().and_then(|config| config.first("authorizedkeyscommand")).map(Untrusted::raw);
    let program = command.and_then(|command| command.split_whitespace().next());
    program.filter(|program| program.starts_with('/') && program.len() < PATH_MAX).map(str::to_owned)
}

/// The keys command's programs wherever they may be: in the known places, and where `program` is.
pub(super) fn places(program: Option<&str>) -> BTreeSet<String> {
    let known = PLACES.iter().flat_map(|place| SCRIPTS.iter().map(move |script| format!("{place}/{script}")));
    known.chain(program.map(with_siblings).unwrap_or_default()).collect()
}

/// A keys command and, where it is the first of the three scripts, the two that it calls from its own folder.
pub(super) fn with_siblings(program: &str) -> Vec<String> {
    match program.strip_suffix(SCRIPTS[0]) {
        Some(folder) if folder.ends_with('/') => SCRIPTS.iter().map(|script| format!("{folder}{script}")).collect(),
        _ => vec![program.to_owned()],
    }
}

/// A path longer than the kernel takes (`PATH_MAX`) leads nowhere.
const PATH_MAX: usize = 4_096;

pub(super) fn add_with_folders(paths: &mut BTreeSet<String>, path: &str) {
    let mut path = path.get(..PATH_MAX).unwrap_or(path);
    while !path.is_empty() {
        paths.insert(path.to_owned());
        path = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    }
    paths.insert("/".to_owned());
}
