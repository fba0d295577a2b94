//! The agent's own folder: the only place that it ever writes to.
//!
//! A file is replaced as a whole or not at all, symbolic links are not followed, and what others could have read or written is not used.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

/// The spool holds a report, the largest of the files.
const LIMIT: u64 = 1024 * 1024 + 4096;
const GROUP_AND_OTHERS: u32 = 0o077;

/// The files that there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Whose state this is.
    Identity,
    Key,
    Certificate,
    Authorities,
    Sequence,
    /// The last report that was not sent.
    Spool,
    /// What the coordinator holds of this instance.
    Acknowledged,
}

impl Name {
    pub const ALL: [Self; 7] = [
        Self::Identity,
        Self::Key,
        Self::Certificate,
        Self::Authorities,
        Self::Sequence,
        Self::Spool,
        Self::Acknowledged,
    ];

    pub fn file(self) -> &'static str {
        match self {
            Self::Identity => "identity.json",
            Self::Key => "key.pk8",
            Self::Certificate => "certificate.pem",
            Self::Authorities => "authorities.pem",
            Self::Sequence => "sequence",
            Self::Spool => "spool",
            Self::Acknowledged => "acknowledged",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("make the state folder `{}`", .path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("open the state folder `{}`", .path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("`{}` is {what}; a state folder belongs to the user that the agent runs as, with mode 0700: `chown {uid} {0}; chmod 700 {0}`", .path.display())]
    NotPrivate { path: PathBuf, what: String, uid: u32 },
    #[error("another eic-doctor-agent is at work with the state folder `{}`", .path.display())]
    InUse { path: PathBuf },
    #[error("`{}` is {what}, so it is not used; remove it, and the agent enrols anew", .path.display())]
    Foreign { path: PathBuf, what: String },
    #[error("read `{}`", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("write `{}`", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// The folder, open and ours alone until it is dropped.
pub struct State {
    folder: File,
    path: PathBuf,
}

impl State {
    /// Makes the folder where it is not there; its parent must be.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let path = path.to_owned();
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists && !path.is_dir() => {
                return Err(StateError::Make { path, source });
            }
            _ => {}
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let folder = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(&path) {
            Ok(folder) => folder,
            Err(source) => return Err(StateError::Open { path, source }),
        };
        let metadata = match folder.metadata() {
            Ok(metadata) => metadata,
            Err(source) => return Err(StateError::Open { path, source }),
        };
        if let Some(what) = not_private(&metadata) {
            return Err(StateError::NotPrivate { path, what, uid: geteuid().as_raw() });
        }
        match folder.try_lock() {
            Ok(()) => Ok(Self { folder, path }),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(StateError::Open { path, source }),
        }
    }

    pub fn path(&self, name: Name) -> PathBuf {
        self.path.join(name.file())
    }

    /// `None`: there is no such file.
    pub fn read(&self, name: Name) -> Result<Option<Vec<u8>>, StateError> {
        let path = || self.path(name);
        let read = |source: io::Error| StateError::Read { path: path(), source };
        let foreign = |what: String| StateError::Foreign { path: path(), what };
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(&self.folder, name.file(), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ELOOP) => return Err(foreign("a symbolic link".to_owned())),
            Err(error) => return Err(read(error.into())),
        };
        let metadata = file.metadata().map_err(read)?;
        if !metadata.is_file() {
            return Err(foreign("no regular file".to_owned()));
        }
        if let Some(what) = not_private(&metadata) {
            return Err(foreign(what));
        }
        let mut bytes = Vec::new();
        file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(read)?;
        if bytes.len() as u64 > LIMIT {
            return Err(foreign(format!("larger than {LIMIT} bytes")));
        }
        Ok(Some(bytes))
    }

    /// All of it or nothing, over a crash and a loss of power too.
    pub fn write(&self, name: Name, bytes: &[u8]) -> Result<(), StateError> {
        self.replace(name, bytes).map_err(|source| StateError::Write { path: self.path(name), source })
    }

    fn replace(&self, name: Name, bytes: &[u8]) -> io::Result<()> {
        let new = format!("{}.new", name.file());
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let file = match openat(&self.folder, new.as_str(), flags, mode) {
            // What a crash left.
            Err(Errno::EEXIST) => {
                unlinkat(&self.folder, new.as_str(), UnlinkatFlags::NoRemoveDir)?;
                openat(&self.folder, new.as_str(), flags, mode)?
            }
            opened => opened?,
        };
        let mut file = File::from(file);
        file.write_all(bytes)?;
        file.sync_all()?;
        renameat(&self.folder, new.as_str(), &self.folder, name.file())?;
        self.folder.sync_all()
    }

    pub fn remove(&self, name: Name) -> Result<(), StateError> {
        match unlinkat(&self.folder, name.file(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(StateError::Write { path: self.path(name), source: error.into() }),
        }
    }
}

/// What is wrong with a thing that has to be ours alone.
fn not_private(metadata: &std::fs::Metadata) -> Option<String> {
    let (mode, uid) = (metadata.mode() & 0o7777, metadata.uid());
    if uid != geteuid().as_raw() {
        return Some(format!("owned by uid {uid}"));
    }
    (mode & GROUP_AND_OTHERS != 0).then(|| format!("open to others (mode {mode:04o})"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_and_belongs_to_us_alone() {
        let folder = folder();
        let path = folder.path().join("state");
        let state = State::open(&path).unwrap();
        assert_eq!(state.read(Name::Key).unwrap(), None);
        state.write(Name::Key, b"one").unwrap();
        state.write(Name::Key, b"two").unwrap();
        assert_eq!(state.read(Name::Key).unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(fs::metadata(path.join("key.pk8")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        state.remove(Name::Key).unwrap();
        state.remove(Name::Key).unwrap();
        assert_eq!(state.read(Name::Key).unwrap(), None);
    }

    #[test]
    fn what_a_crash_left_is_in_nobodys_way() {
        let folder = folder();
        let state = State::open(&folder.path().join("state")).unwrap();
        fs::write(folder.path().join("state/key.pk8.new"), "half").unwrap();
        assert_eq!(state.read(Name::Key).unwrap(), None);
        state.write(Name::Key, b"whole").unwrap();
        assert_eq!(state.read(Name::Key).unwrap().as_deref(), Some(&b"whole"[..]));
    }

    #[test]
    fn a_symbolic_link_is_not_followed_neither_read_nor_written() {
        let folder = folder();
        let path = folder.path().join("state");
        let state = State::open(&path).unwrap();
        let other = folder.path().join("other");
        fs::write(&other, "theirs").unwrap();
        symlink(&other, path.join("key.pk8")).unwrap();
        symlink(&other, path.join("key.pk8.new")).unwrap();
        assert!(state.read(Name::Key).unwrap_err().to_string().contains("is a symbolic link"));
        state.write(Name::Key, b"ours").unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"theirs");
        assert_eq!(state.read(Name::Key).unwrap().as_deref(), Some(&b"ours"[..]));
        drop(state);
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(State::open(&link), Err(StateError::Open { .. })));
    }

    #[test]
    fn a_folder_or_file_that_is_open_to_others_is_not_used() {
        let folder = folder();
        let path = folder.path().join("state");
        let state = State::open(&path).unwrap();
        state.write(Name::Key, b"secret").unwrap();
        fs::set_permissions(path.join("key.pk8"), fs::Permissions::from_mode(0o640)).unwrap();
        let error = state.read(Name::Key).unwrap_err().to_string();
        assert!(error.contains("open to others (mode 0640)"), "{error}");
        drop(state);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let error = State::open(&path).err().unwrap().to_string();
        assert!(error.contains("mode 0755") && error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn only_one_agent_is_at_work_with_a_folder() {
        let folder = folder();
        let path = folder.path().join("state");
        let first = State::open(&path).unwrap();
        assert!(matches!(State::open(&path), Err(StateError::InUse { .. })));
        drop(first);
        assert!(State::open(&path).is_ok());
    }

    #[test]
    fn a_file_that_is_too_large_or_none_is_not_read() {
        let folder = folder();
        let path = folder.path().join("state");
        let state = State::open(&path).unwrap();
        state.write(Name::Spool, &vec![0; LIMIT as usize + 1]).unwrap();
        assert!(state.read(Name::Spool).unwrap_err().to_string().contains("larger than"));
        DirBuilder::new().mode(0o700).create(path.join("sequence")).unwrap();
        assert!(state.read(Name::Sequence).unwrap_err().to_string().contains("no regular file"));
        let error = state.write(Name::Sequence, b"1").unwrap_err();
        assert!(matches!(error, StateError::Write { .. }));
    }
}
