//! PAM's rules as the supported systems are delivered (`tests/recorded/pam`): a login by key is admitted, and what is broken is named.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use eic_doctor_agent::checks;
use eic_doctor_agent::facts::OsFacts;
use eic_doctor_agent::gather::{Recorded, gather};
use eic_doctor_proto::{Attempt, Fact, Selection, Status, Via, judge};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recorded/pam")
}

fn platforms() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn attempt(os_user: &str) -> Attempt {
    Attempt {
        os_user: os_user.parse().unwrap(),
        via: Via::Public,
        source: Some("203.0.113.7/32".parse().unwrap()),
        ..Attempt::usual()
    }
}

fn file(text: &mut String, path: &str, content: &str) {
    let _ = writeln!(text, "@file\t{path}\tknown\t");
    content.lines().for_each(|line| {
        let _ = writeln!(text, "|{line}");
    });
    let _ = writeln!(text, "@stat\t{path}\tknown\t81a4 0 0");
}

/// A host with these rules, as the probe script would ship it; `change` may edit each file.
fn facts(platform: &str, os_user: &str, change: impl Fn(&str, String) -> String) -> OsFacts {
    let mut text = String::from(
        "@probe\t1\n@value\tuid\tknown\t0\n@value\tnow\tknown\t1795478400\n@value\tmachine\tknown\tx86_64\n",
    );
    let mut modules: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder().join(platform)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let content = change(&name, fs::read_to_string(&path).unwrap());
        let words = content.split_whitespace().filter(|word| word.ends_with(".so"));
        modules.extend(words.map(str::to_owned));
        let place = if name == "login.defs" { "/etc/login.defs".to_owned() } else { format!("/etc/pam.d/{name}") };
        file(&mut text, &place, &content);
    }
    let _ = writeln!(text, "@run\tsshd-T\texit\t0\n|usepam yes\n|usedns no\n|permitrootlogin without-password");
    file(&mut text, "/etc/nsswitch.conf", "passwd: files systemd\ngroup: files systemd");
    let user = "ec2-user:x:1000:1000::/home/ec2-user:/bin/bash";
    file(&mut text, "/etc/passwd", &format!("root:x:0:0:root:/root:/bin/bash\nsvc:x:990:990::/:/bin/sh\n{user}"));
    file(&mut text, "/etc/group", "root:x:0:\nsvc:x:990:\nec2-user:x:1000:\nwheel:x:10:ec2-user");
    file(&mut text, "/etc/shadow", "root:*LOCK*:14600::::::\nsvc:!!:19000::::::\nec2-user:!!:19700:0:99999:7:::");
    file(&mut text, "/etc/security/limits.conf", "# none");
    file(&mut text, "/etc/security/access.conf", "# none");
    text.push_str("@stat\t/bin/bash\tknown\t81ed 0 0\n@stat\t/bin/sh\tknown\t81ed 0 0\n");
    for absent in ["/run/nologin", "/etc/nologin"] {
        let _ = writeln!(text, "@file\t{absent}\tabsent\t");
    }
    for folder in ["/etc/security/limits.d", "/etc/security/access.d", "/lib64/security", "/usr/lib/security"] {
        let _ = writeln!(text, "@list\t{folder}\tabsent\t");
    }
    for folder in ["/usr/lib/x86_64-linux-gnu/security", "/lib/x86_64-linux-gnu/security", "/lib/security"] {
        let _ = writeln!(text, "@list\t{folder}\tabsent\t");
    }
    let _ = writeln!(text, "@list\t/usr/lib64/security\tknown\t\n|{}", modules.join("\n|"));
    gather(&Recorded::from_bytes(text.as_bytes()).unwrap(), &attempt(os_user))
}

/// The statuses of the checks of the OS user's account, without the two that ask whether accounts are there.
fn statuses(facts: &OsFacts, os_user: &str) -> Vec<String> {
    let attempt = attempt(os_user);
    let results = judge(checks::entries(facts, &attempt), &Selection::default());
    let asked = results.iter().filter(|result| {
        result.id.starts_with("os.account.") && result.id != "os.account.keys-user" && result.status != Status::Ok
    });
    asked.map(|result| format!("{} {}: {}", result.id, result.status, result.why)).collect()
}

#[test]
fn every_supported_system_as_delivered_admits_a_login_by_key() {
    let platforms = platforms();
    assert!(platforms.len() >= 13, "{platforms:?}");
    for platform in platforms {
        for os_user in ["ec2-user", "root", "svc"] {
            let facts = facts(&platform, os_user, |_, content| content);
            let Fact::Known(pam) = &facts.account.pam else { panic!("{platform}: no rules") };
            assert_eq!(pam.missing_modules, Fact::Known(Vec::new()), "{platform}");
            assert_eq!(statuses(&facts, os_user), [""; 0], "{platform} {os_user}");
        }
    }
}

#[test]
fn on_every_system_an_expired_account_and_a_refusal_are_each_named_by_one_check() {
    for platform in platforms() {
        let refusing = |name: &str, content: String| {
            if name == "sshd" { "account required pam_deny.so\n".to_owned() + &content } else { content }
        };
        let mut facts = facts(&platform, "ec2-user", refusing);
        let found = statuses(&facts, "ec2-user");
        assert!(found.len() == 1 && found[0].starts_with("os.account.access fail"), "{platform}: {found:?}");
        let Fact::Known(shadow) = &mut facts.account.shadow else { panic!("{platform}: no shadow") };
        shadow.expires = Some(1);
        let found: Vec<String> = statuses(&facts, "ec2-user");
        let words: Vec<&str> = found.iter().filter_map(|found| found.split(':').next()).collect();
        assert_eq!(words, ["os.account.expired fail", "os.account.access fail"], "{platform}");
    }
}

#[test]
fn a_user_of_a_directory_service_is_unknown_to_rules_that_ask_it() {
    for (platform, expected) in [("rhel-9", true), ("ubuntu-22.04-sssd", true), ("rhel-9-minimal", false)] {
        let mut facts = facts(platform, "ec2-user", |_, content| content);
        facts.account.is_local = Fact::Known(false);
        let found = statuses(&facts, "ec2-user");
        let is_unknown = found.iter().any(|found| found.starts_with("os.account.access unknown"));
        assert_eq!(is_unknown, expected, "{platform}: {found:?}");
    }
}

#[test]
fn a_file_that_draws_itself_in_ends_and_refuses() {
    let looping = |name: &str, content: String| {
        if name == "sshd" { "account include sshd\n".to_owned() + &content } else { content }
    };
    let found = statuses(&facts("al2", "ec2-user", looping), "ec2-user");
    assert!(found.len() == 1 && found[0].starts_with("os.account.access"), "{found:?}");
}
