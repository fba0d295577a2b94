//! What the file may say, and what is told of what it may not.

use super::*;

const LEAST: &str = r#"
    [listen]
    agents = "127.0.0.1:0"
    [store]
    url = "sqlite:/tmp/store.db"
    [authority]
    directory = "/tmp/authority"
    names = ["localhost"]
    [enrolment]
    accounts = ["111122223333"]
    identity_certificates = "/tmp/certificates"
"#;

fn problem(text: &str) -> String {
    match Config::parse(text, Path::new("c.toml")) {
        Ok(config) => panic!("it is taken: {config:?}"),
        Err(error) => crate::gather::chain(&error),
    }
}

#[test]
fn the_least_configuration_is_taken_with_its_defaults() {
    let config = Config::parse(LEAST, Path::new("c.toml")).unwrap();
    assert_eq!(config.reports.hold, 2);
    assert_eq!(config.authority.certificate_life.0, Duration::from_hours(24));
    assert_eq!(config.socket_mode(), Some(0o600));
    assert!(config.enrolment.describe_instances);
}

/// The file of the package, as it is and with every key that stands behind `#`.
#[test]
fn the_packages_file_is_taken_and_tells_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/coordinator.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let config = Config::parse(&text, Path::new("coordinator.toml")).unwrap();
    let defaults = Config::parse(LEAST, Path::new("c.toml")).unwrap();
    assert_eq!(format!("{:?}", config.limits), format!("{:?}", defaults.limits));
    assert_eq!(format!("{:?}", config.reports), format!("{:?}", defaults.reports));
    assert_eq!(config.store.keep, defaults.store.keep);
    assert_eq!(config.socket_mode(), defaults.socket_mode());
    assert!(config.sweep.is_none() && defaults.sweep.is_none());
    let all: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("directory ="))
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .collect();
    let config = Config::parse(&all.join("\n"), Path::new("coordinator.toml")).unwrap();
    assert_eq!(config.notify.len(), 3);
    let Some(Sweep { source: Some(_), principal: Some(_), interval, jitter, via, os_user, port }) = config.sweep else {
        panic!("{:?}", config.sweep)
    };
    let sweep = Sweep { interval, jitter, via, os_user, port, ..Sweep::default() };
    assert_eq!(format!("{sweep:?}"), format!("{:?}", Sweep::default()));
    assert_eq!(config.operators.roles.get("ada@example.com"), Some(&Role::Admin));
}

#[test]
fn each_key_of_the_packages_file_says_what_it_is_when_it_is_left_out() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/coordinator.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Permissions are kept as they are written, and read when the socket is made.
    let told = |mut config: Config| {
        let mode = config.socket_mode();
        config.operators.socket_mode = None;
        format!("{config:?} {mode:?}")
    };
    let whole = told(Config::parse(&text, Path::new("c.toml")).unwrap());
    let (mut comment, mut seen) = (String::new(), 0);
    for (number, line) in lines.iter().enumerate() {
        if line.starts_with('#') {
            comment.push_str(line);
            continue;
        }
        let comment = std::mem::take(&mut comment);
        if !line.contains(" = ") {
            continue;
        }
        let without: Vec<&str> = [&lines[..number], &lines[number + 1..]].concat();
        let without = Config::parse(&without.join("\n"), Path::new("c.toml"));
        let is_needed = comment.contains(" to be given");
        assert_eq!(without.is_err(), is_needed, "{line}");
        let is_default = without.is_ok_and(|config| told(config) == whole);
        assert!(is_needed || is_default || comment.contains("left out"), "{line}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let text = LEAST.replace("[store]", "[store]\nkeeep = \"30d\"");
    let problem = problem(&text);
    assert!(problem.contains("c.toml") && problem.contains("keeep") && problem.contains("line 5"), "{problem}");
}

#[test]
fn what_cannot_work_is_told_with_its_key() {
    let cases = [
        ("accounts = [\"111122223333\"]", "accounts = [\"1111\"]", "enrolment.accounts"),
        ("accounts = [\"111122223333\"]", "accounts = []", "enrolment.accounts"),
        ("names = [\"localhost\"]", "names = []", "authority.names"),
        ("names = [\"localhost\"]", "names = [\"not a name!\"]", "authority.names"),
        ("url = \"sqlite:/tmp/store.db\"", "url = \"mysql://x\"", "store.url"),
        ("url = \"sqlite:/tmp/store.db\"", "url = \"sqlite:\"", "store.url"),
        ("127.0.0.1:0\"", "127.0.0.1:7443\"\nhttp = \"127.0.0.1:7443\"", "listen"),
        ("127.0.0.1:0\"", "0.0.0.0:7443\"\npage = \"127.0.0.1:7443\"", "listen"),
        (
            "[store]",
            "[[notify]]\nkind = \"webhook\"\nname = \"n\"\nurl = \"nonsense\"\nsecret_file = \"/s\"\n[store]",
            "notify",
        ),
        ("[store]", "[[notify]]\nkind = \"sns\"\nname = \"n\"\ntopic = \"nonsense\"\n[store]", "notify"),
        ("[store]", "[[notify]]\nkind = \"event-bridge\"\nname = \"n\"\nbus = \"default\"\n[store]", "notify"),
        ("names = [\"localhost\"]", "names = [\"a\"]\ncertificate_life = \"1s\"", "authority.certificate_life"),
        ("directory = \"/tmp/authority\"", "directory = \"/a\"\nkey = \"/k\"", "authority"),
        ("[store]", "[reports]\nhold = 0\n[store]", "reports.hold"),
        ("[store]", "[reports]\ninterval = \"3h\"\n[store]", "reports.silent_after"),
        ("[store]", "[limits]\nchecks = 0\n[store]", "limits"),
        ("[store]", "[sweep]\nvia = \"browser\"\nsource = \"192.0.2.1/32\"\n[store]", "sweep.source"),
        ("[store]", "[sweep]\nprincipal = \"ann\"\n[store]", "sweep.principal"),
        ("[store]", "[sweep]\nport = 0\n[store]", "sweep.port"),
        ("[store]", "[operators]\nsocket_mode = \"rw\"\n[store]", "operators.socket_mode"),
        ("[store]", "[operators]\nauthorities = \"/a\"\n[store]", "operators.authorities"),
    ];
    for (from, to, key) in cases {
        let problem = problem(&LEAST.replace(from, to));
        assert!(problem.contains(&format!("`{key}`")), "{to}: {problem}");
    }
}

#[test]
fn what_is_usual_is_taken() {
    for (from, to) in [
        ("127.0.0.1:0\"", "0.0.0.0:7443\"\nhttp = \"127.0.0.1:7445\""),
        ("names = [\"localhost\"]", "names = [\"*.example.com\", \"10.0.0.7\", \"fd00::7\", \"a_b.internal\"]"),
        ("url = \"sqlite:/tmp/store.db\"", "url = \"postgresql:///eic?host=/run/postgresql\""),
        (
            "[store]",
            "[[notify]]\nkind = \"event-bridge\"\nname = \"n\"\nbus = \"default\"\nregion = \"eu-west-1\"\n[store]",
        ),
    ] {
        let text = LEAST.replace(from, to);
        assert_ne!(text, LEAST);
        Config::parse(&text, Path::new("c.toml")).unwrap();
    }
}

#[test]
fn a_topics_arn_names_its_region() {
    assert_eq!(region_of("arn:aws:sns:eu-west-1:111122223333:eic-doctor", "sns"), Some("eu-west-1"));
    assert_eq!(region_of("arn:aws:events:eu-west-1:111122223333:event-bus/default", "sns"), None);
    assert_eq!(region_of("default", "events"), None);
}

#[test]
fn what_is_wrong_is_one_line_without_the_value() {
    let problem =
        problem(&LEAST.replace("url = \"sqlite:/tmp/store.db\"", "url = [\"postgres://eic:hunter2@db/eic\"]"));
    assert!(problem.contains("c.toml, line 5, `url`: "), "{problem}");
    assert!(!problem.contains("hunter2") && !problem.contains("\\u{a}"), "{problem}");
}

#[test]
fn the_stores_password_is_never_printed() {
    let text = LEAST.replace("sqlite:/tmp/store.db", "postgres://eic:hunter2@db/eic");
    let config = Config::parse(&text, Path::new("c.toml")).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}
