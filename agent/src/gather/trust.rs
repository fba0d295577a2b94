//! What the keys command trusts, as root sees it: the places of certificate authorities, and OpenSSL.

use std::collections::BTreeSet;

use eic_doctor_proto::Fact;

use crate::facts::{EffectiveConfig, TrustFacts};
use crate::parse;

use super::host::Host;
use super::package;

/// Where the keys command of Ubuntu's package looks: a folder, in which OpenSSL finds a certificate by the hash of its name.
pub(super) const FOLDER: &str = "/etc/ssl/certs";
/// Where AWS's own packages look.
pub(super) const BUNDLE: &str = "/etc/ssl/certs/ca-bundle.crt";
/// The link to Amazon Root CA 1: `openssl x509 -hash`.
const LINK: &str = "/etc/ssl/certs/ce5e74ef.0";
/// From where Debian's ca-certificates makes the link.
const SOURCE: &str = "/usr/share/ca-certificates/mozilla/Amazon_Root_CA_1.crt";
/// Where the keys command's tools are.
const PROGRAMS: [&str; 2] = ["/usr/bin", "/bin"];
const LEFT_OUT: &str = "!mozilla/Amazon_Root_CA_1.crt";
const OPENSSL: &str = "/usr/bin/openssl";
pub(super) fn gather_trust(host: &dyn Host, effective: &Fact<EffectiveConfig>) -> TrustFacts {
    let mut paths = BTreeSet::new();
    for path in PROGRAMS {
        package::add_with_folders(&mut paths, path);
    }
    for path in [FOLDER, BUNDLE, LINK, SOURCE] {
        package::add_with_folders(&mut paths, path);
        if let Fact::Known(target) = host.file_state(path).target {
            package::add_with_folders(&mut paths, target.raw());
        }
    }
    TrustFacts {
        files: Fact::Known(paths.iter().map(|path| host.file_state(path)).collect()),
        is_left_out: host
            .read("/etc/ca-certificates.conf")
            .map(|bytes| String::from_utf8_lossy(&bytes).lines().any(|line| line.trim() == LEFT_OUT)),
        openssl: gather_openssl(host),
        script_reads_openssl_3: gather_script(host, effective),
        // Only the keys user is told.
        signer: Fact::NotGathered,
    }
}

fn gather_openssl(host: &dyn Host) -> Fact<u32> {
    const LIBRARY: &str = "libcrypto.so.";
    match host.texts(OPENSSL, LIBRARY, &|_| false) {
        Fact::Known(names) => {
            // `libcrypto.so.3`; `libcrypto.so.1.1`; on Amazon Linux 2 and CentOS 7, `libcrypto.so.10`, which is OpenSSL 1.0.2.
            let numbers = names.iter().filter_map(|name| name.strip_prefix(LIBRARY)?.split('.').next()?.parse().ok());
            numbers.max().map_or_else(
                || Fact::unreadable("it names no `libcrypto.so`"),
                |number: u32| Fact::Known(if number == 10 { 1 } else { number }),
            )
        }
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

fn gather_script(host: &dyn Host, effective: &Fact<EffectiveConfig>) -> Fact<bool> {
    let program = package::program(effective);
    let mut scripts: Vec<String> = package::places(program.as_deref()).into_iter().collect();
    scripts.retain(|path| path.ends_with("/eic_parse_authorized_keys"));
    // The one beside the configured program comes first.
    let folder = program.as_deref().and_then(|program| program.rsplit_once('/')).map(|(folder, _)| folder);
    scripts.sort_by_key(|path| folder.is_none_or(|folder| !path.starts_with(folder)));
    for script in scripts {
        match host.read(&script) {
            Fact::Known(bytes) => return parse::parse_reads_openssl_3(&bytes).map_or(Fact::Absent, Fact::Known),
            Fact::Absent => {}
            Fact::Unreadable(why) => return Fact::Unreadable(why),
            Fact::NotGathered => return Fact::NotGathered,
        }
    }
    Fact::Absent
}
