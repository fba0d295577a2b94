use std::cmp::Ordering;

use eic_doctor_proto::{Attempt, Command, Fact, Finding, Remedy, Verdict, check};

use crate::checks::{keys_command, platform, version};
use crate::facts::{Anchor, FileState, FileType, OsFacts, PackageManager, TrustStore};

check! {
    /// The keys user finds the certificate authority, Amazon Root CA 1, that pushed keys are signed under.
    ///
    /// ## Why it matters
    /// Each pushed key is signed. The signer's certificate comes with the key from the metadata service, and the keys command takes it only
    /// if it leads to a certificate authority that this system trusts: Amazon Root CA 1. Ubuntu's package looks into the folder
    /// `/etc/ssl/certs`, where OpenSSL finds a certificate by a link that is named after a hash, `ce5e74ef.0` for this one; AWS's own
    /// packages look into the file `/etc/ssl/certs/ca-bundle.crt`. Both are read by the keys user. Without it the keys command ends
    /// with status 1 or 2, and mostly no other word.
    ///
    /// It goes missing where `ca-certificates` was removed or never installed (small images), where an administrator left
    /// certificate authorities out, and where hardening took read access to `/etc/ssl` or `/etc/pki` from others.
    ///
    /// ## How to look by hand
    /// On the instance, as the keys user:
    ///
    /// ```text
    /// as='runuser -u ec2-instance-connect --'
    /// $as openssl x509 -noout -subject -fingerprint -sha256 -in /etc/ssl/certs/ce5e74ef.0
    /// $as grep -c MIIDQTCCAimgAwIBAgITBmyfz5m/jAo54vB4ikPmljZbyjANBgkqhkiG9w0BAQsF /etc/ssl/certs/ca-bundle.crt
    /// namei -l /etc/ssl/certs/ce5e74ef.0
    /// ```
    ///
    /// The fingerprint is `8E:CD:E6:88:4F:3D:87:B1:12:5B:A3:1A:C3:FC:B1:3D:70:16:DE:7F:57:CC:90:4F:E1:CB:97:C6:AE:98:19:6E`.
    ///
    /// ## How to mend
    /// - Ubuntu: `apt-get install --reinstall -y ca-certificates && update-ca-certificates --fresh`; take a `!` away from
    ///   `mozilla/Amazon_Root_CA_1.crt` in `/etc/ca-certificates.conf` first.
    /// - Amazon Linux and other rpm systems: `update-ca-trust extract`, or reinstall `ca-certificates`; a block list may lie below
    ///   `/etc/pki/ca-trust/source/blocklist`.
    /// - Read access: folders need mode 0755, certificates 0644.
    ///
    /// ## References
    /// - Amazon Trust Services Repository: Amazon Root CA 1
    /// - update-ca-certificates(8), update-ca-trust(8), openssl-verify(1)
    pub static CHECK: OsFacts = {
        id: "os.trust.certificate-authority",
        title: "the keys user finds Amazon Root CA 1",
        needs: ["os.account.keys-user"],
        judge: judge,
    }
}

const AMAZON_ROOT_CA_1: &str = "Amazon Root CA 1";
const LINK: &str = "/etc/ssl/certs/ce5e74ef.0";
const SOURCE: &str = "/usr/share/ca-certificates/mozilla/Amazon_Root_CA_1.crt";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let place = Place::of(facts)?;
    let at = format!("{}, as {}", place.path(), keys_command::where_seen(facts));
    let is_scripts = keys_command::is_three_scripts(facts);
    let Some(store) = place.store(facts).present(place.path())? else {
        let why = format!("there is no `{}`, where the keys command looks for {AMAZON_ROOT_CA_1}", place.path());
        return finding(is_scripts, Finding::new(why, place.made_anew(facts)).seen("no such file", at));
    };
    let (name, anchor) = wanted(facts, store);
    match anchor.need(&format!("{name} in {}", place.path()))? {
        Anchor::Found => Ok(Verdict::ok(format!("{name} is there"), at)),
        Anchor::Denied if is_told_by_others(facts, place) => {
            let why = format!(
                "a folder above {name} cannot be entered by the keys user, and other things stand behind it too"
            );
            Err(Verdict::unknown(why).seen("permission denied", at))
        }
        Anchor::Denied => {
            let why = format!("the keys user may not read {name} in `{}`", place.path());
            finding(is_scripts, Finding::new(why, opened(facts, place)).seen("permission denied", at))
        }
        Anchor::WithoutLink => {
            let why =
                format!("{name} is in `{}` without the link by its hash, by which OpenSSL finds it", place.path());
            let finding_ = Finding::new(&why, place.made_anew(facts)).seen("no link by hash", &at);
            // Earlier releases take it from the file of that name as well.
            if takes_intermediate_alone(facts) == Some(false) {
                return Err(
                    Verdict::unknown(format!("{why}; whether this release needs it is not known")).seen("no link", at)
                );
            }
            finding(is_scripts, finding_)
        }
        Anchor::Missing => {
            let why = format!("{name} is not in `{}`", place.path());
            let second_best = store.starfield_services_root_g2 == Fact::Known(Anchor::Found);
            if second_best && takes_intermediate_alone(facts) == Some(false) {
                let why = format!("{why}, and whether Starfield Services Root G2, which is, will do is not known");
                return Err(Verdict::unknown(why).seen("missing", at));
            }
            finding(is_scripts, Finding::new(why, place.made_anew(facts)).seen("missing", at))
        }
    }
}

/// A closed folder that keeps the keys user from the keys command or from `/etc/passwd` as well is one fault, not two.
fn is_told_by_others(facts: &OsFacts, place: Place) -> bool {
    let closed: Vec<_> = [place.path(), LINK, SOURCE]
        .into_iter()
        .flat_map(|path| keys_command::closed_folders(facts, &format!("{path}/")))
        .collect();
    closed
        .iter()
        .any(|folder| keys_command::keeps_from_program(facts, folder) || matches!(folder.path.raw(), "/" | "/etc"))
}

/// What the chain that IMDS has now leads to, else what it has always led to. A certificate that comes alone says only who signed it.
fn wanted<'a>(facts: &OsFacts, store: &'a TrustStore) -> (String, &'a Fact<Anchor>) {
    match &facts.trust.signer {
        Fact::Known(signer)
            if store.signers_root != Fact::NotGathered && signer.chain.known().is_none_or(|chain| chain.len() > 1) =>
        {
            (signer.root.to_string(), &store.signers_root)
        }
        _ => (AMAZON_ROOT_CA_1.to_owned(), &store.amazon_root_ca_1),
    }
}

/// From 1.1.17 on the keys command takes of the chain the first intermediate certificate alone, so what signed that one must be found here.
fn takes_intermediate_alone(facts: &OsFacts) -> Option<bool> {
    if facts.trust.script_reads_openssl_3 == Fact::Known(true) {
        return Some(true);
    }
    let release = version::release(facts.package.ec2_instance_connect.known()?.version.raw())?;
    Some(version::compare(&release, version::FIRST_FOR_OPENSSL_3) != Ordering::Less)
}

/// Where the program of 2.x looks is not published.
fn finding(is_scripts: Option<bool>, finding: Finding) -> Result<Verdict, Verdict> {
    if is_scripts == Some(true) {
        return Ok(Verdict::fail(finding));
    }
    let why = format!("{}; whether this keys command looks there is not known", finding.why);
    Err(finding.evidence.iter().fold(Verdict::unknown(why), |verdict, seen| verdict.seen(&seen.seen, &seen.at)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Folder,
    Bundle,
}

impl Place {
    fn of(facts: &OsFacts) -> Result<Self, Verdict> {
        match platform::manager(facts) {
            Some(PackageManager::Dpkg) => Ok(Self::Folder),
            Some(PackageManager::Rpm) => Ok(Self::Bundle),
            None => Err(Verdict::unknown(
                "where the keys command of this system looks for its certificate authority is not known",
            )),
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Folder => "/etc/ssl/certs",
            Self::Bundle => "/etc/ssl/certs/ca-bundle.crt",
        }
    }

    fn store(self, facts: &OsFacts) -> &Fact<TrustStore> {
        match self {
            Self::Folder => &facts.keys_user.certificates_folder,
            Self::Bundle => &facts.keys_user.certificates_bundle,
        }
    }

    fn verify(self) -> &'static str {
        match self {
            Self::Folder => {
                "runuser -u ec2-instance-connect -- openssl x509 -noout -subject -in /etc/ssl/certs/ce5e74ef.0"
            }
            Self::Bundle => {
                "runuser -u ec2-instance-connect -- grep -c MIIDQTCCAimgAwIBAgITBmyfz5m/jAo54vB4ikPmljZbyjANBgkqhkiG9w0BAQsF \
                 /etc/ssl/certs/ca-bundle.crt"
            }
        }
    }

    fn made_anew(self, facts: &OsFacts) -> Remedy {
        if keys_command::is_in_own_namespace(facts) {
            return hidden(self);
        }
        let text = "Make the system's store of certificate authorities anew, as root on the instance";
        let has = |path: &str| state(facts, path).is_some_and(|file| file.state.known().is_some());
        let command = match self {
            Self::Folder => {
                let fresh = Command::new("update-ca-certificates").arg("--fresh");
                let made = if has("/etc/ssl/certs") {
                    fresh
                } else {
                    Command::new("mkdir").args(["-p", "/etc/ssl/certs"]).and(fresh)
                };
                if facts.trust.is_left_out == Fact::Known(true) {
                    let expression = "s#^!mozilla/Amazon_Root_CA_1.crt#mozilla/Amazon_Root_CA_1.crt#";
                    Command::new("sed").args(["-i", expression, "/etc/ca-certificates.conf"]).and(made)
                } else if has(SOURCE) {
                    made
                } else {
                    Command::new("apt-get").args(["install", "--reinstall", "-y", "ca-certificates"]).and(made)
                }
            }
            Self::Bundle => {
                let extract = Command::new("update-ca-trust").arg("extract");
                let program = if platform::is_amazon_linux_2(facts) { "yum" } else { "dnf" };
                if has(self.path()) {
                    extract
                } else {
                    Command::new(program).args(["reinstall", "-y", "ca-certificates"]).and(extract)
                }
            }
        };
        Remedy::by_command(text, &command, self.verify())
    }
}

fn hidden(place: Place) -> Remedy {
    let text = format!(
        "Take what hides `{}` out of sshd's unit (`InaccessiblePaths=`, `TemporaryFileSystem=`) and restart it: \
         `systemctl cat ssh.service sshd.service` shows it",
        place.path()
    );
    Remedy::by_hand(text, "The next login with a pushed key")
}

/// Read access for everybody, for whatever lacks it on the way.
fn opened(facts: &OsFacts, place: Place) -> Remedy {
    let files = facts.trust.files.known().map_or(&[][..], Vec::as_slice);
    let lacks = |file: &&FileState| match (&file.state, &file.mode) {
        (Fact::Known(FileType::Directory), Fact::Known(mode)) => mode & 0o001 == 0,
        (Fact::Known(FileType::Regular), Fact::Known(mode)) => mode & 0o004 == 0,
        _ => false,
    };
    let steps = files.iter().filter(lacks).filter(|file| keys_command::is_plain(file.path.raw())).map(|file| {
        let change = if file.state == Fact::Known(FileType::Directory) { "a+x" } else { "a+r" };
        Command::new("chmod").args([change, file.path.raw()])
    });
    match steps.reduce(Command::and) {
        Some(command) if !keys_command::is_in_own_namespace(facts) => {
            let text = "Let everybody read the system's certificate authorities again, as root on the instance";
            Remedy::by_command(text, &command, place.verify())
        }
        Some(_) => hidden(place),
        None => Remedy::by_hand(
            "Find what keeps the keys user from reading it: `namei -l` and `getfacl` on the path, the log of SELinux",
            place.verify(),
        ),
    }
}

fn state<'a>(facts: &'a OsFacts, path: &str) -> Option<&'a FileState> {
    keys_command::state_of(facts.trust.files.known()?, path)
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{Anchor, OsFacts, TrustStore};

    const FAIL: [&str; 1] = ["os.trust.certificate-authority fail"];
    const UNKNOWN: [&str; 1] = ["os.trust.certificate-authority unknown"];

    fn folder(facts: &mut OsFacts) -> &mut TrustStore {
        let Fact::Known(store) = &mut facts.keys_user.certificates_folder else { panic!("no folder") };
        store
    }

    fn command(world: World, change: impl FnOnce(&mut OsFacts)) -> Option<String> {
        let World { mut facts, attempt, .. } = world;
        change(&mut facts);
        let Ok(Verdict::Fail(finding)) = judge(&facts, &attempt) else { panic!("no failure") };
        finding.remedy.command
    }

    /// While no key is pushed, IMDS may say nothing of what it signs with.
    fn anchor(facts: &mut OsFacts, anchor: Anchor) {
        folder(facts).signers_root = Fact::NotGathered;
        folder(facts).amazon_root_ca_1 = Fact::Known(anchor);
    }

    fn missing(facts: &mut OsFacts) {
        anchor(facts, Anchor::Missing);
    }

    #[test]
    fn each_family_has_its_place() {
        let no_folder = |facts: &mut OsFacts| facts.keys_user.certificates_folder = Fact::Absent;
        let no_bundle = |facts: &mut OsFacts| facts.keys_user.certificates_bundle = Fact::Absent;
        assert_eq!(changes(healthy::ubuntu_2204(), |facts, _| no_folder(facts)), FAIL);
        assert_eq!(changes(healthy::ubuntu_2204(), |facts, _| no_bundle(facts)), [""; 0]);
        assert_eq!(changes(healthy::al2023(), |facts, _| no_bundle(facts)), FAIL);
        assert_eq!(changes(healthy::al2023(), |facts, _| no_folder(facts)), [""; 0]);
        assert_eq!(changes(healthy::rhel9(), |facts, _| no_bundle(facts)), UNKNOWN);
    }

    #[test]
    fn an_early_release_may_do_with_the_other_authority_or_without_the_link() {
        let early = |facts: &mut OsFacts| facts.trust.script_reads_openssl_3 = Fact::Known(false);
        for (found, starfield) in [(Anchor::Missing, Anchor::Found), (Anchor::WithoutLink, Anchor::Missing)] {
            let changed = changes(healthy::ubuntu_2204(), |facts, _| {
                early(facts);
                facts.trust.openssl = Fact::Known(1);
                anchor(facts, found);
                folder(facts).starfield_services_root_g2 = Fact::Known(starfield);
            });
            assert_eq!(changed, UNKNOWN, "{found:?}");
            let changed = changes(healthy::ubuntu_2404(), |facts, _| {
                anchor(facts, found);
                folder(facts).starfield_services_root_g2 = Fact::Known(starfield);
            });
            assert_eq!(changed, FAIL, "{found:?}");
        }
    }

    #[test]
    fn what_imds_has_now_decides_which_authority_is_wanted() {
        let another = |facts: &mut OsFacts, anchor| {
            let Fact::Known(signer) = &mut facts.trust.signer else { panic!("no signer") };
            signer.root = "Another Root".into();
            folder(facts).signers_root = Fact::Known(anchor);
        };
        let with = |anchor| {
            changes(healthy::ubuntu_2404(), |facts, _| {
                folder(facts).amazon_root_ca_1 = Fact::Known(Anchor::Missing);
                another(facts, anchor);
            })
        };
        assert_eq!(with(Anchor::Found), [""; 0]);
        assert_eq!(changes(healthy::ubuntu_2404(), |facts, _| another(facts, Anchor::Missing)), FAIL);
    }

    #[test]
    fn a_folder_that_closes_the_way_to_the_keys_command_too_is_one_fault() {
        let changed = changes(healthy::ubuntu_2204(), |facts, _| {
            folder(facts).signers_root = Fact::Known(Anchor::Denied);
            healthy::set_access(facts, Fact::Known(false));
            healthy::file(facts, "/usr/share").mode = Fact::Known(0o750);
        });
        assert_eq!(changed, ["os.package.keys-command-files fail", "os.trust.certificate-authority unknown"]);
    }

    #[test]
    fn the_narrowest_command_is_printed() {
        assert_eq!(command(healthy::ubuntu_2404(), missing).as_deref(), Some("update-ca-certificates --fresh"));
        let left_out = command(healthy::ubuntu_2404(), |facts| {
            missing(facts);
            facts.trust.is_left_out = Fact::Known(true);
        });
        assert!(left_out.unwrap().starts_with("sed -i "));
        let denied = command(healthy::ubuntu_2404(), |facts| {
            anchor(facts, Anchor::Denied);
            healthy::trust_file(facts, "/etc/ssl").mode = Fact::Known(0o700);
        });
        assert_eq!(denied.as_deref(), Some("chmod a+x /etc/ssl"));
        let no_bundle = command(healthy::al2(), |facts| facts.keys_user.certificates_bundle = Fact::Absent);
        assert_eq!(no_bundle.as_deref(), Some("update-ca-trust extract"));
    }
}
