use eic_doctor_proto::Untrusted;

use super::*;

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "hardware that is another instance",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| facts.keys_user.board_asset_tag = Fact::Known("i-0fedcba9876543210".into()),
        changes: &["os.host.identity fail"],
    },
    Fault {
        name: "no hardware identity at all",
        world: healthy::al2023,
        break_it: |facts, _| facts.keys_user.board_asset_tag = Fact::Absent,
        changes: &["os.host.identity fail"],
    },
    Fault {
        name: "a hardware identity for root alone",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            facts.keys_user.board_asset_tag = Fact::unreadable("permission denied");
            healthy::access(facts, "/sys/devices/virtual/dmi/id/board_asset_tag").read = Fact::Known(false);
        },
        changes: &["os.host.identity fail"],
    },
    Fault {
        name: "a Xen guest that is no instance",
        world: healthy::al2,
        break_it: |facts, _| {
            facts.keys_user.hypervisor_uuid = Fact::Known("4f9b2a1c-0000-4000-8000-0123456789ab".into())
        },
        changes: &["os.host.identity fail"],
    },
    Fault {
        name: "logger missing",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| tool(facts, "logger").folders.clear(),
        changes: TOOLS,
    },
    Fault {
        name: "openssl that the keys user may not run",
        world: healthy::al2023,
        break_it: |facts, _| {
            let tool = tool(facts, "openssl");
            (tool.folders, tool.denied) = (Vec::new(), vec!["/usr/bin".into(), "/bin".into()]);
        },
        changes: TOOLS,
    },
    Fault {
        name: "curl in another folder than AWS's package names",
        world: healthy::al2,
        break_it: |facts, _| tool(facts, "curl").folders = vec!["/usr/local/bin".into()],
        changes: TOOLS,
    },
    Fault {
        name: "busybox for find",
        world: healthy::debian_12,
        break_it: |facts, _| tool(facts, "find").program = Fact::Known("busybox".into()),
        changes: TOOLS,
    },
    Fault {
        name: "a passwd that the keys user may not read",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| healthy::access(facts, "/etc/passwd").read = Fact::Known(false),
        changes: TOOLS,
    },
    Fault {
        name: "a library that is nowhere",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| known(&mut facts.keys_user.libraries).push(library("libcurl.so.4", Fact::Absent)),
        changes: TOOLS,
    },
    Fault {
        name: "a folder of libraries for root alone",
        world: healthy::al2023,
        break_it: |facts, _| {
            known(&mut facts.keys_user.libraries).push(library("libcurl.so.4", Fact::Known("/usr/lib64".into())));
        },
        changes: TOOLS,
    },
    Fault {
        name: "no /dev/null",
        world: healthy::rhel9,
        break_it: |facts, _| facts.keys_user.null_device = Fact::Absent,
        changes: NULL_DEVICE,
    },
    Fault {
        name: "/dev/null for root alone",
        world: healthy::al2023,
        break_it: |facts, _| facts.keys_user.null_device = Fact::Known(NullDevice::Denied),
        changes: NULL_DEVICE,
    },
    Fault {
        name: "a file in the place of /dev/null",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| facts.keys_user.null_device = Fact::Known(NullDevice::OtherDenied),
        changes: NULL_DEVICE,
    },
    Fault {
        name: "a file in the place of /dev/null that everybody may write",
        world: healthy::al2,
        break_it: |facts, _| facts.keys_user.null_device = Fact::Known(NullDevice::OtherWritable),
        changes: &["os.host.null-device warn"],
    },
    Fault {
        name: "no /dev/shm",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| facts.keys_user.shared_memory = Fact::Absent,
        changes: SHARED_MEMORY,
    },
    Fault {
        name: "/dev/shm read-only",
        world: healthy::al2023,
        break_it: |facts, _| {
            let memory = memory(facts);
            (memory.writable, memory.is_read_only) = (Fact::Known(false), Fact::Known(true));
        },
        changes: SHARED_MEMORY,
    },
    Fault {
        name: "/dev/shm for root alone",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| {
            let memory = memory(facts);
            (memory.writable, memory.mode) = (Fact::Known(false), Fact::Known(0o755));
        },
        changes: SHARED_MEMORY,
    },
    Fault {
        name: "/dev/shm full",
        world: healthy::al2,
        break_it: |facts, _| memory(facts).bytes_free = Fact::Known(0),
        changes: SHARED_MEMORY,
    },
    Fault {
        name: "/dev/shm of a size of next to nothing",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            let memory = memory(facts);
            (memory.bytes_free, memory.size) = (Fact::Known(16 * 1024), Fact::Known(16 * 1024));
        },
        changes: SHARED_MEMORY,
    },
    Fault {
        name: "/dev/shm without inodes",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| memory(facts).inodes_free = Fact::Known(0),
        changes: SHARED_MEMORY,
    },
    Fault {
        name: "/dev/shm hidden by sshd's unit",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            facts.keys_user.namespaces = Fact::Known(vec![Namespace::Mount]);
            let memory = memory(facts);
            (memory.writable, memory.mode) = (Fact::Known(false), Fact::Known(0));
        },
        changes: SHARED_MEMORY,
    },
    Fault {
        name: "no /dev/log",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| facts.keys_user.dev_log = Fact::Absent,
        changes: SYSLOG,
    },
    Fault {
        name: "nobody reads /dev/log",
        world: healthy::al2023,
        break_it: |facts, _| facts.keys_user.dev_log = Fact::Known(DevLog::Refused),
        changes: SYSLOG,
    },
    Fault {
        name: "a log daemon that hangs",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| facts.keys_user.dev_log = Fact::Known(DevLog::Full),
        changes: SYSLOG,
    },
    Fault {
        name: "scripts on a file system mounted noexec",
        world: healthy::al2023,
        break_it: |facts, _| {
            for script in ["eic_run_authorized_keys", "eic_curl_authorized_keys", "eic_parse_authorized_keys"] {
                let access = healthy::access(facts, &format!("/opt/aws/bin/{script}"));
                (access.run, access.noexec_mount) = (Fact::Known(false), Fact::Known("/opt".into()));
            }
        },
        changes: &["os.package.keys-command-files fail"],
    },
    Fault {
        name: "an access list that keeps the keys user out",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            healthy::access(facts, "/usr/share/ec2-instance-connect/eic_parse_authorized_keys").read =
                Fact::Known(false);
        },
        changes: &["os.package.keys-command-files fail"],
    },
    Fault {
        name: "a script saved with Windows' line ends",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            let missing =
                Access { path: "/bin/sh\r".into(), read: Fact::Absent, run: Fact::Absent, ..Access::default() };
            known(&mut facts.keys_user.files).push(missing);
            let script = "/usr/share/ec2-instance-connect/eic_run_authorized_keys";
            healthy::access(facts, script).interpreter = Fact::Known("/bin/sh\r".into());
        },
        changes: &["os.package.keys-command-files fail"],
    },
    Fault {
        name: "group-writable scripts, and another member of root's group",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            healthy::file(facts, "/usr/share/ec2-instance-connect").mode = Fact::Known(0o775);
            facts.account.root_group_members = Fact::Known(vec!["deploy".into()]);
        },
        changes: &["os.package.keys-command-files fail"],
    },
    Fault {
        name: "no certificate authorities",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            facts.keys_user.certificates_folder = Fact::Absent;
            known(&mut facts.trust.files).retain(|file| !file.path.raw().contains("ca-certificates"));
            healthy::trust_file(facts, "/etc/ssl/certs").state = Fact::Absent;
        },
        changes: AUTHORITY,
    },
    Fault {
        name: "the certificate authority left out",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| {
            without_signer(facts);
            folder(facts).amazon_root_ca_1 = Fact::Known(Anchor::Missing);
            facts.trust.is_left_out = Fact::Known(true);
        },
        changes: AUTHORITY,
    },
    Fault {
        name: "the certificate authority without its link",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| folder(facts).signers_root = Fact::Known(Anchor::WithoutLink),
        changes: AUTHORITY,
    },
    Fault {
        name: "certificate authorities for root alone",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            let denied = || Fact::Known(Anchor::Denied);
            let (amazon_root_ca_1, starfield_services_root_g2, signers_root) = (denied(), denied(), denied());
            *folder(facts) = TrustStore { amazon_root_ca_1, starfield_services_root_g2, signers_root };
            healthy::trust_file(facts, "/etc/ssl").mode = Fact::Known(0o750);
        },
        changes: AUTHORITY,
    },
    Fault {
        name: "no bundle of certificate authorities",
        world: healthy::al2023,
        break_it: |facts, _| {
            facts.keys_user.certificates_bundle = Fact::Absent;
            healthy::trust_file(facts, "/etc/ssl/certs/ca-bundle.crt").state = Fact::Absent;
        },
        changes: AUTHORITY,
    },
    Fault {
        name: "a bundle without the certificate authority",
        world: healthy::al2,
        break_it: |facts, _| {
            known(&mut facts.keys_user.certificates_bundle).signers_root = Fact::Known(Anchor::Missing);
        },
        changes: AUTHORITY,
    },
    Fault {
        name: "a clock two minutes ahead",
        world: healthy::al2023,
        break_it: |facts, _| healthy::set_clock(facts, 120),
        changes: &["os.trust.clock fail"],
    },
    Fault {
        name: "a clock three quarters of a minute ahead",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| healthy::set_clock(facts, 45),
        changes: &["os.trust.clock warn"],
    },
    Fault {
        name: "a clock a day behind",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| healthy::set_clock(facts, -86_400),
        changes: &["os.trust.clock fail"],
    },
    Fault {
        name: "a clock a month behind, and no word of the signer",
        world: healthy::al2,
        break_it: |facts, _| {
            healthy::set_clock(facts, -30 * 86_400);
            without_signer(facts);
        },
        changes: &["os.trust.clock fail"],
    },
    Fault {
        name: "OCSP responses that are out of date by every clock",
        world: healthy::al2023,
        break_it: |facts, _| {
            known(&mut facts.trust.signer).staples = Fact::Known(Validity { from: -700_000, until: -95_200 });
        },
        changes: &["os.trust.clock fail"],
    },
    Fault {
        name: "a package that does not understand OpenSSL 3",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            known(&mut facts.package.ec2_instance_connect).version = "1.1.14-0ubuntu1".into();
            facts.trust.script_reads_openssl_3 = Fact::Known(false);
        },
        changes: &["os.trust.openssl fail"],
    },
    Fault {
        name: "IMDS too slow for the keys command's time",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| latency(facts, 480),
        changes: TIME_BUDGET,
    },
    Fault {
        name: "IMDS slow",
        world: healthy::al2023,
        break_it: |facts, _| latency(facts, 250),
        changes: &["os.imds.time-budget warn"],
    },
    Fault {
        name: "IMDS silent about keys",
        world: healthy::al2,
        break_it: |facts, _| {
            let view = &mut facts.imds.as_keys_user;
            view.active_keys = Fact::unreadable("timed out after 1 s");
            (view.signer_cert, view.signer_ocsp, view.staples) = (Fact::NotGathered, Fact::NotGathered, Vec::new());
        },
        changes: TIME_BUDGET,
    },
    Fault {
        name: "keys signed by somebody else",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| chain(facts)[0].name = "managed-ssh-signer.us-east-1.amazonaws.com".into(),
        changes: SIGNER,
    },
    Fault {
        name: "the signer's certificate alone",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| chain(facts).truncate(1),
        changes: SIGNER,
    },
    Fault {
        name: "OCSP responses named by SHA-256",
        world: healthy::al2023,
        break_it: |facts, _| chain(facts)[0].response = Fact::Known(OcspResponse::OtherName),
        changes: SIGNER,
    },
    Fault {
        name: "a revoked signer",
        world: healthy::al2,
        break_it: |facts, _| chain(facts)[0].response = Fact::Known(OcspResponse::NotGood),
        changes: SIGNER,
    },
];

const TOOLS: &[&str] = &["os.host.tools fail", "os.trust.openssl blocked"];
const TIME_BUDGET: &[&str] = &["os.imds.time-budget fail", "os.imds.pushed-keys blocked", "os.trust.signer blocked"];
const SHARED_MEMORY: &[&str] = &["os.host.shared-memory fail"];
const NULL_DEVICE: &[&str] = &["os.host.null-device fail"];
const SIGNER: &[&str] = &["os.trust.signer fail"];
const SYSLOG: &[&str] = &["os.host.syslog fail"];
const AUTHORITY: &[&str] = &["os.trust.certificate-authority fail"];

fn library(name: &str, denied: Fact<Untrusted>) -> Library {
    Library { name: name.into(), tool: "curl".into(), denied }
}

fn chain(facts: &mut OsFacts) -> &mut Vec<SignerCertificate> {
    known(&mut known(&mut facts.trust.signer).chain)
}

fn tool<'a>(facts: &'a mut OsFacts, name: &str) -> &'a mut Tool {
    known(&mut facts.keys_user.tools).iter_mut().find(|tool| tool.name.raw() == name).expect("a tool of this name")
}

fn memory(facts: &mut OsFacts) -> &mut SharedMemory {
    known(&mut facts.keys_user.shared_memory)
}

fn folder(facts: &mut OsFacts) -> &mut TrustStore {
    known(&mut facts.keys_user.certificates_folder)
}

/// As IMDS may be while no key is pushed.
fn without_signer(facts: &mut OsFacts) {
    folder(facts).signers_root = Fact::NotGathered;
    known(&mut facts.keys_user.certificates_bundle).signers_root = Fact::NotGathered;
}

fn latency(facts: &mut OsFacts, latency_ms: u32) {
    for view in [&mut facts.imds.as_root, &mut facts.imds.as_keys_user] {
        for answer in healthy::answers(view) {
            if let Fact::Known(answer) = answer {
                answer.latency_ms = latency_ms;
            }
        }
    }
}
