//! Our reading of sshd's configuration against the real sshd, over the shapes of `tests/recorded/sshd` (see its README).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eic_doctor_agent::connection::Connection;
use eic_doctor_agent::parse;
use eic_doctor_agent::sshd_config::{
    Asked, CommandLine, Evaluated, Place, Source, Version, canonical, evaluate, list_matches, load,
};
use eic_doctor_proto::Fact;

/// Keyword to the lines that `sshd -T` prints of it.
type Printed = BTreeMap<String, Vec<String>>;

/// The recordings' sshd: that of Debian 12, which is asked again by a test, and others, which are not.
const VERSIONS: [(&str, Version); 3] = [("8.4", Version(804)), ("9.2", Version(902)), ("10.0", Version(1000))];

struct Shape {
    name: String,
    folder: PathBuf,
    process: Vec<String>,
    connection: Connection,
    groups: Fact<Vec<String>>,
}

impl Source for Shape {
    fn read(&self, path: &str) -> Fact<Vec<u8>> {
        fs::read(self.folder.join(path.trim_start_matches('/'))).map_or(Fact::Absent, Fact::Known)
    }

    fn list(&self, folder: &str) -> Fact<Vec<String>> {
        let Ok(entries) = fs::read_dir(self.folder.join(folder.trim_start_matches('/'))) else { return Fact::Absent };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Fact::Known(names)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recorded/sshd")
}

fn shapes() -> Vec<Shape> {
    let mut shapes: Vec<Shape> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("connection").exists())
        .map(|folder| {
            let connection = fs::read_to_string(folder.join("connection")).unwrap();
            let field = |name: &str| {
                let fields = connection.trim().split(',').find_map(|field| field.strip_prefix(name));
                fields.unwrap_or_else(|| panic!("{}: {name}", folder.display())).to_owned()
            };
            let arguments = fs::read_to_string(folder.join("arguments")).unwrap_or_default();
            let process = ["/usr/sbin/sshd"].into_iter().chain(arguments.lines()).map(str::to_owned).collect();
            let os_user = field("user=");
            let groups = match os_user.as_str() {
                "ec2-user" => Fact::Known(vec!["ec2-user".to_owned(), "wheel".to_owned()]),
                "root" => Fact::Known(vec!["root".to_owned()]),
                _ => Fact::Absent,
            };
            let connection = Connection {
                os_user,
                from: vec![field(",addr=".trim_start_matches(',')).parse::<std::net::IpAddr>().unwrap().into()],
                is_from_anywhere: false,
                to: vec![field("laddr=").parse().unwrap()],
                port: field("lport=").parse().unwrap(),
            };
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            Shape { name, folder, process, connection, groups }
        })
        .collect();
    shapes.sort_by(|left, right| left.name.cmp(&right.name));
    shapes
}

fn ours(shape: &Shape, version: Version) -> Evaluated {
    let line = shape.process.join("\0") + "\0";
    let process = parse::parse_sshd_arguments(&parse::parse_command_line(line.as_bytes()).value).value;
    let options =
        process.options.iter().map(|one| (one.keyword.raw().to_owned(), one.value.raw().to_owned())).collect();
    let command_line = CommandLine { options, ports: process.ports };
    let files = load(shape, "/etc/ssh/sshd_config", version).unwrap();
    let asked = Asked { connection: &shape.connection, groups: &shape.groups, looks_up_names: false };
    evaluate(&files, &command_line, version, &asked)
}

fn printed(text: &str) -> Printed {
    let mut printed = Printed::new();
    for line in text.lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        printed.entry(name(keyword).to_owned()).or_default().push(value.trim_end().to_owned());
    }
    printed
}

/// The name of a keyword today.
fn name(keyword: &str) -> &str {
    if keyword == "challengeresponseauthentication" { keyword } else { canonical(keyword) }
}

fn with_names_of_today(recorded: &str) -> String {
    let rename = |line: &str| {
        let (keyword, values) = line.split_once(' ').map_or((line, None), |(keyword, values)| (keyword, Some(values)));
        match values {
            Some(values) => format!("{} {values}\n", name(keyword)),
            None => format!("{line}\n"),
        }
    };
    recorded.lines().map(rename).collect()
}

/// What sshd prints of an empty file.
fn baseline(version: &str) -> Printed {
    let path = if version == "9.2" { "sshd-T".to_owned() } else { format!("openssh-{version}/sshd-T") };
    printed(&fs::read_to_string(folder().join(path)).unwrap())
}

/// `effective` or `refused`.
fn recorded(shape: &Shape, version: &str, kind: &str) -> Option<String> {
    let path = if version == "9.2" {
        shape.folder.join(kind)
    } else {
        folder().join(format!("openssh-{version}/{}.{kind}", shape.name))
    };
    fs::read_to_string(path).ok()
}

/// What differs from the baseline: lines that are there instead, and `-keyword` for those that are gone.
fn difference(printed: &Printed, baseline: &Printed) -> String {
    let mut text = String::new();
    for keyword in printed.keys().chain(baseline.keys().filter(|keyword| !printed.contains_key(*keyword))) {
        match printed.get(keyword) {
            values if values == baseline.get(keyword) => {}
            Some(values) => values.iter().for_each(|value| text.push_str(&format!("{keyword} {value}\n"))),
            None => text.push_str(&format!("-{keyword}\n")),
        }
    }
    text
}

/// `+`, `-` and `^` before a list of algorithms, over the built-in list that the baseline shows.
fn assembled(value: &str, built_in: &str) -> String {
    let built_in: Vec<&str> = built_in.split(',').collect();
    let mut list: Vec<&str> = match value.split_at(1) {
        ("+", names) => built_in.iter().copied().chain(names.split(',')).collect(),
        ("^", names) => names.split(',').chain(built_in.iter().copied()).collect(),
        ("-", names) => built_in.iter().copied().filter(|name| !list_matches(name, names)).collect(),
        _ => value.split(',').collect(),
    };
    let mut seen = Vec::new();
    list.retain(|name| {
        !seen.contains(name) && {
            seen.push(*name);
            true
        }
    });
    list.join(",")
}

fn ours_as_printed(evaluated: &Evaluated, baseline: &Printed) -> Printed {
    let mut printed = baseline.clone();
    for (keyword, values) in &evaluated.effective {
        let is_list = keyword.ends_with("algorithms") || ["ciphers", "macs"].contains(keyword);
        let built_in = baseline.get(*keyword).and_then(|values| values.first());
        let values = match built_in.filter(|_| is_list) {
            Some(built_in) => values.iter().map(|value| assembled(value, built_in)).collect(),
            None => values.clone(),
        };
        if values.is_empty() {
            printed.remove(*keyword);
        } else {
            printed.insert((*keyword).to_owned(), values);
        }
    }
    printed
}

#[test]
fn our_effective_values_equal_what_sshd_printed() {
    let mut wrong = Vec::new();
    for (name, version) in VERSIONS {
        let baseline = baseline(name);
        let mut compared = 0;
        for shape in shapes() {
            let Some(recorded) = recorded(&shape, name, "effective") else { continue };
            let recorded = with_names_of_today(&recorded);
            let evaluated = ours(&shape, version);
            let ours = difference(&ours_as_printed(&evaluated, &baseline), &baseline);
            compared += 1;
            if ours != recorded || !evaluated.problems.is_empty() || !evaluated.gaps.is_empty() {
                let Evaluated { problems, gaps, .. } = evaluated;
                let shape = shape.name;
                wrong.push(format!("== {shape} {name}\n-- sshd\n{recorded}-- ours\n{ours}{problems:?} {gaps:?}\n"));
            }
        }
        assert!(compared >= 60, "{compared} shapes");
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn a_configuration_that_sshd_refuses_is_recognised_with_its_line() {
    let mut wrong = Vec::new();
    for (name, version) in VERSIONS {
        let mut compared = 0;
        for shape in shapes() {
            let Some(said) = recorded(&shape, name, "refused") else { continue };
            compared += 1;
            let evaluated = ours(&shape, version);
            // `FILE line N: …`, `FILE: line N: …`.
            let lines: Vec<String> =
                said.lines().filter(|line| !line.contains("Deprecated")).filter_map(place).collect();
            let ours: Vec<String> = evaluated.problems.iter().map(|problem| shown(problem.at.as_ref())).collect();
            let is_found = !ours.is_empty() && lines.iter().all(|line| ours.contains(line));
            if !is_found {
                wrong.push(format!("{} {name}: sshd: {said}ours: {:?}\n", shape.name, evaluated.problems));
            }
        }
        assert!(compared >= 30, "{compared} shapes");
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

fn place(line: &str) -> Option<String> {
    let (file, rest) = line.split_once(" line ")?;
    let number: u32 = rest.split(':').next()?.parse().ok()?;
    let file = file.trim_end_matches(':');
    (file.starts_with('/')).then(|| format!("{file}:{number}"))
}

fn shown(at: Option<&Place>) -> String {
    match at {
        Some(Place::Line { file, number }) => format!("{file}:{number}"),
        Some(Place::CommandLine) => "command line".to_owned(),
        None => String::new(),
    }
}

/// `EIC_BLESS=1` writes the recordings anew.
#[test]
fn the_recordings_are_what_a_real_sshd_prints() {
    let find = "import sys; sys.path.insert(0, sys.argv[1]); from base import Base; \
                print(Base.ready(lambda said: print(said, file=sys.stderr)).path)";
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/lab");
    let base = Command::new("python3").args(["-B", "-c", find]).arg(lab).output().unwrap();
    assert!(base.status.success(), "the lab's base system: {}", String::from_utf8_lossy(&base.stderr));
    let base = String::from_utf8(base.stdout).unwrap();
    let out = tempfile::tempdir().unwrap();
    let ran = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh"])
        .arg(folder().join("record.sh"))
        .args([base.trim(), out.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(ran.status.success(), "record.sh: {}", String::from_utf8_lossy(&ran.stderr));
    let read = |shape: &str, ending: &str| fs::read_to_string(out.path().join(format!("{shape}.{ending}"))).unwrap();
    let is_blessing = std::env::var_os("EIC_BLESS").is_some();
    let baseline = read("000-empty", "out");
    if is_blessing {
        fs::write(folder().join("sshd-T"), &baseline).unwrap();
    }
    assert!(
        baseline == fs::read_to_string(folder().join("sshd-T")).unwrap(),
        "sshd prints another baseline: EIC_BLESS=1 records it"
    );
    let baseline = printed(&baseline);
    for shape in shapes() {
        let (kind, said) = if read(&shape.name, "status").trim() == "0" {
            ("effective", difference(&printed(&read(&shape.name, "out")), &baseline))
        } else {
            ("refused", read(&shape.name, "err"))
        };
        if is_blessing {
            fs::write(shape.folder.join(kind), &said).unwrap();
        }
        let recorded = fs::read_to_string(shape.folder.join(kind)).unwrap_or_default();
        assert!(said == recorded, "{}: {kind}: sshd says\n{said}", shape.name);
    }
}
