//! What one line of sshd, or of the keys command, says about a login. Source: OpenSSH's `auth.c`, `auth2.c`, `auth2-pubkey.c`, `misc.c`,
//! `monitor.c`, `packet.c`, `session.c` and `sshd.c`, 6.9 to 10; `domain.md` §3.2 to §3.4.

use std::net::IpAddr;

/// Names are compared, never printed: on a line about an unknown user they are whatever the client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// `SHA256:…` where a key was accepted.
    Accepted { user: &'a str, address: Option<IpAddr>, fingerprint: Option<&'a str> },
    /// The connection ended before anybody was let in.
    Ended { user: &'a str, address: Option<IpAddr> },
    /// sshd ran the keys command, or could not. Its first argument is the user, where it has arguments.
    KeysCommand { user: Option<&'a str>, trouble: Trouble<'a> },
    /// A rule of sshd's own.
    Refused { user: Option<&'a str>, address: Option<IpAddr>, rule: Rule<'a> },
    /// PAM's account rules, after the key.
    AccountDenied { user: &'a str },
    /// What a PAM module of the account phase says.
    Account(&'a str),
    /// After the key was accepted and the account allowed.
    Session(&'a str),
    /// Before any name was told.
    Dropped { address: Option<IpAddr>, why: &'a str },
    /// The keys command has keys and looks for this fingerprint among them.
    Querying { fingerprint: &'a str },
    /// The keys command handed out this key.
    Providing { fingerprint: &'a str },
    /// Anything else that the keys command writes.
    KeysCommandSays(&'a str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble<'a> {
    Status(u32),
    Signal(u32),
    /// It could not be started.
    Start(&'a str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule<'a> {
    /// `not allowed because …`.
    NotAllowed(&'a str),
    NoAccount,
    Root,
    /// The key's algorithm is not among those accepted.
    Algorithm(&'a str),
    TooManyTries,
    Revoked(&'a str),
    /// `RefuseConnection`.
    Prohibited,
}

/// `None` for a line that says nothing about why somebody was let in or not.
pub fn read_login_line<'a>(program: &str, message: &'a str) -> Option<Said<'a>> {
    let message = message.trim();
    if !program.starts_with("sshd") {
        return Some(of_keys_command(message));
    }
    let is_fatal = message.starts_with("fatal: ");
    let message = ["error: ", "fatal: "].iter().find_map(|level| message.strip_prefix(level)).unwrap_or(message);
    let message = [" [preauth]", " [postauth]"].iter().find_map(|end| message.strip_suffix(end)).unwrap_or(message);
    of_keys_command_by_sshd(message)
        .or_else(|| of_authentication(message))
        .or_else(|| of_rules(message))
        .or_else(|| of_pam(message))
        .or_else(|| of_end(message))
        .or_else(|| of_session(message, is_fatal))
        .or_else(|| of_listener(message))
}

fn of_keys_command(message: &str) -> Said<'_> {
    let fingerprint = |text: &'static str| {
        let (_, after) = message.split_once(text)?;
        after.split([',', ' ']).find(|word| !word.is_empty())
    };
    if message.starts_with("Querying ") {
        Said::Querying { fingerprint: fingerprint("fingerprint:").unwrap_or_default() }
    } else if message.starts_with("Providing ") {
        Said::Providing { fingerprint: fingerprint("fingerprint:").unwrap_or_default() }
    } else {
        Said::KeysCommandSays(message)
    }
}

fn of_keys_command_by_sshd(message: &str) -> Option<Said<'_>> {
    if !message.contains("AuthorizedKeysCommand") {
        return None;
    }
    let number = |text: &str| {
        let (before, after) = message.rsplit_once(text)?;
        let number = after.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()?;
        // `AuthorizedKeysCommand /…/eic_run_authorized_keys USER FINGERPRINT`
        let mut words = before.strip_prefix("AuthorizedKeysCommand ")?.split_whitespace();
        Some((words.nth(1), number))
    };
    let ended = |(user, trouble)| Said::KeysCommand { user, trouble };
    let status = number(" failed, status ").or_else(|| number(" returned status "));
    let found = status.map(|(user, number)| ended((user, Trouble::Status(number))));
    let found = found.or_else(|| number(" exited on signal ").map(|(user, n)| ended((user, Trouble::Signal(n)))));
    Some(found.unwrap_or(Said::KeysCommand { user: None, trouble: Trouble::Start(message) }))
}

/// `Accepted publickey for USER from ADDRESS port 22 ssh2: ED25519 SHA256:…`
fn of_authentication(message: &str) -> Option<Said<'_>> {
    let (_method, rest) = message.strip_prefix("Accepted ")?.split_once(" for ")?;
    let (user, rest) = rest.split_once(" from ")?;
    let fingerprint = rest.split_whitespace().find(|word| word.starts_with("SHA256:") || word.starts_with("MD5:"));
    Some(Said::Accepted { user, address: first_address(rest), fingerprint })
}

fn of_rules(message: &str) -> Option<Said<'_>> {
    if let Some((who, because)) =
        message.strip_prefix("User ").and_then(|rest| rest.split_once(" not allowed because "))
    {
        let (user, address) = match who.rsplit_once(" from ") {
            Some((user, address)) => (user, first_address(address)),
            None => (who, None),
        };
        return Some(Said::Refused { user: Some(user), address, rule: Rule::NotAllowed(because) });
    }
    for (before, rule) in [
        ("Invalid user ", Rule::NoAccount),
        ("maximum authentication attempts exceeded for ", Rule::TooManyTries),
        ("administratively prohibited connection for ", Rule::Prohibited),
    ] {
        let Some(rest) = message.strip_prefix(before) else { continue };
        let rest = rest.strip_prefix("invalid user ").unwrap_or(rest);
        // A client may call itself `x from 192.0.2.1`: the last one is sshd's.
        let (user, from) = rest.rsplit_once(" from ")?;
        return Some(Said::Refused { user: Some(user), address: first_address(from), rule });
    }
    let unnamed = |address, rule| Some(Said::Refused { user: None, address, rule });
    if let Some(from) = message.strip_prefix("ROOT LOGIN REFUSED FROM ") {
        return Some(Said::Refused { user: Some("root"), address: first_address(from), rule: Rule::Root });
    }
    if message.contains(" not in PubkeyAccepted") || message.contains(" is not in permitted list ") {
        return unnamed(None, Rule::Algorithm(message.split_once(": ").map_or(message, |(_, what)| what)));
    }
    if message.starts_with("Authentication key ") && message.contains(" revoked by file ") {
        return unnamed(None, Rule::Revoked(message));
    }
    None
}

fn of_pam(message: &str) -> Option<Said<'_>> {
    if let Some(rest) = message.strip_prefix("Access denied for user ") {
        return Some(Said::AccountDenied { user: rest.strip_suffix(" by PAM account configuration")? });
    }
    if message.starts_with("PAM: pam_open_session(): ") || message.starts_with("PAM: pam_setcred(): ") {
        return Some(Said::Session(message));
    }
    let is_of = |phase: &str| message.starts_with("pam_") && message.contains(phase);
    if is_of("(sshd:account): ") {
        return Some(Said::Account(message));
    }
    let is_trouble =
        ["denied", "failed", "ould not", "oo many", "ermission", "rror"].iter().any(|word| message.contains(word));
    (is_of("(sshd:session): ") && is_trouble).then_some(Said::Session(message))
}

/// `Connection closed by authenticating user USER ADDRESS port 22`, and its kin.
fn of_end(message: &str) -> Option<Said<'_>> {
    let is_end =
        ["Connection closed by ", "Connection reset by ", "Disconnected from ", "Connection from ", "Disconnecting "];
    if !is_end.iter().any(|end| message.starts_with(end)) {
        return None;
    }
    let (_, who) = message.split_once(" authenticating user ").or_else(|| message.split_once(" invalid user "))?;
    let (who, tail) = who.rsplit_once(" port ")?;
    let (user, address) = who.rsplit_once(' ')?;
    let address = address.parse().ok();
    if tail.contains("Too many authentication failures") {
        return Some(Said::Refused { user: Some(user), address, rule: Rule::TooManyTries });
    }
    Some(Said::Ended { user, address })
}

/// After the key was accepted sshd has no other reason to give up than the session.
fn of_session(message: &str, is_fatal: bool) -> Option<Said<'_>> {
    let is_chroot = message.contains("chroot");
    (is_fatal && is_chroot).then_some(Said::Session(message))
}

fn of_listener(message: &str) -> Option<Said<'_>> {
    let dropped = |address, why| Some(Said::Dropped { address, why });
    if let Some(rest) = message.strip_prefix("drop connection ") {
        let (_, from) = rest.split_once("from [")?;
        let (address, rest) = from.split_once(']')?;
        let (_, why) = rest.rsplit_once("]:")?;
        return dropped(address.parse().ok(), why.split_once(' ').map_or(message, |(_port, why)| why));
    }
    if message.starts_with("refused connect from ") {
        let address = message.rsplit_once('(').map_or(message, |(_, address)| address);
        return dropped(address.trim_end_matches(')').parse().ok(), message);
    }
    if let Some(rest) = message.strip_prefix("Timeout before authentication for ") {
        return dropped(first_address(rest), message);
    }
    if message.starts_with("Unable to negotiate with ") {
        return dropped(first_address(message), message);
    }
    let is_fork = message.starts_with("fork of unprivileged child failed") || message.starts_with("fork: ");
    if is_fork { dropped(None, message) } else { None }
}

fn first_address(text: &str) -> Option<IpAddr> {
    text.split_whitespace().find_map(|word| word.trim_end_matches([',', ':']).parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> Option<Said<'_>> {
        read_login_line("sshd", message)
    }

    #[test]
    fn the_keys_commands_end_is_read_in_the_words_of_each_version() {
        let line = "AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys ec2-user SHA256:x failed, status 28";
        let expected = Some(Said::KeysCommand { user: Some("ec2-user"), trouble: Trouble::Status(28) });
        assert_eq!(said(line), expected);
        assert_eq!(said(&format!("error: {line}")), expected);
        let old = "error: AuthorizedKeysCommand /opt/x ec2-user SHA256:x returned status 22";
        assert_eq!(said(old), Some(Said::KeysCommand { user: Some("ec2-user"), trouble: Trouble::Status(22) }));
        let killed = "error: AuthorizedKeysCommand /opt/x exited on signal 9";
        assert_eq!(said(killed), Some(Said::KeysCommand { user: None, trouble: Trouble::Signal(9) }));
        let unsafe_path = "error: Unsafe AuthorizedKeysCommand \"/x\": bad ownership or modes for file /x";
        let Some(Said::KeysCommand { trouble: Trouble::Start(why), .. }) = said(unsafe_path) else { panic!() };
        assert!(why.starts_with("Unsafe"));
    }

    #[test]
    fn a_client_that_calls_itself_like_a_line_of_the_log_is_not_taken_at_its_word() {
        let forged = "Invalid user ec2-user from 192.0.2.1 port 1 from 198.51.100.9 port 5022";
        let Some(Said::Refused { user: Some(user), address, .. }) = said(forged) else { panic!() };
        assert_eq!((user, address), ("ec2-user from 192.0.2.1 port 1", "198.51.100.9".parse().ok()));
        let forged = "Connection closed by invalid user ec2-user 192.0.2.1 port 7 198.51.100.9 port 5022 [preauth]";
        let Some(Said::Ended { user, .. }) = said(forged) else { panic!() };
        assert_ne!(user, "ec2-user");
    }

    #[test]
    fn rules_of_sshd_and_of_pam_are_told_apart() {
        let refused = |message| match said(message) {
            Some(Said::Refused { user, rule, .. }) => (user, rule),
            other => panic!("{other:?}"),
        };
        let because = "listed in DenyUsers";
        assert_eq!(
            refused("User a from 192.0.2.1 not allowed because listed in DenyUsers"),
            (Some("a"), Rule::NotAllowed(because))
        );
        assert_eq!(refused("User a not allowed because account is locked").1, Rule::NotAllowed("account is locked"));
        assert_eq!(refused("ROOT LOGIN REFUSED FROM 192.0.2.1 port 9 [preauth]"), (Some("root"), Rule::Root));
        let algorithm = "userauth_pubkey: signature algorithm ssh-ed25519 not in PubkeyAcceptedAlgorithms [preauth]";
        assert_eq!(
            refused(algorithm),
            (None, Rule::Algorithm("signature algorithm ssh-ed25519 not in PubkeyAcceptedAlgorithms"))
        );
        assert_eq!(
            refused("Disconnecting authenticating user a 192.0.2.1 port 9: Too many authentication failures [preauth]")
                .1,
            Rule::TooManyTries
        );
        let denied = "fatal: Access denied for user a by PAM account configuration [preauth]";
        assert_eq!(said(denied), Some(Said::AccountDenied { user: "a" }));
        assert!(matches!(
            said("pam_access(sshd:account): access denied for user `a' from `192.0.2.1'"),
            Some(Said::Account(_))
        ));
        assert!(matches!(said("error: PAM: pam_open_session(): Permission denied"), Some(Said::Session(_))));
        assert_eq!(said("pam_unix(sshd:session): session opened for user a(uid=1000) by (uid=0)"), None);
    }

    #[test]
    fn dropped_connections_keep_their_reason() {
        let line = "drop connection #11 from [192.0.2.1]:50022 on [10.0.1.5]:22 past MaxStartups";
        assert_eq!(said(line), Some(Said::Dropped { address: "192.0.2.1".parse().ok(), why: "past MaxStartups" }));
        let line = "drop connection #0 from [2001:db8::1]:50022 on [2001:db8::5]:22 penalty: failed authentication";
        assert_eq!(
            said(line),
            Some(Said::Dropped { address: "2001:db8::1".parse().ok(), why: "penalty: failed authentication" })
        );
        let line = "refused connect from host.example (192.0.2.1)";
        assert_eq!(said(line), Some(Said::Dropped { address: "192.0.2.1".parse().ok(), why: line }));
    }

    #[test]
    fn the_noise_of_strangers_says_nothing() {
        for line in [
            "Server listening on 0.0.0.0 port 22.",
            "Connection closed by 192.0.2.1 port 50022 [preauth]",
            "error: kex_exchange_identification: Connection closed by remote host",
            "banner exchange: Connection from 192.0.2.1 port 1: invalid format",
            "Received disconnect from 192.0.2.1 port 50022:11: Bye Bye [preauth]",
            "Failed password for root from 192.0.2.1 port 50022 ssh2",
            "Disconnected from user ec2-user 192.0.2.1 port 50022",
        ] {
            assert_eq!(said(line), None, "{line}");
        }
    }

    #[test]
    fn the_keys_commands_own_lines_are_read_whatever_its_user_is_called() {
        let line = "Providing ssh key from EC2 Instance Connect with fingerprint: SHA256:x, request-id: 1, for IAM principal: a";
        assert_eq!(read_login_line("nobody", line), Some(Said::Providing { fingerprint: "SHA256:x" }));
        let line = "Querying EC2 Instance Connect keys for matching fingerprint: SHA256:x";
        assert_eq!(read_login_line("ec2-instance-connect", line), Some(Said::Querying { fingerprint: "SHA256:x" }));
    }
}
