//! Which libraries the keys command's programs cannot be started without and would not get, for whoever this process has become: looked up
//! as the loader does it (ld.so(8)), without starting anything.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use eic_doctor_proto::{Fact, Untrusted};
use nix::unistd::{AccessFlags, access};

use crate::facts::{Library, Tool};
use crate::parse::{self, ElfParts};

use super::real;

const CACHE: &str = "/etc/ld.so.cache";
/// Where the loaders of Debian and of the rpm family look last.
const FOLDERS: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
/// ELF's header and all program headers stand in the first page.
const PAGE: usize = 4096;
/// The longest name of a library or list of folders.
const NAME: usize = 256;
/// All tools together are linked with some forty.
const LIBRARIES: usize = 256;

/// `tools` in their order: a library is told with the first that wants it. Unreadable where nothing is known to be missing and something
/// could not be looked at.
pub(super) fn missing(tools: &[Tool]) -> Fact<Vec<Library>> {
    // Without it the loader looks into its folders alone.
    let cache = real::read(CACHE).unwrap_or_default();
    let mut search = Search { cache, seen: BTreeSet::new(), missing: Vec::new(), unseen: None };
    for tool in tools {
        if let Some(folder) = tool.folders.first() {
            search.program(&format!("{}/{}", folder.raw(), tool.name.raw()), tool.name.raw());
        }
    }
    match search.unseen {
        Some(why) if search.missing.is_empty() => Fact::unreadable(why),
        _ => Fact::Known(search.missing),
    }
}

struct Search {
    cache: Vec<u8>,
    seen: BTreeSet<String>,
    missing: Vec<Library>,
    /// What could not be looked at first.
    unseen: Option<String>,
}

impl Search {
    fn program(&mut self, path: &str, tool: &str) {
        let linked = match linked(path) {
            Ok(Some(linked)) => linked,
            // A script, a program of another kind, or one that is linked with nothing.
            Ok(None) => return,
            // That it is not there is told by itself.
            Err(error) if is_absent(&error) => return,
            // What may not be read may still be run.
            Err(error) => return self.unseen(format!("`{path}`: {error}")),
        };
        let Some(loader) = linked.loader else { return };
        self.one(&loader, &[], tool);
        if loader.contains("/ld-linux") {
            self.all(linked.needed, &linked.folders, path, tool);
        } else {
            self.unseen(format!("where `{loader}`, which starts `{path}`, looks for libraries is not known"));
        }
    }

    fn unseen(&mut self, why: String) {
        self.unseen.get_or_insert(why);
    }

    fn all(&mut self, needed: Vec<String>, folders: &[String], wanted_by: &str, tool: &str) {
        let own = wanted_by.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folders: Vec<String> =
            folders.iter().map(|folder| folder.replace("$ORIGIN", own).replace("${ORIGIN}", own)).collect();
        for name in needed {
            self.one(&name, &folders, tool);
        }
    }

    fn one(&mut self, name: &str, folders: &[String], tool: &str) {
        if self.seen.len() >= LIBRARIES {
            return self.unseen(format!("`{tool}` is linked with more than {LIBRARIES} libraries"));
        }
        if !self.seen.insert(name.to_owned()) {
            return;
        }
        let candidates = if name.contains('/') {
            vec![name.to_owned()]
        } else {
            let below = |folder: &str| format!("{folder}/{name}");
            let own = folders.iter().map(|folder| below(folder));
            let cached = parse::parse_ld_cache(&self.cache, name);
            own.chain(cached).chain(FOLDERS.map(below)).collect()
        };
        let mut denied = None;
        for path in candidates {
            match linked(&path) {
                Ok(Some(linked)) => return self.all(linked.needed, &linked.folders, &path, tool),
                Ok(None) => return self.unseen(format!("`{path}` is no library that is understood")),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    denied = denied.or_else(|| Some(closed(&path)));
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => return self.unseen(format!("`{path}`: {error}")),
            }
        }
        let denied = denied.map_or(Fact::Absent, Fact::Known);
        self.missing.push(Library { name: name.into(), tool: tool.into(), denied });
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What may not be passed on the way to a file, from the root on; else the file at the end of links.
fn closed(path: &str) -> Untrusted {
    let mut above: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
    above.reverse();
    match above.into_iter().find(|folder| access(*folder, AccessFlags::X_OK).is_err()) {
        Some(folder) => folder.to_string_lossy().into_owned().into(),
        None => std::fs::canonicalize(path).map_or(path.into(), |path| path.to_string_lossy().into_owned().into()),
    }
}

struct Linked {
    loader: Option<String>,
    needed: Vec<String>,
    folders: Vec<String>,
}

/// Nothing for a file that is linked with nothing.
fn linked(path: &str) -> io::Result<Option<Linked>> {
    let file = real::open(path)?;
    let Some(parts) = parse::parse_elf_parts(&part(&file, 0, PAGE)?) else { return Ok(None) };
    let ElfParts { interpreter, dynamic, .. } = &parts;
    let names = parse::parse_elf_names(&parts, &range(&file, dynamic)?);
    let name = |at: &u64| part(&file, *at, NAME).map(|bytes| up_to_nul(&bytes));
    let folders: Vec<String> = names.folders.iter().map(name).collect::<io::Result<_>>()?;
    Ok(Some(Linked {
        loader: interpreter.as_ref().map(|at| range(&file, at)).transpose()?.map(|bytes| up_to_nul(&bytes)),
        needed: names.needed.iter().map(name).collect::<io::Result<_>>()?,
        folders: folders.iter().flat_map(|list| list.split(':')).map(str::to_owned).collect(),
    }))
}

fn range(file: &File, range: &Range<u64>) -> io::Result<Vec<u8>> {
    part(file, range.start, usize::try_from(range.end - range.start).unwrap_or(PAGE))
}

/// As much of it as there is.
fn part(file: &File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, at)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn up_to_nul(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tool(folder: &Path, name: &str) -> Tool {
        Tool { name: name.into(), folders: vec![folder.to_str().unwrap().into()], ..Tool::default() }
    }

    #[test]
    fn this_machines_own_programs_lack_nothing() {
        let tools = ["sh", "ls", "cat"].map(|name| tool(Path::new("/bin"), name));
        assert_eq!(missing(&tools), Fact::Known(Vec::new()));
    }

    #[test]
    fn a_library_that_is_nowhere_is_told_with_the_program_that_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = fs::read("/bin/cat").unwrap();
        let at = bytes.windows(10).position(|window| window == b"\0libc.so.6").unwrap();
        bytes[at + 4] = b'X';
        fs::write(folder.path().join("cat"), bytes).unwrap();
        fs::write(folder.path().join("script"), "#!/bin/sh\n").unwrap();
        let Fact::Known(found) = missing(&[tool(folder.path(), "script"), tool(folder.path(), "cat")]) else {
            panic!("not looked")
        };
        let [library] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((library.name.raw(), library.tool.raw()), ("libX.so.6", "cat"));
        assert_eq!(library.denied, Fact::Absent);
    }

    #[test]
    fn what_could_not_be_looked_at_is_neither_there_nor_missing() {
        let folder = tempfile::tempdir().unwrap();
        // A name that leads back to itself; and a library that is none, where the program says to look first.
        std::os::unix::fs::symlink("loop", folder.path().join("loop")).unwrap();
        assert!(matches!(missing(&[tool(folder.path(), "loop")]), Fact::Unreadable(_)));
        let mut search = Search { cache: Vec::new(), seen: BTreeSet::new(), missing: Vec::new(), unseen: None };
        fs::write(folder.path().join("libx.so.1"), "").unwrap();
        search.one("libx.so.1", &[folder.path().to_str().unwrap().to_owned()], "curl");
        assert!(search.missing.is_empty() && search.unseen.is_some());
    }
}
