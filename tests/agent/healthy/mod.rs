//! Instances on which a login through EC2 Instance Connect works, as facts. Tests break one thing and name all that changes.
//!
//! Shared by the unit tests of the checks and by `catalogue.rs`; each brings `checks` and `facts` into the parent module.

use std::collections::BTreeMap;

use eic_doctor_proto::{Attempt, CheckResult, Fact, Selection, Untrusted, Via, judge};

use super::checks;
use super::facts::*;

pub mod account;
mod firewall;
pub mod log;
mod network;
mod resources;
mod security;
mod trust;

pub use trust::{access, answers, set_access, set_clock, trust_file};

pub struct World {
    pub name: &'static str,
    pub attempt: Attempt,
    pub facts: OsFacts,
}

pub const KEYS_USER_ID: u32 = 992;
const RPM_FOLDER: &str = "/opt/aws/bin";
const DEB_FOLDER: &str = "/usr/share/ec2-instance-connect";
const KEYS_USER: &str = "ec2-instance-connect";

pub fn all() -> Vec<World> {
    vec![al2023(), al2(), ubuntu_2204(), ubuntu_2404(), rhel9(), debian_12()]
}

/// Amazon Linux 2023, standard image, from a public address.
pub fn al2023() -> World {
    let mut facts = on_every_instance("ec2-user");
    facts.system.os_release = os_release("amzn", "2023", "Amazon Linux 2023.6.20241121", &["fedora"]);
    rpm(&mut facts, "1.1-19.amzn2023", Some("1.1-19.amzn2023"));
    facts.keys_command.files = Fact::Known(three_scripts(RPM_FOLDER));
    sshd_service(&mut facts, "sshd.service", "OpenSSH_8.7p1", &["/usr/sbin/sshd", "-D"]);
    wired_in_file(&mut facts, "/etc/ssh/sshd_config", 141);
    security::with_policies(&mut facts, SelinuxMode::Permissive);
    World { name: "al2023-public", attempt: attempt("ec2-user", Via::Public, Some("203.0.113.7/32")), facts }
}

/// Amazon Linux 2, from a private address.
pub fn al2() -> World {
    let mut facts = on_every_instance("ec2-user");
    facts.system.os_release = os_release("amzn", "2", "Amazon Linux 2", &["centos", "rhel", "fedora"]);
    rpm(&mut facts, "1.1-19.amzn2", Some("1.1-19.amzn2"));
    facts.keys_command.files = Fact::Known(three_scripts(RPM_FOLDER));
    sshd_service(&mut facts, "sshd.service", "OpenSSH_7.4p1", &["/usr/sbin/sshd", "-D"]);
    wired_in_file(&mut facts, "/etc/ssh/sshd_config", 139);
    facts.trust.openssl = Fact::Known(1);
    if let Fact::Known(config) = &mut facts.sshd.effective {
        // Its older name, before OpenSSH 8.5.
        let list = config.keywords.remove("pubkeyacceptedalgorithms").expect("a list");
        config.keywords.insert("pubkeyacceptedkeytypes".to_owned(), list);
    }
    World { name: "al2-private", attempt: attempt("ec2-user", Via::Private, Some("10.0.8.0/24")), facts }
}

/// Ubuntu 22.04, from the console's browser client.
pub fn ubuntu_2204() -> World {
    let mut facts = on_every_instance("ubuntu");
    facts.system.os_release = os_release("ubuntu", "22.04", "Ubuntu 22.04.5 LTS", &["debian"]);
    dpkg(&mut facts, "1.1.14-0ubuntu1.1");
    wired_in_unit(&mut facts, "OpenSSH_8.9p1 Ubuntu-3ubuntu0.10");
    World { name: "ubuntu-2204-browser", attempt: attempt("ubuntu", Via::Browser, None), facts }
}

/// Ubuntu 24.04: systemd listens and hands its sockets to sshd.
pub fn ubuntu_2404() -> World {
    let mut facts = on_every_instance("ubuntu");
    facts.system.os_release = os_release("ubuntu", "24.04", "Ubuntu 24.04.1 LTS", &["debian"]);
    dpkg(&mut facts, "1.1.17-0ubuntu1");
    wired_in_unit(&mut facts, "OpenSSH_9.6p1 Ubuntu-3ubuntu13.5");
    facts.sshd.socket = Fact::Known(SocketUnit {
        name: "ssh.socket".into(),
        active_state: "active".into(),
        accept: Fact::Known(false),
        listen: vec!["0.0.0.0:22".into(), "[::]:22".into()],
        is_ipv6_only: Fact::Known(false),
        follows_config: Fact::Known(true),
    });
    for listener in listeners(&mut facts) {
        listener.owner = Fact::Known("systemd".into());
    }
    World { name: "ubuntu-2404-public", attempt: attempt("ubuntu", Via::Public, Some("203.0.113.7/32")), facts }
}

/// RHEL 9 with AWS's package 2.0.0, which is one program.
pub fn rhel9() -> World {
    let mut facts = on_every_instance("ec2-user");
    facts.system.os_release = os_release("rhel", "9.4", "Red Hat Enterprise Linux 9.4 (Plow)", &["fedora"]);
    rpm(&mut facts, "2.0.0-5.rhel9", Some("2.0.0-5"));
    let mut files = three_scripts(RPM_FOLDER);
    for file in files.iter_mut().filter(|file| ["curl", "parse"].iter().any(|name| file.path.raw().contains(name))) {
        *file = missing(file.path.raw());
    }
    facts.keys_command.files = Fact::Known(files);
    sshd_service(&mut facts, "sshd.service", "OpenSSH_8.7p1", &["/usr/sbin/sshd", "-D"]);
    wired_in_file(&mut facts, "/etc/ssh/sshd_config.d/60-ec2-instance-connect.conf", 1);
    security::with_policies(&mut facts, SelinuxMode::Enforcing);
    World { name: "rhel9-public", attempt: attempt("ec2-user", Via::Public, Some("203.0.113.7/32")), facts }
}

/// Debian 12, which AWS does not list, with a package of its name and layout: one warning, and all else well.
pub fn debian_12() -> World {
    let mut facts = on_every_instance("admin");
    facts.system.os_release = os_release("debian", "12", "Debian GNU/Linux 12 (bookworm)", &[]);
    dpkg(&mut facts, "1.1.19");
    wired_in_unit(&mut facts, "OpenSSH_9.2p1 Debian-2+deb12u3");
    World { name: "debian-12-public", attempt: attempt("admin", Via::Public, Some("203.0.113.7/32")), facts }
}

/// Every result whose status differs from the healthy world's, as `id status`, in the catalogue's order.
pub fn changes(mut world: World, change: impl FnOnce(&mut OsFacts, &mut Attempt)) -> Vec<String> {
    let before = results(&world);
    change(&mut world.facts, &mut world.attempt);
    let after = results(&world);
    assert_eq!(before.len(), after.len(), "{}", world.name);
    let differs = |(before, after): &(CheckResult, CheckResult)| before.status != after.status;
    let pairs = before.into_iter().zip(after);
    pairs.filter(differs).map(|(_, after)| format!("{} {}", after.id, after.status)).collect()
}

pub fn results(world: &World) -> Vec<CheckResult> {
    judge(checks::entries(&world.facts, &world.attempt), &Selection::default())
}

pub fn set_effective(facts: &mut OsFacts, keyword: &str, value: &str) {
    let Fact::Known(config) = &mut facts.sshd.effective else { panic!("no effective configuration") };
    config.keywords.insert(keyword.to_owned(), vec![value.into()]);
}

/// A line of a `Match` that holds for some of the attempt's addresses. It comes before what is said elsewhere.
pub fn perhaps(facts: &mut OsFacts, keyword: &str, condition: &str, value: &str) {
    let Fact::Known(config) = &mut facts.sshd.config else { panic!("no configuration") };
    let line = setting(keyword, value, Some(("/etc/ssh/sshd_config", 150)));
    config.settings.insert(0, ConfigSetting { condition: Some(condition.into()), is_uncertain: true, ..line });
}

pub fn becomes_root(facts: &mut OsFacts, attempt: &mut Attempt) {
    attempt.os_user = "root".parse().expect("an OS user");
    let Fact::Known(account) = &mut facts.account.os_user else { panic!("no account") };
    (account.name, account.uid, account.gid) = ("root".into(), 0, 0);
}

pub fn files(facts: &mut OsFacts) -> &mut Vec<FileState> {
    let Fact::Known(files) = &mut facts.keys_command.files else { panic!("no files") };
    files
}

pub fn file<'a>(facts: &'a mut OsFacts, path: &str) -> &'a mut FileState {
    files(facts).iter_mut().find(|file| file.path.raw() == path).unwrap_or_else(|| panic!("no {path}"))
}

pub fn listeners(facts: &mut OsFacts) -> &mut Vec<Listener> {
    let Fact::Known(listeners) = &mut facts.sshd.listeners else { panic!("no listeners") };
    listeners
}

fn attempt(os_user: &str, via: Via, source: Option<&str>) -> Attempt {
    let source = source.map(|source| source.parse().expect("a CIDR"));
    Attempt { os_user: os_user.parse().expect("an OS user"), via, source, ..Attempt::usual() }
}

fn on_every_instance(os_user: &str) -> OsFacts {
    let account = |name: &str, uid: u32, home: &str, shell: &str| {
        Fact::Known(Account {
            name: name.into(),
            uid,
            gid: uid,
            home: home.into(),
            shell: shell.into(),
            password: PasswordField::Shadowed,
        })
    };
    let view = || ImdsView {
        token: body(""),
        instance_id: body("i-0123456789abcdef0"),
        availability_zone: body("eu-west-1a"),
        domain: body("amazonaws.com"),
        region: body("eu-west-1"),
        active_keys: Fact::Known(ImdsAnswer { status: 404, latency_ms: 2, ..ImdsAnswer::default() }),
        ..ImdsView::default()
    };
    let mut facts = OsFacts {
        gathered_by: Fact::Known("eic-doctor-agent 0.1.0".into()),
        uid: Fact::Known(0),
        system: SystemFacts { machine: Fact::Known("x86_64".into()), ..SystemFacts::default() },
        account: AccountFacts {
            os_user: account(os_user, 1000, &format!("/home/{os_user}"), "/bin/bash"),
            keys_user: account(KEYS_USER, KEYS_USER_ID, "/nonexistent", "/usr/sbin/nologin"),
            ..AccountFacts::default()
        },
        imds: ImdsFacts { as_root: view(), as_keys_user: view(), without_token: Fact::NotGathered },
        ..OsFacts::default()
    };
    account::fill(&mut facts);
    trust::fill(&mut facts);
    security::fill(&mut facts);
    firewall::fill(&mut facts);
    network::fill(&mut facts);
    resources::fill(&mut facts);
    log::fill(&mut facts);
    facts
}

fn body(body: &str) -> Fact<ImdsAnswer> {
    Fact::Known(ImdsAnswer { status: 200, body: body.into(), latency_ms: 2, clock_ahead: Fact::Known(0) })
}

fn os_release(id: &str, version_id: &str, pretty_name: &str, id_like: &[&str]) -> Fact<OsRelease> {
    Fact::Known(OsRelease {
        id: id.into(),
        version_id: version_id.into(),
        pretty_name: pretty_name.into(),
        id_like: id_like.iter().map(|id| Untrusted::from(*id)).collect(),
        ..OsRelease::default()
    })
}

fn package(name: &str, version: &str) -> Fact<Package> {
    Fact::Known(Package { name: name.into(), version: version.into(), state: "installed".into() })
}

fn rpm(facts: &mut OsFacts, version: &str, selinux: Option<&str>) {
    account::on_rpm(facts);
    facts.package.manager = Fact::Known(PackageManager::Rpm);
    facts.package.ec2_instance_connect = package("ec2-instance-connect", version);
    facts.package.selinux = selinux.map_or(Fact::Absent, |version| package("ec2-instance-connect-selinux", version));
}

fn dpkg(facts: &mut OsFacts, version: &str) {
    facts.package.manager = Fact::Known(PackageManager::Dpkg);
    facts.package.ec2_instance_connect = package("ec2-instance-connect", version);
    facts.package.selinux = Fact::Absent;
    facts.keys_command.files = Fact::Known(three_scripts(DEB_FOLDER));
}

fn three_scripts(folder: &str) -> Vec<FileState> {
    let mut files = Vec::new();
    let mut above = folder;
    while let Some((rest, _name)) = above.rsplit_once('/') {
        files.push(state(above, FileType::Directory));
        above = rest;
    }
    files.push(state("/", FileType::Directory));
    files.reverse();
    for name in ["eic_run_authorized_keys", "eic_curl_authorized_keys", "eic_parse_authorized_keys"] {
        files.push(state(&format!("{folder}/{name}"), FileType::Regular));
    }
    files
}

fn state(path: &str, kind: FileType) -> FileState {
    FileState {
        path: path.into(),
        state: Fact::Known(kind),
        mode: Fact::Known(0o755),
        uid: Fact::Known(0),
        gid: Fact::Known(0),
        target: Fact::Absent,
        size: if kind == FileType::Regular { Fact::Known(4_711) } else { Fact::NotGathered },
    }
}

fn missing(path: &str) -> FileState {
    FileState {
        path: path.into(),
        state: Fact::Absent,
        mode: Fact::Absent,
        uid: Fact::Absent,
        gid: Fact::Absent,
        target: Fact::Absent,
        size: Fact::NotGathered,
    }
}

/// sshd as a service of its own, listening on port 22 for both families.
fn sshd_service(facts: &mut OsFacts, unit: &str, version: &str, exec_start: &[&str]) {
    facts.sshd.process = Fact::Known(SshdProcess {
        pid: 812,
        command_line: format!("sshd: {} [listener] 0 of 10-100 startups", exec_start.join(" ")).into(),
        program: "/usr/sbin/sshd".into(),
        startups: Fact::Known(Startups { now: 0, begin: 10, full: 100 }),
        ..SshdProcess::default()
    });
    facts.sshd.unit = Fact::Known(Unit {
        name: unit.into(),
        load_state: "loaded".into(),
        active_state: "active".into(),
        sub_state: "running".into(),
        exec_start: exec_start.iter().map(|word| Untrusted::from(*word)).collect(),
        fragment_path: format!("/usr/lib/systemd/system/{unit}").into(),
        need_daemon_reload: Fact::Known(false),
        ..Unit::default()
    });
    facts.sshd.socket = Fact::Absent;
    facts.sshd.version = Fact::Known(version.into());
    let listener = |address: &str| Listener {
        address: address.parse().expect("an address"),
        port: 22,
        owner: Fact::Known("sshd".into()),
        is_ipv6_only: Fact::NotGathered,
    };
    facts.sshd.listeners = Fact::Known(vec![listener("0.0.0.0"), listener("::")]);
    facts.sshd.configured = Fact::Known(Vec::new());
    facts.sshd.refusal = Fact::Absent;
    facts.sshd.changed = Fact::Known(Vec::new());
    facts.sshd.keys_program = Fact::Absent;
    facts.sshd.revoked_keys = Fact::Absent;
    facts.sshd.session = Fact::Absent;
    let own = |address: &str, interface: &str, default_route: Fact<u32>| LocalAddress {
        address: address.parse().expect("an address"),
        interface: interface.into(),
        default_route,
        is_device: Fact::Known(interface != "lo"),
    };
    facts.sshd.addresses = Fact::Known(vec![
        own("127.0.0.1", "lo", Fact::Absent),
        own("10.0.1.5", "ens5", Fact::Known(512)),
        own("::1", "lo", Fact::Absent),
    ]);
}

fn effective(program: &str) -> Fact<EffectiveConfig> {
    let command = format!("{program} %u %f");
    let lines = [
        ("port", "22"),
        ("authorizedkeyscommand", command.as_str()),
        ("authorizedkeyscommanduser", KEYS_USER),
        ("pubkeyauthentication", "yes"),
        ("pubkeyacceptedalgorithms", "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256"),
        ("authenticationmethods", "any"),
        ("fingerprinthash", "SHA256"),
        ("revokedkeys", "none"),
        ("maxauthtries", "6"),
        ("maxsessions", "10"),
        ("maxstartups", "10:30:100"),
        ("logingracetime", "120"),
        ("forcecommand", "none"),
        ("chrootdirectory", "none"),
        ("permittty", "yes"),
        ("usepam", "yes"),
        ("usedns", "no"),
        ("permitrootlogin", "without-password"),
    ];
    let keywords: BTreeMap<String, Vec<Untrusted>> =
        lines.into_iter().map(|(keyword, value)| (keyword.to_owned(), vec![value.into()])).collect();
    Fact::Known(EffectiveConfig { is_worked_out: false, keywords })
}

fn setting(keyword: &str, value: &str, at: Option<(&str, u32)>) -> ConfigSetting {
    ConfigSetting {
        keyword: keyword.into(),
        values: vec![value.into()],
        at: at.map(|(file, line)| ConfigPlace { file: file.into(), line }),
        ..ConfigSetting::default()
    }
}

/// A line that counts before all others, and what sshd makes of it.
pub fn set_line(facts: &mut OsFacts, file: &str, line: u32, condition: Option<&str>, keyword: &str, value: &str) {
    let Fact::Known(config) = &mut facts.sshd.config else { panic!("no configuration") };
    let condition = condition.map(Untrusted::from);
    config.settings.insert(0, ConfigSetting { condition, ..setting(keyword, value, Some((file, line))) });
    set_effective(facts, keyword, value);
}

/// As on Amazon Linux and RHEL 9: two lines in a file.
fn wired_in_file(facts: &mut OsFacts, file: &str, line: u32) {
    let program = format!("{RPM_FOLDER}/eic_run_authorized_keys");
    trust::fill_scripts(facts);
    facts.sshd.effective = effective(&program);
    let settings = vec![
        setting("authorizedkeyscommand", &format!("{program} %u %f"), Some((file, line))),
        setting("authorizedkeyscommanduser", KEYS_USER, Some((file, line + 1))),
    ];
    facts.sshd.config = Fact::Known(SshdConfig { settings, ..SshdConfig::default() });
    facts.sshd.configured = Fact::Known(vec![
        ConfiguredLine { file: file.into(), line, text: format!("AuthorizedKeysCommand {program} %u %f").into() },
        ConfiguredLine {
            file: file.into(),
            line: line + 1,
            text: format!("AuthorizedKeysCommandUser {KEYS_USER}").into(),
        },
    ]);
}

/// As on Ubuntu: a drop-in of the unit gives sshd two options.
fn wired_in_unit(facts: &mut OsFacts, version: &str) {
    let program = format!("{DEB_FOLDER}/eic_run_authorized_keys");
    trust::fill_scripts(facts);
    let command = format!("AuthorizedKeysCommand {program} %u %f");
    let user = format!("AuthorizedKeysCommandUser {KEYS_USER}");
    sshd_service(facts, "ssh.service", version, &["/usr/sbin/sshd", "-D", "-o", &command, "-o", &user]);
    facts.sshd.effective = effective(&program);
    let settings = vec![
        setting("authorizedkeyscommand", &format!("{program} %u %f"), None),
        setting("authorizedkeyscommanduser", KEYS_USER, None),
    ];
    facts.sshd.config = Fact::Known(SshdConfig { settings, ..SshdConfig::default() });
    if let Fact::Known(process) = &mut facts.sshd.process {
        process.options = vec![
            SshdOption { keyword: "authorizedkeyscommand".into(), value: format!("{program} %u %f").into() },
            SshdOption { keyword: "authorizedkeyscommanduser".into(), value: KEYS_USER.into() },
        ];
    }
    if let Fact::Known(unit) = &mut facts.sshd.unit {
        unit.drop_ins = vec![DropIn {
            path: "/usr/lib/systemd/system/ssh.service.d/ec2-instance-connect.conf".into(),
            exec_start: Fact::Known(vec![
                "".into(),
                format!("/usr/sbin/sshd -D -o \"{}\" -o \"{user}\" $SSHD_OPTS", command.replace('%', "%%")).into(),
            ]),
        }];
    }
}
