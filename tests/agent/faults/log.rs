use super::{Fault, known};
use crate::facts::OsFacts;
use crate::healthy;

const WARNS: &[&str] = &["os.log.recent-attempts warn"];

/// A row for each thing that sshd's lines, recorded in the lab, may say.
macro_rules! logged {
    ($name:literal, $($message:literal),+ $(,)?) => {
        Fault {
            name: $name,
            world: healthy::al2023,
            break_it: |facts, _| sshd(facts, &[$($message),+]),
            changes: WARNS,
        }
    };
}

pub const FAULTS: &[Fault] = &[
    logged!(
        "logged: IMDS refused",
        "AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys ec2-user SHA256:x failed, status 7",
        "Connection closed by authenticating user ec2-user 203.0.113.7 port 37536 [preauth]",
    ),
    logged!(
        "logged: IMDS slow, in the words of OpenSSH 7.4",
        "error: AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys ec2-user SHA256:x failed, status 28",
        "Connection closed by 203.0.113.7 port 37536 [preauth]",
    ),
    logged!(
        "logged: the certificate not trusted",
        "AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys ec2-user SHA256:x failed, status 2",
        "Connection closed by authenticating user ec2-user 203.0.113.7 port 37536 [preauth]",
    ),
    logged!(
        "logged: the zone refused",
        "AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys ec2-user SHA256:x failed, status 255",
        "Connection closed by authenticating user ec2-user 203.0.113.7 port 37536 [preauth]",
    ),
    logged!(
        "logged: killed",
        "error: AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys ec2-user SHA256:x exited on signal 9",
        "Connection closed by authenticating user ec2-user 203.0.113.7 port 37536 [preauth]",
    ),
    logged!(
        "logged: an unsafe file",
        "error: Unsafe AuthorizedKeysCommand \"/opt/aws/bin/eic_run_authorized_keys\": bad ownership or modes for file /opt/aws/bin/eic_run_authorized_keys",
        "Connection closed by authenticating user ec2-user 203.0.113.7 port 37536 [preauth]",
    ),
    logged!(
        "logged: no keys user",
        "error: AuthorizedKeysCommandUser \"ec2-instance-connect\" not found: Success",
        "Connection closed by authenticating user ec2-user 203.0.113.7 port 37536 [preauth]",
    ),
    logged!(
        "logged: no more tasks",
        "error: AuthorizedKeysCommand: fork: Resource temporarily unavailable",
        "Connection closed by authenticating user ec2-user 203.0.113.7 port 37536 [preauth]",
    ),
    logged!(
        "logged: the user denied",
        "User ec2-user from 203.0.113.7 not allowed because listed in DenyUsers",
        "Connection closed by invalid user ec2-user 203.0.113.7 port 37600 [preauth]",
    ),
    logged!(
        "logged: a shell that is not there",
        "User ec2-user not allowed because shell /bin/nosuch does not exist",
        "Connection closed by invalid user ec2-user 203.0.113.7 port 37600 [preauth]",
    ),
    logged!(
        "logged: no account",
        "Invalid user ec2-user from 203.0.113.7 port 39196",
        "Connection closed by invalid user ec2-user 203.0.113.7 port 39196 [preauth]",
    ),
    logged!(
        "logged: an algorithm that sshd does not take",
        "userauth_pubkey: signature algorithm ssh-ed25519 not in PubkeyAcceptedAlgorithms [preauth]",
        "Connection closed by authenticating user ec2-user 203.0.113.7 port 50378 [preauth]",
    ),
    logged!(
        "logged: too many keys",
        "AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys ec2-user SHA256:x failed, status 255",
        "error: maximum authentication attempts exceeded for ec2-user from 203.0.113.7 port 53070 ssh2 [preauth]",
        "Disconnecting authenticating user ec2-user 203.0.113.7 port 53070: Too many authentication failures [preauth]",
    ),
    logged!(
        "logged: the account expired",
        "pam_unix(sshd:account): account ec2-user has expired (account expired)",
        "fatal: Access denied for user ec2-user by PAM account configuration [preauth]",
    ),
    logged!("logged: nologin", "fatal: Access denied for user ec2-user by PAM account configuration [preauth]",),
    logged!(
        "logged: a new password demanded",
        "pam_unix(sshd:account): expired password for user ec2-user (root enforced)",
        "Accepted publickey for ec2-user from 203.0.113.7 port 37326 ssh2: ED25519 SHA256:x",
    ),
    logged!(
        "logged: the session refused",
        "Accepted publickey for ec2-user from 203.0.113.7 port 37326 ssh2: ED25519 SHA256:x",
        "error: PAM: pam_open_session(): Permission denied",
    ),
    logged!(
        "logged: dropped for MaxStartups",
        "drop connection #11 from [203.0.113.7]:50022 on [10.0.1.5]:22 past MaxStartups",
    ),
    logged!("logged: hosts.deny", "refused connect from 203.0.113.7 (203.0.113.7)"),
    logged!(
        "logged: nothing but the end",
        "Connection closed by authenticating user ec2-user 203.0.113.7 port 50378 [preauth]",
    ),
    Fault {
        name: "logged: another key than the pushed one",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| {
            let end = "AuthorizedKeysCommand /usr/share/ec2-instance-connect/eic_run_authorized_keys ubuntu SHA256:x failed, status 255";
            let query = "Querying EC2 Instance Connect keys for matching fingerprint: SHA256:x";
            healthy::log::set(facts, &[(9, "ec2-instance-connect", 91, query), (9, "sshd", 90, end)]);
        },
        changes: WARNS,
    },
    Fault {
        name: "logged: a key that sshd wanted more than",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| {
            let provide = "Providing ssh key from EC2 Instance Connect with fingerprint: SHA256:x, request-id: 1, for IAM principal: a";
            let end = "Connection closed by authenticating user ubuntu 203.0.113.7 port 54934 [preauth]";
            healthy::log::set(facts, &[(9, "ec2-instance-connect", 91, provide), (10, "sshd", 90, end)]);
        },
        changes: WARNS,
    },
    Fault {
        name: "logged: a chroot that sshd does not take, by a child of its own",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| {
            let accepted = "Accepted publickey for ubuntu from 203.0.113.7 port 40046 ssh2: ED25519 SHA256:x";
            let refused = "fatal: bad ownership or modes for chroot directory \"/tmp\"";
            healthy::log::set(facts, &[(9, "sshd", 90, accepted), (9, "sshd", 95, refused)]);
        },
        changes: WARNS,
    },
    Fault {
        name: "logged: root refused",
        world: healthy::al2023,
        break_it: |facts, attempt| {
            attempt.os_user = "root".parse().expect("an OS user");
            known(&mut facts.account.os_user).name = "root".into();
            sshd(facts, &["ROOT LOGIN REFUSED FROM 203.0.113.7 port 40060 [preauth]"]);
        },
        changes: WARNS,
    },
];

/// One login of ten seconds after the one that worked.
fn sshd(facts: &mut OsFacts, messages: &[&str]) {
    let lines: Vec<(u64, &str, u32, &str)> = messages.iter().map(|message| (10, "sshd", 4242, *message)).collect();
    healthy::log::set(facts, &lines);
}
