use super::{
    Fact, Fault, KeysProgram, OsFacts, Refusal, RevokedContent, RevokedFile, RevokedKeys, SocketUnit, SshdProcess,
    Startups, healthy, known,
};

const CONFIG: &str = "/etc/ssh/sshd_config";

fn refused(facts: &mut OsFacts, said: &[&str]) {
    facts.sshd.refusal = Fact::Known(Refusal { said: said.iter().map(|line| (*line).into()).collect() });
    facts.sshd.effective = Fact::unreadable("`sshd -T` ended with status 255");
}

/// What nobody can tell without sshd's effective configuration.
const UNKNOWN_WITHOUT_EFFECTIVE: &[&str] = &[
    "os.account.locked unknown",
    "os.account.expired unknown",
    "os.account.nologin unknown",
    "os.account.access unknown",
    "os.sshd.configuration warn",
    "os.sshd.connection-limits unknown",
    "os.sshd.user-allowed unknown",
    "os.sshd.public-key-authentication unknown",
    "os.sshd.accepted-algorithms unknown",
    "os.sshd.authorized-keys-command unknown",
    "os.sshd.authorized-keys-command-user unknown",
    "os.sshd.revoked-keys unknown",
    "os.sshd.max-auth-tries unknown",
    "os.sshd.authentication-methods unknown",
    "os.sshd.session unknown",
];

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "a bad line that the running sshd has not read",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            refused(
                facts,
                &[
                    "/etc/ssh/sshd_config: line 12: Bad configuration option: PubkeyAuthentification",
                    "/etc/ssh/sshd_config: terminating, 1 bad configuration options",
                ],
            );
        },
        changes: UNKNOWN_WITHOUT_EFFECTIVE,
    },
    Fault {
        name: "a bad line, and no sshd that runs",
        world: healthy::al2023,
        break_it: |facts, _| {
            refused(facts, &["/etc/ssh/sshd_config line 1: Bad SSH2 cipher spec 'aes128-ctr,arcfour'."]);
            facts.sshd.process = Fact::<SshdProcess>::Absent;
            facts.sshd.listeners = Fact::Known(Vec::new());
            let unit = known(&mut facts.sshd.unit);
            (unit.active_state, unit.sub_state) = ("failed".into(), "failed".into());
        },
        changes: &[
            "os.account.locked unknown",
            "os.account.expired unknown",
            "os.account.nologin unknown",
            "os.account.access unknown",
            "os.sshd.configuration fail",
            "os.sshd.running blocked",
            "os.sshd.port blocked",
            "os.sshd.connection-limits blocked",
            "os.sshd.user-allowed blocked",
            "os.sshd.root-login blocked",
            "os.sshd.public-key-authentication blocked",
            "os.sshd.accepted-algorithms blocked",
            "os.sshd.authorized-keys-command blocked",
            "os.sshd.authorized-keys-command-user blocked",
            "os.sshd.revoked-keys blocked",
            "os.sshd.max-auth-tries blocked",
            "os.sshd.authentication-methods blocked",
            "os.sshd.session blocked",
        ],
    },
    Fault {
        name: "host keys that others may read",
        world: healthy::al2,
        break_it: |facts, _| {
            let said = [
                "Permissions 0644 for '/etc/ssh/ssh_host_ed25519_key' are too open.",
                "sshd: no hostkeys available -- exiting.",
            ];
            facts.sshd.refusal = Fact::Known(Refusal { said: said.map(Into::into).to_vec() });
        },
        changes: CONFIGURATION_FAILS,
    },
    Fault {
        name: "the folder of privilege separation gone",
        world: healthy::debian_12,
        break_it: |facts, _| {
            let said = vec!["Missing privilege separation directory: /run/sshd".into()];
            facts.sshd.refusal = Fact::Known(Refusal { said });
        },
        changes: CONFIGURATION_FAILS,
    },
    Fault {
        name: "files that were changed since sshd read them",
        world: healthy::al2023,
        break_it: |facts, _| {
            facts.sshd.changed = Fact::Known(vec![CONFIG.into()]);
            facts.sshd.effective = Fact::unreadable("sshd read its files before they changed");
        },
        changes: UNKNOWN_WITHOUT_EFFECTIVE,
    },
    Fault {
        name: "public keys switched off for the user",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            healthy::set_line(facts, CONFIG, 131, Some("User ubuntu"), "pubkeyauthentication", "no");
        },
        changes: &["os.sshd.public-key-authentication fail"],
    },
    Fault {
        name: "a second factor",
        world: healthy::rhel9,
        break_it: |facts, _| {
            let file = "/etc/ssh/sshd_config.d/10-duo.conf";
            healthy::set_line(facts, file, 2, None, "authenticationmethods", "publickey,keyboard-interactive");
        },
        changes: &["os.sshd.authentication-methods fail"],
    },
    Fault {
        name: "no Ed25519 keys",
        world: healthy::al2023,
        break_it: |facts, _| {
            healthy::set_line(facts, CONFIG, 9, None, "pubkeyacceptedalgorithms", "rsa-sha2-512,rsa-sha2-256");
        },
        changes: &["os.sshd.accepted-algorithms fail"],
    },
    Fault {
        name: "a list of revoked keys that is missing",
        world: healthy::al2023,
        break_it: |facts, _| {
            healthy::set_line(facts, CONFIG, 20, None, "revokedkeys", "/etc/ssh/revoked");
            let file = RevokedFile { path: "/etc/ssh/revoked".into(), content: Fact::<RevokedContent>::Absent };
            facts.sshd.revoked_keys = Fact::Known(RevokedKeys { files: vec![file] });
        },
        changes: &["os.sshd.revoked-keys fail"],
    },
    Fault {
        name: "no try at all",
        world: healthy::al2,
        break_it: |facts, _| healthy::set_line(facts, CONFIG, 30, None, "maxauthtries", "0"),
        changes: &["os.sshd.max-auth-tries fail"],
    },
    Fault {
        name: "one try",
        world: healthy::al2,
        break_it: |facts, _| healthy::set_line(facts, CONFIG, 30, None, "maxauthtries", "1"),
        changes: &["os.sshd.max-auth-tries warn"],
    },
    Fault {
        name: "a grace time of a second",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| healthy::set_line(facts, CONFIG, 30, None, "logingracetime", "1"),
        changes: &["os.sshd.connection-limits fail"],
    },
    Fault {
        name: "all places for those who have not logged in are taken",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            let process = known(&mut facts.sshd.process);
            process.startups = Fact::Known(Startups { now: 100, begin: 10, full: 100 });
            process.command_line = "sshd: /usr/sbin/sshd -D [listener] 100 of 10-100 startups".into();
        },
        changes: &["os.sshd.connection-limits fail"],
    },
    Fault {
        name: "SFTP and no shell",
        world: healthy::al2023,
        break_it: |facts, _| {
            healthy::set_line(facts, CONFIG, 150, Some("Group ec2-user"), "forcecommand", "internal-sftp");
            healthy::set_line(facts, CONFIG, 149, Some("Group ec2-user"), "maxsessions", "0");
        },
        changes: &["os.sshd.session fail"],
    },
    Fault {
        name: "a session without a terminal",
        world: healthy::rhel9,
        break_it: |facts, _| healthy::set_line(facts, CONFIG, 150, None, "permittty", "no"),
        changes: &["os.sshd.session warn"],
    },
    Fault {
        name: "the keys command's arguments in the wrong order",
        world: healthy::al2023,
        break_it: |facts, _| {
            let value = "/opt/aws/bin/eic_run_authorized_keys %f %u";
            healthy::set_line(facts, CONFIG, 141, None, "authorizedkeyscommand", value);
        },
        changes: &["os.sshd.authorized-keys-command fail", "os.sshd.authorized-keys-command-user blocked"],
    },
    Fault {
        name: "MD5 fingerprints",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| healthy::set_line(facts, CONFIG, 3, None, "fingerprinthash", "MD5"),
        changes: &["os.sshd.authorized-keys-command fail", "os.sshd.authorized-keys-command-user blocked"],
    },
    Fault {
        name: "a script of somebody's own that prints keys",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            healthy::set_line(facts, CONFIG, 3, Some("User *"), "authorizedkeyscommand", "/usr/local/bin/iam-keys %u");
            let path = "/usr/local/bin/iam-keys".into();
            facts.sshd.keys_program = Fact::Known(KeysProgram { path, uses_arguments: true, ..KeysProgram::default() });
        },
        changes: &["os.sshd.authorized-keys-command fail", "os.sshd.authorized-keys-command-user blocked"],
    },
    Fault {
        name: "a bad line where each connection starts an sshd",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| {
            refused(facts, &["/etc/ssh/sshd_config: line 12: Bad configuration option: Foo"]);
            facts.sshd.process = Fact::Absent;
            let listen = vec!["[::]:22".into()];
            facts.sshd.socket =
                Fact::Known(SocketUnit { accept: Fact::Known(true), listen, ..known(&mut facts.sshd.socket).clone() });
        },
        changes: &[
            "os.account.locked unknown",
            "os.account.expired unknown",
            "os.account.nologin unknown",
            "os.account.access unknown",
            "os.sshd.configuration fail",
            "os.sshd.running blocked",
            "os.sshd.port blocked",
            "os.sshd.connection-limits blocked",
            "os.sshd.user-allowed blocked",
            "os.sshd.root-login blocked",
            "os.sshd.public-key-authentication blocked",
            "os.sshd.accepted-algorithms blocked",
            "os.sshd.authorized-keys-command blocked",
            "os.sshd.authorized-keys-command-user blocked",
            "os.sshd.revoked-keys blocked",
            "os.sshd.max-auth-tries blocked",
            "os.sshd.authentication-methods blocked",
            "os.sshd.session blocked",
        ],
    },
];

const CONFIGURATION_FAILS: &[&str] = &[
    "os.sshd.configuration fail",
    "os.sshd.running blocked",
    "os.sshd.port blocked",
    "os.sshd.connection-limits blocked",
    "os.sshd.user-allowed blocked",
    "os.sshd.root-login blocked",
    "os.sshd.public-key-authentication blocked",
    "os.sshd.accepted-algorithms blocked",
    "os.sshd.authorized-keys-command blocked",
    "os.sshd.authorized-keys-command-user blocked",
    "os.sshd.revoked-keys blocked",
    "os.sshd.max-auth-tries blocked",
    "os.sshd.authentication-methods blocked",
    "os.sshd.session blocked",
];
