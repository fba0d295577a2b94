//! What the catalogue tests of both crates ask of every check. Each function returns the problems that it found, so that a test can
//! show that it is able to find one.

use std::collections::BTreeSet;
use std::path::Path;

use crate::check::About;
use crate::report::CheckResult;

const HEADINGS: [&str; 4] = ["## Why it matters", "## How to look by hand", "## How to mend", "## References"];

/// The manual, the title and the id of each check, and the order of needs.
pub fn problems_of_catalogue(abouts: &[&About]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut earlier = BTreeSet::new();
    for about in abouts {
        let mut say = |problem: String| problems.push(format!("{}: {problem}", about.id));
        for need in about.needs {
            if !earlier.contains(need) {
                say(format!("needs `{need}`, which is no earlier check"));
            }
        }
        if !earlier.insert(about.id) {
            say("stands twice in the catalogue".into());
        }
        if about.title.ends_with('.') || about.title.chars().count() >= 60 || about.title.starts_with("Ensure") {
            say(format!("title `{}` has a full stop, 60 characters or more, or `Ensure`", about.title));
        }
        for heading in HEADINGS {
            if !about.doc.lines().any(|line| line.trim() == heading) {
                say(format!("its manual lacks `{heading}`"));
            }
        }
        if path_of(about.id).is_none_or(|path| !about.file.ends_with(&path)) {
            say(format!("is declared in {}, which is not the path of its id", about.file));
        }
    }
    problems
}

/// `os.sshd.authorized-keys-command` → `checks/sshd/authorized_keys_command.rs`; `aws.…` and `both.…` keep `both` as a folder.
fn path_of(id: &str) -> Option<String> {
    let (family, rest) = id.split_once('.')?;
    let (area, name) = rest.split_once('.')?;
    let name = name.replace('-', "_");
    let area = area.replace('-', "_");
    Some(match family {
        "both" => format!("checks/both/{area}_{name}.rs"),
        _ => format!("checks/{area}/{name}.rs"),
    })
}

/// Check files below `folder` (a `checks/`) that no entry of the catalogue declares.
pub fn orphans(folder: &Path, abouts: &[&About]) -> std::io::Result<Vec<String>> {
    let mut orphans = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = path.to_string_lossy().into_owned();
            let is_listed = |about: &&&About| {
                let tail: Vec<_> = Path::new(about.file).components().rev().take(3).collect();
                path.components().rev().take(3).eq(tail)
            };
            if !text.ends_with("mod.rs") && abouts.iter().find(is_listed).is_none() {
                orphans.push(text);
            }
        }
    }
    orphans.sort();
    Ok(orphans)
}

/// A remedy's command never has a hole left in it, and every finding has a remedy.
pub fn problems_of_results(results: &[CheckResult]) -> Vec<String> {
    let mut problems = Vec::new();
    for result in results {
        if result.status.is_finding() {
            let Some(remedy) = &result.remedy else {
                problems.push(format!("{}: {} without a remedy", result.id, result.status));
                continue;
            };
            let command = remedy.command.as_deref().unwrap_or_default();
            if command.contains(['<', '>'])
                || command.contains("{}")
                || command.contains('…')
                || command.contains("0.0.0.0/0")
            {
                problems.push(format!("{}: the command `{command}` has a hole or opens everything", result.id));
            }
            if remedy.text.is_empty() || remedy.verify.is_empty() || result.why.is_empty() {
                problems.push(format!("{}: a finding without words", result.id));
            }
        } else if result.status != crate::Status::Ok && result.why.is_empty() {
            problems.push(format!("{}: {} without a reason", result.id, result.status));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: About = About {
        id: "os.a.one-two",
        title: "sshd is running",
        doc: "## Why it matters\n## How to look by hand\n## How to mend\n## References\n",
        needs: &[],
        actions: &[],
        runbook: &[],
        required: true,
        file: "agent/src/checks/a/one_two.rs",
    };

    #[test]
    fn each_mistake_is_found() {
        assert_eq!(problems_of_catalogue(&[&GOOD]), Vec::<String>::new());
        for wrong in [
            About { needs: &["os.a.misspelt"], ..GOOD },
            About { title: "sshd is running.", ..GOOD },
            About { doc: "## Why it matters\n", ..GOOD },
            About { file: "agent/src/checks/a/three.rs", ..GOOD },
        ] {
            assert!(!problems_of_catalogue(&[&wrong]).is_empty(), "{wrong:?}");
        }
        assert_eq!(problems_of_catalogue(&[&GOOD, &GOOD]).len(), 1);
    }
}
