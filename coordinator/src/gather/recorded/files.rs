//! The files of a world: bounded reading, the overlay on another world, and the form for what could not be read.

use std::fs;
use std::path::{Path, PathBuf};

use eic_doctor_proto::{Fact, Why, visible};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::text::{Text, decoded, parse};
use super::{WorldError, shape};
use crate::gather::{chain, read_regular_file};

/// What one file may hold. The largest that a person will send is a Region's security groups.
const LIMIT: u64 = 16 * 1024 * 1024;

/// `world.json`: what no call of the CLI tells. Every key may be left out, and so may the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "snake_case")]
pub struct WorldFile {
    /// The Region that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The name of a neighbouring folder: a file that this world lacks is taken from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Who connects and what is expected: read by the project's own tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<serde_json::Value>,
}

/// A world's folder and the one that it is laid over.
pub struct Folder {
    pub own: PathBuf,
    pub base: Option<PathBuf>,
    region: Option<String>,
}

/// What stands in a file whose call was refused.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct UnreadableFile {
    eic_doctor_unreadable: Unreadable,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Unreadable {
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing_action: Option<String>,
}

/// What stands in a file of what was looked for and is not there, where no empty list of AWS's says so.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AbsentFile {
    eic_doctor_absent: bool,
}

/// Finds the keys without understanding the rest.
#[derive(Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[derive(Default)]
struct Peek {
    eic_doctor_unreadable: Option<serde::de::IgnoredAny>,
    eic_doctor_absent: bool,
}

pub enum Document {
    Text(Text),
    Other(NoText),
}

/// A file that holds no document of AWS's.
pub enum NoText {
    NotGathered,
    Absent,
    Unreadable(Why),
}

impl NoText {
    pub fn into_fact<T>(self) -> Fact<T> {
        match self {
            Self::NotGathered => Fact::NotGathered,
            Self::Absent => Fact::Absent,
            Self::Unreadable(why) => Fact::Unreadable(why),
        }
    }
}

impl Folder {
    pub fn open(folder: &Path) -> Result<Self, WorldError> {
        let mut opened = Self { own: folder.to_owned(), base: None, region: None };
        if let Some(bytes) = opened.bytes("world.json")? {
            let path = folder.join("world.json");
            let file: WorldFile = parse(&path, &bytes)?;
            opened.region = file.region;
            if let Some(name) = file.base {
                opened.base = Some(neighbour(folder, &name).ok_or_else(|| {
                    shape(path, format!("`base` is `{name}`, which is not the name of a neighbouring world"))
                })?);
            }
        }
        if opened.base.is_none() && !folder.join("os.json").exists() && !folder.join("aws").is_dir() {
            return Err(WorldError::NotAWorld(folder.to_owned()));
        }
        if let (Some(base), None) = (&opened.base, &opened.region) {
            opened.region = Self::open(base)?.region;
        }
        Ok(opened)
    }

    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The whole document of a call.
    pub fn call<T: DeserializeOwned>(&self, call: &str) -> Fact<T> {
        self.read(&format!("aws/{call}.json"))
    }

    /// A file that cannot be read costs its own facts alone, and the reason names it.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Fact<T> {
        self.costs_its_own(self.document(name).and_then(|document| match document {
            Document::Text(text) => text.parse().map(Fact::Known),
            Document::Other(why) => Ok(why.into_fact()),
        }))
    }

    pub fn document(&self, name: &str) -> Result<Document, WorldError> {
        let Some(bytes) = self.bytes(name)? else { return Ok(Document::Other(NoText::NotGathered)) };
        let text = Text { path: self.find(name), bytes };
        // serde takes a list for a struct as well; nothing that is recorded here is one, but for a list of AWS's without its name.
        if !text.begins_with(b'{') {
            if name.starts_with("aws/") && text.begins_with(b'[') {
                return Ok(Document::Text(text));
            }
            return Err(shape(
                text.path,
                "it does not begin with `{`, so it is nothing that the AWS CLI or eic-doctor writes, at line 1",
            ));
        }
        let peek: Peek = text.parse()?;
        if peek.eic_doctor_unreadable.is_some() {
            let file: UnreadableFile = text.parse()?;
            let Unreadable { reason, missing_action } = file.eic_doctor_unreadable;
            return Ok(Document::Other(NoText::Unreadable(Why { missing_action, ..Why::new(reason) })));
        }
        Ok(if peek.eic_doctor_absent { Document::Other(NoText::Absent) } else { Document::Text(text) })
    }

    pub fn costs_its_own<T>(&self, read: Result<Fact<T>, WorldError>) -> Fact<T> {
        read.unwrap_or_else(|error| {
            let folders = std::iter::once(&self.own).chain(&self.base);
            let text = folders.fold(chain(&error), |text, folder| text.replace(&format!("{}/", folder.display()), ""));
            Fact::unreadable(visible(&text))
        })
    }

    /// Names of calls, without `.json`, of this world and of the one below.
    pub fn calls_beginning_with(&self, prefix: &str) -> Result<Vec<String>, WorldError> {
        let mut names = Vec::new();
        for folder in std::iter::once(&self.own).chain(&self.base) {
            let path = folder.join("aws");
            let Ok(entries) = fs::read_dir(&path) else { continue };
            for entry in entries {
                let entry = entry.map_err(|source| WorldError::Read { path: path.clone(), source })?;
                let name = entry.file_name();
                let call = name.to_str().and_then(|name| name.strip_suffix(".json"));
                let id = call.and_then(|call| call.strip_prefix(prefix)?.split('.').next());
                if let Some(id) = id.filter(|id| is_prefix_list_id(id)) {
                    names.push(format!("{prefix}{id}"));
                }
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    pub fn path_of(&self, call: &str) -> PathBuf {
        self.find(&format!("aws/{call}.json"))
    }

    fn find(&self, name: &str) -> PathBuf {
        let own = self.own.join(name);
        match &self.base {
            Some(base) if !own.exists() => base.join(name),
            _ => own,
        }
    }

    /// `None` where there is no such file.
    fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, WorldError> {
        let path = self.find(name);
        let bytes = match read_regular_file(&path, LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(WorldError::Read { path, source }),
        };
        if bytes.len() as u64 > LIMIT {
            return Err(WorldError::TooLarge { path, limit: LIMIT });
        }
        let text = decoded(bytes).ok_or_else(|| shape(path, "it is UTF-16 that cannot be decoded, at line 1"))?;
        Ok(Some(text))
    }
}

/// Writes a fact; one that was not gathered leaves no file.
pub fn write<T: Serialize>(folder: &Path, name: &str, fact: &Fact<T>) -> Result<(), WorldError> {
    let path = folder.join(name);
    let failed = |source| WorldError::Write { path: path.clone(), source };
    let text = match fact {
        Fact::Known(document) => serde_json::to_string_pretty(document),
        Fact::Unreadable(why) => {
            let (reason, missing_action) = (why.reason.clone(), why.missing_action.clone());
            serde_json::to_string_pretty(&UnreadableFile {
                eic_doctor_unreadable: Unreadable { reason, missing_action },
            })
        }
        Fact::Absent => serde_json::to_string_pretty(&AbsentFile { eic_doctor_absent: true }),
        Fact::NotGathered => return Ok(()),
    };
    let text = text.map_err(|error| failed(error.into()))? + "\n";
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(&path, text).map_err(failed)
}

/// `pl-` and hexadecimal digits: nothing that leads out of the folder.
pub fn is_prefix_list_id(id: &str) -> bool {
    id.strip_prefix("pl-")
        .is_some_and(|rest| !rest.is_empty() && rest.len() <= 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn neighbour(folder: &Path, name: &str) -> Option<PathBuf> {
    let is_plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let folder = fs::canonicalize(folder).ok()?;
    let base = folder.parent()?.join(name);
    (is_plain && base != folder && base.is_dir() && !is_laid_over(&base)).then_some(base)
}

/// One world below another is enough, and never ends in a circle.
fn is_laid_over(base: &Path) -> bool {
    fs::read(base.join("world.json"))
        .is_ok_and(|bytes| serde_json::from_slice::<WorldFile>(&bytes).is_ok_and(|file| file.base.is_some()))
}
