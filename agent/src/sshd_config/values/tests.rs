use super::*;
use crate::sshd_config::keywords::find;

fn shown(keyword: &str, rest: &str) -> Result<Vec<String>, String> {
    let version = Version(1000);
    let arguments = crate::sshd_config::words::split(rest, true).unwrap();
    read(find(keyword, version).unwrap(), Written { rest, arguments: &arguments, version })
}

#[test]
fn values_are_shown_as_sshd_prints_them() {
    for (keyword, rest, expected) in [
        ("PermitRootLogin", "Prohibit-Password", "without-password"),
        ("LoginGraceTime", "1m30", "90"),
        ("MaxStartups", "20", "20:30:20"),
        ("LogLevel", "debug1", "DEBUG"),
        ("RekeyLimit", "1G 1h", "1073741824 3600"),
        ("IPQoS", "AF21", "af21 af21"),
        ("StreamLocalBindMask", "0117", "0117"),
        ("Banner", "issue.net", "//issue.net"),
        ("AuthorizedKeysCommand", "/x %u # y", "/x %u # y"),
        ("PermitListen", "8080", "*:8080"),
        ("PerSourceNetBlockSize", "24:56", "24:56"),
        ("PubkeyAuthOptions", "verify-required none", "verify-required"),
        ("VersionAddendum", "x y # z", "x y # z"),
    ] {
        assert_eq!(shown(keyword, rest), Ok(vec![expected.to_owned()]), "{keyword} {rest}");
    }
}

#[test]
fn values_that_keep_sshd_from_starting_are_errors() {
    for (keyword, rest) in [
        ("PubkeyAuthentication", "maybe"),
        ("PubkeyAuthentication", "yes no"),
        ("MaxAuthTries", "-1"),
        ("MaxAuthTries", "many"),
        ("LoginGraceTime", "2 minutes"),
        ("LoginGraceTime", "2x"),
        ("Port", "70000"),
        ("Port", "22 2222"),
        ("MaxStartups", "10:30:5"),
        ("MaxStartups", "10:30"),
        ("AuthorizedKeysCommand", "eic_run_authorized_keys %u %f"),
        ("AllowUsers", "a@10.0.0.1/8"),
        ("AuthenticationMethods", "publickey,token"),
        ("AuthenticationMethods", "any publickey"),
        ("Ciphers", "aes128-ctr,arcfour"),
        ("ListenAddress", "10.0.0.1:0"),
        ("Subsystem", "sftp"),
        ("SetEnv", "LANG"),
        ("RDomain", "%D"),
        ("PermitTTY", ""),
    ] {
        assert!(shown(keyword, rest).is_err(), "{keyword} {rest}");
    }
}

#[test]
fn an_address_may_have_a_port() {
    assert_eq!(address_and_port("10.0.0.1:2222"), ("10.0.0.1", Some("2222")));
    assert_eq!(address_and_port("[2001:db8::1]:2222"), ("2001:db8::1", Some("2222")));
    assert_eq!(address_and_port("[::]"), ("::", None));
    assert_eq!(address_and_port("2001:db8::1"), ("2001:db8::1", None));
}
