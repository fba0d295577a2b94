use eic_doctor_proto::{Attempt, Fact};

use super::*;
use crate::connection::Connection;
use crate::sshd_config::{Source, load};

struct One(&'static str);

impl Source for One {
    fn read(&self, path: &str) -> Fact<Vec<u8>> {
        if path == "/etc/ssh/sshd_config" { Fact::Known(self.0.as_bytes().to_vec()) } else { Fact::Absent }
    }

    fn list(&self, _folder: &str) -> Fact<Vec<String>> {
        Fact::Known(vec!["sshd_config".to_owned()])
    }
}

fn over(text: &'static str, source: Option<&str>, options: &[(&str, &str)]) -> Evaluated {
    over_version(902, text, source, options)
}

fn over_version(version: u16, text: &'static str, source: Option<&str>, options: &[(&str, &str)]) -> Evaluated {
    let attempt = Attempt { source: source.map(|source| source.parse().unwrap()), ..Attempt::usual() };
    let connection = Connection::of(&attempt, &Fact::Absent, None);
    let groups = Fact::Known(vec!["ec2-user".to_owned()]);
    let files = load(&One(text), "/etc/ssh/sshd_config", Version(version)).unwrap();
    let options = options.iter().map(|(keyword, value)| ((*keyword).to_owned(), (*value).to_owned())).collect();
    let command_line = CommandLine { options, ports: Vec::new() };
    evaluate(
        &files,
        &command_line,
        Version(version),
        &Asked { connection: &connection, groups: &groups, looks_up_names: false },
    )
}

fn line(number: u32) -> Place {
    Place::Line { file: "/etc/ssh/sshd_config".to_owned(), number }
}

#[test]
fn match_beats_the_command_line_which_beats_the_files() {
    let text = "AuthorizedKeysCommandUser nobody\nAuthorizedKeysCommand /file\nMatch User ec2-user\n AuthorizedKeysCommand none\n";
    let found = over(text, None, &[("authorizedkeyscommand", "/option %u")]);
    let places: Vec<_> = found.of("authorizedkeyscommand").map(|setting| setting.at.clone()).collect();
    assert_eq!(places, [line(4), Place::CommandLine, line(2)]);
    assert_eq!(found.effective["authorizedkeyscommand"], ["none"]);
    assert_eq!(found.problems, []);
}

#[test]
fn a_network_of_which_a_part_matches_has_other_values_for_that_part() {
    let text = "Match Address 10.1.0.0/16\nPubkeyAuthentication no\nMatch all\nPubkeyAuthentication yes\n";
    let found = over(text, Some("10.0.0.0/8"), &[]);
    assert_eq!(found.effective["pubkeyauthentication"], ["yes"]);
    let others: Vec<_> =
        found.others("pubkeyauthentication").map(|setting| (&setting.at, &setting.condition)).collect();
    assert_eq!(others, [(&line(2), &Some("Address 10.1.0.0/16".to_owned()))]);
    assert_eq!(over(text, Some("10.1.2.0/24"), &[]).effective["pubkeyauthentication"], ["no"]);
    assert_eq!(over(text, Some("192.0.2.0/24"), &[]).others("pubkeyauthentication").count(), 0);
}

#[test]
fn any_in_a_block_takes_back_the_methods_before_it_except_from_8_7_to_9_8() {
    let block = "AuthenticationMethods publickey,password\nMatch User ec2-user\n AuthenticationMethods any\n";
    for (version, is_refused) in [(806, false), (807, true), (902, true), (908, true), (909, false), (1000, false)] {
        let found = over_version(version, block, None, &[]);
        let expected = if is_refused {
            vec![Problem {
                at: Some(line(3)),
                text: "authenticationmethods: `any` must stand alone, in a block too".to_owned(),
            }]
        } else {
            Vec::new()
        };
        assert_eq!(found.problems, expected, "{version}");
        if !is_refused {
            assert_eq!(found.effective["authenticationmethods"], ["any"], "{version}");
        }
    }
    // Nothing stands before it.
    for text in ["AuthenticationMethods any\n", "Match User ec2-user\n AuthenticationMethods any\n"] {
        assert_eq!(over(text, None, &[]).problems, [], "{text}");
    }
}

#[test]
fn a_file_that_includes_itself_is_too_deep() {
    let found = over("Include sshd_config\n", None, &[]);
    assert_eq!(found.problems.len(), 1);
    assert!(found.problems[0].text.contains("recursive"), "{:?}", found.problems);
    // Twice in each: the first way down ends it.
    assert_eq!(over("Include sshd_config\nInclude sshd_*\n", None, &[]).problems.len(), 1);
}

#[test]
fn so_many_ports_and_addresses_are_none_for_sshd_and_no_work_for_us() {
    let ports: String = (1..=20_000).map(|port| format!("Port {port}\n")).collect();
    let addresses = "ListenAddress 192.0.2.1\n".repeat(20_000);
    let found = over(format!("{ports}{addresses}").leak(), None, &[]);
    assert_eq!(found.problems.last().unwrap().text, "too many ports");
    assert_eq!(found.effective["listenaddress"], Vec::<String>::new());
    let found = over(format!("Port 1\nPort 2\n{addresses}").leak(), None, &[]);
    assert_eq!(found.problems.last().unwrap().text, "Too many listen sockets");
    assert!(found.effective["listenaddress"].len() <= 1_026);
    let found = over(format!("AddressFamily inet6\n{addresses}").leak(), None, &[]);
    assert!(found.problems.len() <= 60, "{}", found.problems.len());
}

#[test]
fn of_many_subsystems_each_name_counts_once() {
    let different: String = (0..20_000).map(|n| format!("Subsystem s{n} /x\n")).collect();
    assert_eq!(over(different.clone().leak(), None, &[]).problems, []);
    let found = over(format!("{different}Subsystem s7 /y\n").leak(), None, &[]);
    assert_eq!(found.problems[0].text, "subsystem `s7` is already defined");
}

#[test]
fn what_was_not_set_has_its_default() {
    let found = over("MaxAuthTries 3\n", None, &[]).with_defaults();
    assert_eq!(
        (found["maxauthtries"].join(""), found["pubkeyauthentication"].join("")),
        ("3".to_owned(), "yes".to_owned())
    );
}
