use super::*;

/// What the keys command's scripts call.
const TOOLS: [&str; 27] = [
    "curl",
    "openssl",
    "ssh-keygen",
    "logger",
    "base64",
    "awk",
    "mktemp",
    "timeout",
    "head",
    "grep",
    "sed",
    "cut",
    "cat",
    "id",
    "seq",
    "find",
    "tr",
    "wc",
    "chmod",
    "cp",
    "touch",
    "date",
    "printf",
    "echo",
    "dirname",
    "rm",
    "mv",
];

/// The same on every healthy instance.
pub fn fill(facts: &mut OsFacts) {
    let folders = || vec![Untrusted::from("/usr/bin"), Untrusted::from("/bin")];
    let tool =
        |name: &&str| Tool { name: (*name).into(), folders: folders(), program: Fact::Absent, ..Tool::default() };
    let store = || TrustStore {
        amazon_root_ca_1: Fact::Known(Anchor::Found),
        starfield_services_root_g2: Fact::Known(Anchor::Found),
        signers_root: Fact::Known(Anchor::Found),
    };
    facts.keys_user = KeysUserFacts {
        namespaces: Fact::Known(Vec::new()),
        files: Fact::Known(vec![
            access_to("/bin/sh", true),
            access_to("/etc/passwd", false),
            access_to("/sys/devices/virtual/dmi/id/board_asset_tag", false),
        ]),
        tools: Fact::Known(TOOLS.iter().map(tool).collect()),
        libraries: Fact::Known(Vec::new()),
        null_device: Fact::Known(NullDevice::Writable),
        shared_memory: Fact::Known(SharedMemory {
            mode: Fact::Known(0o1777),
            writable: Fact::Known(true),
            is_read_only: Fact::Known(false),
            bytes_free: Fact::Known(500 * 1024 * 1024),
            inodes_free: Fact::Known(120_000),
            size: Fact::Known(500 * 1024 * 1024),
        }),
        dev_log: Fact::Known(DevLog::Listening),
        hypervisor_uuid: Fact::Absent,
        board_asset_tag: Fact::Known("i-0123456789abcdef0".into()),
        certificates_folder: Fact::Known(store()),
        certificates_bundle: Fact::Known(store()),
    };
    facts.trust = TrustFacts {
        files: Fact::Known(trust_files()),
        is_left_out: Fact::Known(false),
        openssl: Fact::Known(3),
        script_reads_openssl_3: Fact::Known(true),
        signer: Fact::Known(Signer {
            root: "Amazon Root CA 1".into(),
            chain: Fact::Known(signer_chain()),
            certificates: Fact::Known(Validity { from: -86_400, until: 30 * 86_400 }),
            staples: Fact::Known(Validity { from: -3_600, until: 6 * 86_400 }),
        }),
    };
    let answer =
        || Fact::Known(ImdsAnswer { status: 200, latency_ms: 2, clock_ahead: Fact::Known(0), ..ImdsAnswer::default() });
    let view = &mut facts.imds.as_keys_user;
    (view.signer_cert, view.signer_ocsp) = (answer(), answer());
    view.staples = vec![answer(), answer(), answer()];
    let sockets = ["/dev/log", "/run/systemd/journal/dev-log"].map(|path| state(path, FileType::Other));
    facts.system.log_sockets = Fact::Known(sockets.to_vec());
}

/// As IMDS has it in this Region: the last one, whose issuer is trusted everywhere, has a response of its own too.
fn signer_chain() -> Vec<SignerCertificate> {
    let names = ["managed-ssh-signer.eu-west-1.amazonaws.com", "Amazon RSA 2048 M01", "Amazon Root CA 1"];
    names.map(|name| SignerCertificate { name: name.into(), response: Fact::Known(OcspResponse::Good) }).to_vec()
}

/// The keys user may read and run each script that is there.
pub fn fill_scripts(facts: &mut OsFacts) {
    let is_script =
        |file: &&FileState| file.state == Fact::Known(FileType::Regular) && file.path.raw().contains("/eic_");
    let scripts: Vec<Access> =
        files(facts).iter().filter(is_script).map(|file| access_to(file.path.raw(), true)).collect();
    let is_program = scripts.len() == 1;
    let Fact::Known(seen) = &mut facts.keys_user.files else { panic!("no files") };
    for script in scripts {
        let interpreter = if is_program { Fact::Absent } else { Fact::Known("/bin/sh".into()) };
        seen.push(Access { interpreter, ..script });
    }
}

/// What access(2) answered the keys user.
pub fn access<'a>(facts: &'a mut OsFacts, path: &str) -> &'a mut Access {
    let Fact::Known(files) = &mut facts.keys_user.files else { panic!("no files") };
    files.iter_mut().find(|file| file.path.raw() == path).unwrap_or_else(|| panic!("no {path}"))
}

/// The keys user was refused every script, or nobody asked for it.
pub fn set_access(facts: &mut OsFacts, answer: Fact<bool>) {
    let Fact::Known(files) = &mut facts.keys_user.files else { panic!("no files") };
    for file in files.iter_mut().filter(|file| file.path.raw().contains("/eic_")) {
        (file.read, file.run) = (answer.clone(), answer.clone());
    }
}

pub fn trust_file<'a>(facts: &'a mut OsFacts, path: &str) -> &'a mut FileState {
    let Fact::Known(files) = &mut facts.trust.files else { panic!("no files") };
    files.iter_mut().find(|file| file.path.raw() == path).unwrap_or_else(|| panic!("no {path}"))
}

/// The clock is so many seconds ahead of IMDS's. The signer's certificates stay as old as they are by EC2's own clock.
pub fn set_clock(facts: &mut OsFacts, ahead: i64) {
    for view in [&mut facts.imds.as_root, &mut facts.imds.as_keys_user] {
        for answer in answers(view) {
            if let Fact::Known(answer) = answer {
                answer.clock_ahead = Fact::Known(ahead);
            }
        }
    }
    if let Fact::Known(signer) = &mut facts.trust.signer {
        for validity in [&mut signer.certificates, &mut signer.staples] {
            if let Fact::Known(validity) = validity {
                (validity.from, validity.until) = (validity.from - ahead, validity.until - ahead);
            }
        }
    }
}

pub fn answers(view: &mut ImdsView) -> Vec<&mut Fact<ImdsAnswer>> {
    let mut answers = vec![
        &mut view.token,
        &mut view.instance_id,
        &mut view.availability_zone,
        &mut view.domain,
        &mut view.region,
        &mut view.active_keys,
        &mut view.signer_cert,
        &mut view.signer_ocsp,
    ];
    answers.extend(view.staples.iter_mut());
    answers
}

fn access_to(path: &str, runs: bool) -> Access {
    Access {
        path: path.into(),
        read: Fact::Known(true),
        run: Fact::Known(runs),
        noexec_mount: Fact::Absent,
        interpreter: Fact::Absent,
    }
}

fn trust_files() -> Vec<FileState> {
    let folders = ["/", "/etc", "/etc/ssl", "/etc/ssl/certs", "/usr", "/usr/share", "/usr/share/ca-certificates"];
    let files = [
        "/etc/ssl/certs/ca-bundle.crt",
        "/etc/ssl/certs/ce5e74ef.0",
        "/usr/share/ca-certificates/mozilla/Amazon_Root_CA_1.crt",
    ];
    let folders = folders.map(|path| state(path, FileType::Directory));
    let files = files.map(|path| FileState { mode: Fact::Known(0o644), ..state(path, FileType::Regular) });
    folders.into_iter().chain(files).collect()
}
