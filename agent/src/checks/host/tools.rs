use eic_doctor_proto::{Attempt, Command, Evidence, Fact, Finding, Remedy, Verdict, check};

use crate::checks::{keys_command, platform};
use crate::facts::{Library, OsFacts, PackageManager, Tool};

check! {
    /// Every program that the keys command's scripts call is there and may be run by the keys user.
    ///
    /// ## Why it matters
    /// The three scripts of releases 1.x call some 27 programs: `curl` for the metadata service, `openssl` and `ssh-keygen` for the pushed
    /// key, `logger` for the log, `timeout`, `id`, `mktemp`, `base64`, `awk`, GNU `find` and other small ones. The scripts stop at the
    /// first one that fails, so a missing one ends with status 127, one that may not be run with 126, and some with another status
    /// and no message at all. Ubuntu's package finds them through sshd's `PATH`; AWS's own packages name each with its folder, `/usr/bin`
    /// or `/bin`. `busybox find` does not know `-regextype`, so it does not do.
    ///
    /// Each is linked with shared libraries, `curl` with some thirty, and the keys user must be able to open those as well: a folder of
    /// libraries that was closed, or a library that an upgrade or a clean-up took away, ends the program with status 127.
    ///
    /// `id` and `ssh-keygen` also look up accounts, for which the keys user must be able to read `/etc/passwd`.
    ///
    /// ## How to look by hand
    /// On the instance, as the keys user (its shell refuses logins, hence `runuser`):
    ///
    /// ```text
    /// for tool in curl openssl ssh-keygen logger base64 awk mktemp timeout find id; do
    ///     runuser -u ec2-instance-connect -- sh -c 'command -v "$0" || echo "no $0"' "$tool"
    /// done
    /// runuser -u ec2-instance-connect -- curl --version
    /// runuser -u ec2-instance-connect -- id -u ec2-user
    /// ```
    ///
    /// ## How to mend
    /// Install the packages that bring them: on Ubuntu `curl`, `openssl`, `openssh-client`, `bsdutils` (for `logger`), `coreutils`,
    /// `findutils`, `mawk` or `gawk`, `grep` and `sed`; on rpm systems `curl`, `openssl`, `openssh`, `util-linux` (for `logger`),
    /// `coreutils`, `findutils`, `gawk`, `grep` and `sed`. Where one may not be run, `chmod a+rx`; `/etc/passwd` needs mode 0644.
    ///
    /// ## References
    /// - EC2 User Guide: "Install EC2 Instance Connect on your EC2 instances"
    /// - sshd_config(5): AuthorizedKeysCommand
    pub static CHECK: OsFacts = {
        id: "os.host.tools",
        title: "the keys user can run what the keys command calls",
        needs: ["os.account.keys-user"],
        judge: judge,
    }
}

const PASSWD: &str = "/etc/passwd";
const LOOK_AGAIN: &str = "runuser -u ec2-instance-connect -- id -u ec2-instance-connect";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    keys_command::by_scripts(facts, judge_scripts(facts))
}

fn judge_scripts(facts: &OsFacts) -> Result<Verdict, Verdict> {
    let tools = facts.keys_user.tools.need("the programs that the keys command calls")?;
    let Some(manager) = platform::manager(facts) else {
        return Err(Verdict::unknown("whether the keys command names its programs with folders or not is not known"));
    };
    if let Some(verdict) = none(facts, tools) {
        return verdict;
    }
    let mut faults: Vec<Fault> = tools.iter().filter_map(|tool| Fault::of(tool, manager)).collect();
    let libraries = &facts.keys_user.libraries;
    faults.extend(libraries.known().map_or_else(Vec::new, |libraries| unlinked(libraries)));
    let passwd = keys_command::access_to(facts, PASSWD).map(|access| &access.read);
    if passwd == Some(&Fact::Known(false)) {
        let words = format!("the keys user may not read `{PASSWD}`, so `id` finds nobody");
        let closed = keys_command::closed_folders(facts, PASSWD);
        let repair = closed
            .first()
            .map_or(Repair::Readable(PASSWD.to_owned()), |folder| Repair::Open(folder.path.raw().to_owned()));
        faults.push(Fault { words, repair });
    }
    // Without `seq`, AWS's own packages do nothing worse than look at no OCSP response.
    let is_harmless = |fault: &Fault| {
        manager == PackageManager::Rpm && matches!(&fault.repair, Repair::Package(name) if name == "seq")
    };
    // What is known to be broken needs no more to be said.
    if faults.iter().all(is_harmless) {
        libraries.need("what the programs are linked with")?;
    }
    let at = keys_command::where_seen(facts);
    if faults.is_empty() {
        return match passwd {
            Some(Fact::Known(true)) => Ok(Verdict::ok(format!("{} programs can be run", tools.len()), at)),
            _ => Err(Verdict::unknown(format!("whether the keys user may read `{PASSWD}`: not known"))),
        };
    }
    let why: Vec<&str> = faults.iter().map(|fault| fault.words.as_str()).collect();
    let evidence = faults.iter().map(|fault| Evidence::new(&fault.words, at));
    let finding = Finding::new(why.join("; "), mend(facts, &faults, manager)).with(evidence);
    Ok(if faults.iter().all(is_harmless) { Verdict::warn(finding) } else { Verdict::fail(finding) })
}

/// No tool at all: a folder is closed.
fn none(facts: &OsFacts, tools: &[Tool]) -> Option<Result<Verdict, Verdict>> {
    if tools.is_empty() || tools.iter().any(|tool| !tool.folders.is_empty() || !tool.denied.is_empty()) {
        return None;
    }
    let mut closed = keys_command::closed_folders(facts, "/usr/bin/");
    closed.extend(keys_command::closed_folders(facts, "/bin/"));
    let folder = closed.first()?;
    let why = format!("the keys user cannot enter `{}`, behind which the programs are", folder.path);
    if keys_command::keeps_from_program(facts, folder) {
        // One closed folder is one fault, told by the keys command's own files.
        return Some(Err(Verdict::unknown(why)));
    }
    let steps = closed.iter().filter(|folder| keys_command::is_plain(folder.path.raw()));
    let steps = steps.map(|folder| Command::new("chmod").args(["a+x", folder.path.raw()])).reduce(Command::and);
    let text = "Let everybody pass through it again, as root on the instance";
    let remedy =
        steps.map_or_else(|| Remedy::by_hand(text, LOOK_AGAIN), |steps| Remedy::by_command(text, &steps, LOOK_AGAIN));
    let seen = format!("{} programs looked for, none found", tools.len());
    Some(Ok(Verdict::fail(Finding::new(why, remedy).seen(seen, keys_command::where_seen(facts)))))
}

/// One fault for each file or folder that is closed, and for each library that is nowhere.
fn unlinked(libraries: &[Library]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for Library { name, tool, denied } in libraries {
        let (words, repair) = match denied.known() {
            Some(path) => (
                format!("`{tool}` cannot be started: the keys user may not open `{path}`, behind which `{name}` is"),
                Repair::Linked(path.raw().to_owned()),
            ),
            None => (format!("`{tool}` cannot be started: its library `{name}` is nowhere"), Repair::Library),
        };
        if repair == Repair::Library || faults.iter().all(|fault| fault.repair != repair) {
            faults.push(Fault { words, repair });
        }
    }
    faults
}

struct Fault {
    words: String,
    repair: Repair,
}

#[derive(PartialEq, Eq)]
enum Repair {
    /// The package that brings the tool has to be installed again.
    Package(String),
    /// A file has to be made runnable, or readable.
    Runnable(String),
    Readable(String),
    /// A folder has to be passed through.
    Open(String),
    /// A library has to be opened, or its folder.
    Linked(String),
    /// What brings a library has to be installed again, and nobody here knows what does.
    Library,
    /// A link to busybox stands in the way of the real one.
    Delete(String),
}

impl Fault {
    fn of(tool: &Tool, manager: PackageManager) -> Option<Self> {
        let name = tool.name.raw();
        let wanted = match (manager, folder(name)) {
            // The shell's own.
            (PackageManager::Dpkg, _) if matches!(name, "echo" | "printf") => return None,
            (PackageManager::Dpkg, _) | (_, None) => None,
            (PackageManager::Rpm, Some(folder)) => Some(folder),
        };
        let is_wanted = |folder: &&eic_doctor_proto::Untrusted| wanted.is_none_or(|wanted| folder.raw() == wanted);
        let package = Repair::Package(name.to_owned());
        let Some(found) = tool.folders.iter().find(is_wanted) else {
            return Some(match tool.denied.iter().find(is_wanted) {
                Some(folder) => Self {
                    words: format!("`{folder}/{}` may not be run by the keys user", tool.name),
                    repair: Repair::Runnable(format!("{}/{name}", folder.raw())),
                },
                None => Self {
                    words: match wanted {
                        Some(folder) => format!("`{folder}/{}` is missing", tool.name),
                        None => format!("`{}` is nowhere in sshd's PATH", tool.name),
                    },
                    repair: package,
                },
            });
        };
        let program = tool.program.known().map(|program| program.raw());
        // GNU find alone knows -regextype.
        if name == "find" && matches!(program, Some("busybox" | "toybox")) {
            let is_in_the_way =
                wanted.is_none() && tool.folders.iter().any(|other| other != found && !is_same(found, other));
            return Some(Self {
                words: format!("`{found}/find` is {} and not GNU find", program.unwrap_or_default()),
                repair: if is_in_the_way { Repair::Delete(format!("{}/find", found.raw())) } else { package },
            });
        }
        None
    }
}

/// `/bin` is `/usr/bin` on all but the oldest systems.
fn is_same(one: &eic_doctor_proto::Untrusted, other: &eic_doctor_proto::Untrusted) -> bool {
    let whole = |folder: &str| folder.strip_prefix("/usr").unwrap_or(folder).to_owned();
    whole(one.raw()) == whole(other.raw())
}

/// Where AWS's own packages look for a tool; nothing for those that they find through `PATH`.
///
/// Source: `domain.md` §3.2, row 19.
fn folder(name: &str) -> Option<&'static str> {
    match name {
        "curl" | "openssl" | "ssh-keygen" | "logger" | "base64" | "awk" | "head" | "cut" | "id" | "find" | "seq"
        | "tr" | "printf" | "cp" | "touch" | "timeout" => Some("/usr/bin"),
        "echo" | "grep" | "cat" | "sed" | "mktemp" | "chmod" | "mv" | "rm" | "date" => Some("/bin"),
        _ => None,
    }
}

fn package(name: &str, manager: PackageManager) -> &'static str {
    match (name, manager) {
        ("curl", _) => "curl",
        ("openssl", _) => "openssl",
        ("ssh-keygen", PackageManager::Dpkg) => "openssh-client",
        ("ssh-keygen", PackageManager::Rpm) => "openssh",
        ("logger", PackageManager::Dpkg) => "bsdutils",
        ("logger", PackageManager::Rpm) => "util-linux",
        ("awk", PackageManager::Dpkg) => "mawk",
        ("awk", PackageManager::Rpm) => "gawk",
        ("grep", _) => "grep",
        ("sed", _) => "sed",
        ("find", _) => "findutils",
        _ => "coreutils",
    }
}

fn mend(facts: &OsFacts, faults: &[Fault], manager: PackageManager) -> Remedy {
    let mut packages: Vec<&'static str> = Vec::new();
    let mut steps: Vec<Command> = Vec::new();
    for fault in faults {
        let step = match &fault.repair {
            Repair::Package(name) => {
                let package = package(name, manager);
                if !packages.contains(&package) {
                    packages.push(package);
                }
                continue;
            }
            Repair::Runnable(path) => Command::new("chmod").args(["a+rx", path]),
            Repair::Readable(path) => Command::new("chmod").args(["a+r", path]),
            Repair::Open(path) => Command::new("chmod").args(["a+x", path]),
            Repair::Linked(path) if !keys_command::is_plain(path) => continue,
            Repair::Linked(path) => Command::new("chmod").args(["a+rX", path]),
            Repair::Library => {
                return Remedy::by_hand(
                    "Install again what brings each library, as root on the instance: `dpkg -S LIBRARY` or `rpm -q --whatprovides \
                     'LIBRARY()(64bit)'` names the package",
                    LOOK_AGAIN,
                );
            }
            Repair::Delete(path) => Command::new("rm").arg(path),
        };
        steps.push(step);
    }
    // Small images of Amazon Linux bring curl and coreutils under other names.
    if manager == PackageManager::Rpm && packages.iter().any(|name| matches!(*name, "curl" | "coreutils")) {
        let text = format!(
            "Install or reinstall what brings them, as root: {}, or their `-minimal` or `-single` forms",
            packages.join(", ")
        );
        return Remedy::by_hand(text, LOOK_AGAIN);
    }
    if !packages.is_empty() {
        steps.push(match manager {
            PackageManager::Dpkg => {
                Command::new("apt-get").args(["install", "--reinstall", "-y"]).args(packages.iter().copied())
            }
            PackageManager::Rpm => {
                let program = if platform::is_amazon_linux_2(facts) { "yum" } else { "dnf" };
                let install = Command::new(program).args(["install", "-y"]).args(packages.iter().copied());
                install.and(Command::new(program).args(["reinstall", "-y"]).args(packages.iter().copied()))
            }
        });
    }
    let text = "Let the keys user run each of them again, as root on the instance";
    match steps.into_iter().reduce(Command::and) {
        Some(command) => Remedy::by_command(text, &command, LOOK_AGAIN),
        None => Remedy::by_hand(text, LOOK_AGAIN),
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Untrusted, Verdict};

    use super::{PASSWD, judge};
    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{Library, OsFacts, Tool};

    const FAIL: [&str; 2] = ["os.host.tools fail", "os.trust.openssl blocked"];

    fn tool<'a>(facts: &'a mut OsFacts, name: &str) -> &'a mut Tool {
        let Fact::Known(tools) = &mut facts.keys_user.tools else { panic!("no tools") };
        tools.iter_mut().find(|tool| tool.name.raw() == name).unwrap()
    }

    fn command(world: World, change: impl FnOnce(&mut OsFacts)) -> String {
        let World { mut facts, attempt, .. } = world;
        change(&mut facts);
        match judge(&facts, &attempt) {
            Ok(Verdict::Fail(finding)) => finding.remedy.command.unwrap_or_else(|| "by hand".to_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_tool_that_is_nowhere_is_missed() {
        for name in ["curl", "logger", "wc", "dirname", "find"] {
            for world in [healthy::ubuntu_2204, healthy::al2023] {
                assert_eq!(changes(world(), |facts, _| tool(facts, name).folders.clear()), FAIL, "{name}");
            }
        }
        let unknown = changes(healthy::rhel9(), |facts, _| tool(facts, "curl").folders.clear());
        assert_eq!(unknown, ["os.host.tools unknown"], "what the one program calls is not published");
        let warned = changes(healthy::al2023(), |facts, _| tool(facts, "seq").folders.clear());
        assert_eq!(warned, ["os.host.tools warn"], "AWS's own scripts then look at no OCSP response");
    }

    #[test]
    fn aws_own_packages_need_each_tool_in_its_folder_and_ubuntus_in_any() {
        let elsewhere = |facts: &mut OsFacts| tool(facts, "curl").folders = vec!["/usr/local/bin".into()];
        assert_eq!(changes(healthy::al2(), |facts, _| elsewhere(facts)), FAIL);
        assert_eq!(changes(healthy::ubuntu_2204(), |facts, _| elsewhere(facts)), [""; 0]);
    }

    #[test]
    fn a_library_that_is_nowhere_or_closed_keeps_its_tool_from_starting() {
        let lacks = |name: &str, denied: Fact<Untrusted>| Library { name: name.into(), tool: "curl".into(), denied };
        let nowhere = vec![lacks("libcurl.so.4", Fact::Absent)];
        let set = |facts: &mut OsFacts, libraries| facts.keys_user.libraries = Fact::Known(libraries);
        assert_eq!(changes(healthy::ubuntu_2204(), |facts, _| set(facts, nowhere.clone())), FAIL);
        assert_eq!(command(healthy::ubuntu_2204(), |facts| set(facts, nowhere.clone())), "by hand");
        let folder = || Fact::Known("/usr/lib64".into());
        let closed = vec![lacks("libcurl.so.4", folder()), lacks("libc.so.6", folder())];
        assert_eq!(command(healthy::al2023(), |facts| set(facts, closed)), "chmod a+rX /usr/lib64");
        let hostile = vec![lacks("libc.so.6", Fact::Known("/x;reboot".into()))];
        assert_eq!(command(healthy::al2023(), |facts| set(facts, hostile)), "by hand");
        let unseen = changes(healthy::al2(), |facts, _| facts.keys_user.libraries = Fact::NotGathered);
        assert_eq!(unseen, ["os.host.tools unknown"]);
        let hides_nothing = changes(healthy::al2(), |facts, _| {
            facts.keys_user.libraries = Fact::NotGathered;
            healthy::access(facts, "/etc/passwd").read = Fact::Known(false);
        });
        assert_eq!(hides_nothing, FAIL);
    }

    #[test]
    fn the_shell_has_echo_and_printf_itself_where_no_folder_is_named() {
        let without = |facts: &mut OsFacts| {
            tool(facts, "echo").folders.clear();
            tool(facts, "printf").folders.clear();
        };
        assert_eq!(changes(healthy::ubuntu_2404(), |facts, _| without(facts)), [""; 0]);
        assert_eq!(changes(healthy::al2023(), |facts, _| without(facts)), FAIL);
    }

    #[test]
    fn busybox_does_for_awk_and_not_for_find() {
        let busybox = |facts: &mut OsFacts, name: &str| tool(facts, name).program = Fact::Known("busybox".into());
        assert_eq!(changes(healthy::debian_12(), |facts, _| busybox(facts, "awk")), [""; 0]);
        assert_eq!(changes(healthy::debian_12(), |facts, _| busybox(facts, "find")), FAIL);
        let in_the_way = command(healthy::ubuntu_2204(), |facts| {
            busybox(facts, "find");
            tool(facts, "find").folders.insert(0, "/usr/local/bin".into());
        });
        assert_eq!(in_the_way, "rm /usr/local/bin/find");
    }

    #[test]
    fn a_closed_folder_is_one_fault_and_told_once() {
        let without_tools = |facts: &mut OsFacts| {
            let Fact::Known(tools) = &mut facts.keys_user.tools else { panic!("no tools") };
            tools.iter_mut().for_each(|tool| tool.folders.clear());
        };
        let closed = command(healthy::al2023(), |facts| {
            without_tools(facts);
            healthy::trust_file(facts, "/usr").mode = Fact::Known(0o700);
        });
        assert_eq!(closed, "chmod a+x /usr");
        let changed = changes(healthy::ubuntu_2204(), |facts, _| {
            without_tools(facts);
            healthy::set_access(facts, Fact::Known(false));
            healthy::file(facts, "/usr").mode = Fact::Known(0o700);
        });
        assert_eq!(changed, ["os.package.keys-command-files fail", "os.host.tools unknown"]);
    }

    #[test]
    fn each_kind_of_fault_has_its_command() {
        let denied = |facts: &mut OsFacts| {
            let tool = tool(facts, "openssl");
            (tool.denied, tool.folders) = (vec!["/usr/bin".into()], Vec::new());
        };
        assert_eq!(command(healthy::ubuntu_2204(), denied), "chmod a+rx /usr/bin/openssl");
        let gone = |facts: &mut OsFacts| {
            tool(facts, "logger").folders.clear();
            tool(facts, "find").folders.clear();
        };
        assert_eq!(command(healthy::ubuntu_2204(), gone), "apt-get install --reinstall -y bsdutils findutils");
        assert_eq!(
            command(healthy::al2023(), gone),
            "dnf install -y util-linux findutils && dnf reinstall -y util-linux findutils"
        );
        assert!(command(healthy::al2(), gone).starts_with("yum install -y util-linux"));
        assert_eq!(command(healthy::al2023(), |facts| tool(facts, "curl").folders.clear()), "by hand");
        let passwd = |facts: &mut OsFacts| healthy::access(facts, PASSWD).read = Fact::Known(false);
        assert_eq!(command(healthy::ubuntu_2204(), passwd), "chmod a+r /etc/passwd");
    }
}
