//! What the keys command would meet on this machine, for whoever this process has become. Writes nothing, sends nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use eic_doctor_proto::{Fact, Untrusted};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::makedev;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, access};

use crate::facts::{Access, Anchor, DevLog, KeysUserFacts, NullDevice, SharedMemory, Tool, TrustStore};
use crate::parse::{self, Certificate};

use super::{anchor, libraries, package, real, run, trust};

/// What the three scripts call (`domain.md` §3.2, row 19). The shell has `echo` and `printf` itself, but AWS's own packages name the files.
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
/// What Debian's and Ubuntu's sshd gives a keys command for `PATH` (OpenSSH, misc.c: `_PATH_STDPATH`; their `--with-default-path`).
/// AWS's own packages name most files with their folders.
const PATH: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/games"];
const SHARED_MEMORY: &str = "/dev/shm";
const NULL_DEVICE: &str = "/dev/null";
const DEV_LOG: &str = "/dev/log";
const HYPERVISOR_UUID: &str = "/sys/hypervisor/uuid";
const BOARD_ASSET_TAG: &str = "/sys/devices/virtual/dmi/id/board_asset_tag";
/// A log daemon that does not read for so long makes the keys command wait past its five seconds, sooner or later.
const LOG_PATIENCE_MS: u16 = 2_000;

/// `root` is the name, as DER, of the certificate authority that IMDS's chain leads to.
pub(super) fn look(program: Option<&str>, root: Option<&[u8]>) -> KeysUserFacts {
    let tools: Vec<Tool> = TOOLS.iter().map(|name| tool(name)).collect();
    KeysUserFacts {
        namespaces: Fact::NotGathered,
        files: Fact::Known(files(program)),
        libraries: libraries::missing(&tools),
        tools: Fact::Known(tools),
        null_device: null_device(),
        shared_memory: shared_memory(),
        dev_log: dev_log(),
        hypervisor_uuid: first_line(HYPERVISOR_UUID),
        board_asset_tag: first_line(BOARD_ASSET_TAG),
        certificates_folder: certificates_folder(root),
        certificates_bundle: certificates_bundle(root),
    }
}

/// The keys command's files that are there, those that the configured program should have beside it, and what they start.
fn files(program: Option<&str>) -> Vec<Access> {
    let mut files: Vec<Access> = package::places(program).iter().map(|path| access_to(path)).collect();
    let asked_for: BTreeSet<String> = program.map(package::with_siblings).unwrap_or_default().into_iter().collect();
    files.retain(|file| file.read != Fact::Absent || asked_for.contains(file.path.raw()));
    let mut others: BTreeSet<String> =
        files.iter().filter_map(|file| file.interpreter.known()).map(|path| path.raw().to_owned()).collect();
    others.extend(["/etc/passwd", HYPERVISOR_UUID, BOARD_ASSET_TAG].map(str::to_owned));
    files.extend(others.iter().map(|path| access_to(path)));
    files
}

fn access_to(path: &str) -> Access {
    let answer = |flags: AccessFlags| match access(path, flags) {
        Ok(()) => Fact::Known(true),
        Err(Errno::EACCES | Errno::EPERM | Errno::EROFS) => Fact::Known(false),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Fact::Absent,
        Err(error) => Fact::unreadable(error.desc()),
    };
    let read = answer(AccessFlags::R_OK);
    let interpreter = match (&read, real::read_beginning(path)) {
        (Fact::Known(true), Ok(beginning)) => {
            parse::parse_interpreter(&beginning).map_or(Fact::Absent, |path| Fact::Known(path.into()))
        }
        (Fact::Known(true), Err(error)) => Fact::unreadable(run::reason(&error)),
        (Fact::Known(false), _) => Fact::unreadable("permission denied"),
        _ => Fact::Absent,
    };
    Access {
        path: path.into(),
        run: answer(AccessFlags::X_OK),
        noexec_mount: match statvfs(path) {
            Ok(found) if found.flags().contains(FsFlags::ST_NOEXEC) => mount_point(path),
            Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => Fact::Absent,
            Err(error) => Fact::unreadable(error.desc()),
        },
        read,
        interpreter,
    }
}

/// The mount point that is nearest above what a path leads to.
fn mount_point(path: &str) -> Fact<Untrusted> {
    let found = fs::canonicalize(path).and_then(|path| Ok((path, real::read("/proc/self/mountinfo")?)));
    match found {
        Ok((path, bytes)) => {
            let points = parse::parse_mount_points(&bytes).value;
            let above = points.into_iter().filter(|point| path.starts_with(point));
            above.max_by_key(String::len).map_or(Fact::Absent, |point| Fact::Known(point.into()))
        }
        Err(error) => Fact::unreadable(run::reason(&error)),
    }
}

fn tool(name: &str) -> Tool {
    let mut tool = Tool { name: name.into(), program: Fact::Absent, ..Tool::default() };
    for folder in PATH {
        let path = format!("{folder}/{name}");
        let found = fs::symlink_metadata(&path);
        let is_link = found.as_ref().is_ok_and(fs::Metadata::is_symlink);
        match if is_link { fs::metadata(&path) } else { found } {
            Ok(found) if found.is_file() => {}
            _ => continue,
        }
        if access(path.as_str(), AccessFlags::X_OK).is_err() {
            tool.denied.push(folder.into());
            continue;
        }
        if tool.folders.is_empty()
            && is_link
            && let Ok(target) = fs::canonicalize(&path)
            && let Some(program) = target.file_name().and_then(|program| program.to_str())
            && program != name
        {
            tool.program = Fact::Known(program.into());
        }
        tool.folders.push(folder.into());
    }
    tool
}

fn null_device() -> Fact<NullDevice> {
    let found = match fs::metadata(NULL_DEVICE) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Fact::Absent,
        Err(error) => return Fact::unreadable(run::reason(&error)),
    };
    // null(4)
    let is_it = found.file_type().is_char_device() && found.rdev() == makedev(1, 3);
    match (is_it, access(NULL_DEVICE, AccessFlags::W_OK)) {
        (true, Ok(())) => Fact::Known(NullDevice::Writable),
        (true, Err(Errno::EACCES | Errno::EPERM | Errno::EROFS)) => Fact::Known(NullDevice::Denied),
        (false, Ok(())) => Fact::Known(NullDevice::OtherWritable),
        (false, Err(Errno::EACCES | Errno::EPERM | Errno::EROFS)) => Fact::Known(NullDevice::OtherDenied),
        (_, Err(error)) => Fact::unreadable(error.desc()),
    }
}

pub(super) fn shared_memory() -> Fact<SharedMemory> {
    let found = match fs::metadata(SHARED_MEMORY) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => return Fact::unreadable("it is no folder"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Fact::Absent,
        Err(error) => return Fact::unreadable(run::reason(&error)),
    };
    let mode = found.permissions().mode() & 0o7777;
    let writable = match access(SHARED_MEMORY, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => Fact::Known(true),
        Err(Errno::EACCES | Errno::EPERM | Errno::EROFS) => Fact::Known(false),
        Err(error) => Fact::unreadable(error.desc()),
    };
    let space = statvfs(SHARED_MEMORY).map_err(Errno::desc);
    // A tmpfs without a limit has no blocks and no inodes to count.
    let limited = |limit: u64, value: u64| if limit == 0 { Fact::Absent } else { Fact::Known(value) };
    let (is_read_only, bytes_free, inodes_free, size) = match space {
        Ok(space) => (
            Fact::Known(space.flags().contains(FsFlags::ST_RDONLY)),
            limited(space.blocks(), space.blocks_available().saturating_mul(space.fragment_size())),
            limited(space.files(), space.files_available()),
            limited(space.blocks(), space.blocks().saturating_mul(space.fragment_size())),
        ),
        Err(reason) => {
            (Fact::unreadable(reason), Fact::unreadable(reason), Fact::unreadable(reason), Fact::unreadable(reason))
        }
    };
    Fact::Known(SharedMemory { mode: Fact::Known(mode), writable, is_read_only, bytes_free, inodes_free, size })
}

/// Connects as `logger` does, sends nothing, and asks whether there would be room.
fn dev_log() -> Fact<DevLog> {
    match fs::metadata(DEV_LOG) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Fact::Known(DevLog::NoSocket),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Fact::Absent,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Fact::Known(DevLog::Denied),
        Err(error) => return Fact::unreadable(run::reason(&error)),
    }
    let socket = match UnixDatagram::unbound() {
        Ok(socket) => socket,
        Err(error) => return Fact::unreadable(run::reason(&error)),
    };
    match socket.connect(DEV_LOG) {
        Ok(()) => {}
        Err(error) => {
            return match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
                Errno::ECONNREFUSED => Fact::Known(DevLog::Refused),
                Errno::EACCES | Errno::EPERM => Fact::Known(DevLog::Denied),
                // A stream socket, which `logger` tries next; to connect would make its owner accept.
                Errno::EPROTOTYPE => Fact::Known(DevLog::Listening),
                _ => Fact::unreadable(run::reason(&error)),
            };
        }
    }
    let mut waiting = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut waiting, PollTimeout::from(LOG_PATIENCE_MS)) {
        Ok(0) => Fact::Known(DevLog::Full),
        Ok(_) => Fact::Known(DevLog::Listening),
        Err(error) => Fact::unreadable(error.desc()),
    }
}

/// At most 64 characters of it.
fn first_line(path: &str) -> Fact<Untrusted> {
    match real::read_beginning(path) {
        Ok(bytes) => {
            let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            Fact::Known(Untrusted::from_bytes(line.get(..64).unwrap_or(line)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Fact::Absent,
        Err(error) => Fact::unreadable(run::reason(&error)),
    }
}

fn certificates_folder(root: Option<&[u8]>) -> Fact<TrustStore> {
    match fs::metadata(trust::FOLDER) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Fact::unreadable("it is no folder"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Fact::Absent,
        // Some folder above it cannot be entered.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Fact::Known(denied(root)),
        Err(error) => return Fact::unreadable(run::reason(&error)),
    }
    let store = |known: &anchor::KnownAnchor| match known.certificate() {
        Some(certificate) => Fact::Known(in_folder(known, &certificate)),
        None => Fact::NotGathered,
    };
    let signers_root = root.map_or(Fact::NotGathered, |root| {
        let known = [&anchor::AMAZON_ROOT_CA_1, &anchor::STARFIELD_SERVICES_ROOT_G2];
        let same = known.into_iter().find(|known| known.certificate().is_some_and(|found| found.subject == root));
        same.map_or_else(|| by_name(root), store)
    });
    Fact::Known(TrustStore {
        amazon_root_ca_1: store(&anchor::AMAZON_ROOT_CA_1),
        starfield_services_root_g2: store(&anchor::STARFIELD_SERVICES_ROOT_G2),
        signers_root,
    })
}

/// The same hash may be that of several names, which OpenSSL tells apart by a number from 0 on.
const SAME_HASH: usize = 10;

fn in_folder(known: &anchor::KnownAnchor, certificate: &Certificate) -> Anchor {
    for number in 0..SAME_HASH {
        match certificates_of(&format!("{}/{}.{number}", trust::FOLDER, known.hash)) {
            Ok(found) if found.iter().any(|found| found.der == certificate.der) => return Anchor::Found,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Anchor::Denied,
            Err(_) => break,
        }
    }
    match certificates_of(&format!("{}/{}", trust::FOLDER, known.file)) {
        Ok(found) if found.iter().any(|found| found.der == certificate.der) => Anchor::WithoutLink,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Anchor::Denied,
        _ => Anchor::Missing,
    }
}

/// As OpenSSL does, the link by the name's hash is looked at first. When that has no such certificate, every link is, and the certificates'
/// own files, which OpenSSL never opens by themselves and which say only why there is none.
fn by_name(root: &[u8]) -> Fact<Anchor> {
    let has_it = |name: &str| {
        certificates_of(&format!("{}/{name}", trust::FOLDER))
            .map(|found| found.iter().any(|found| found.subject == root))
    };
    if let Some(hash) = parse::certificate_name_hash(root) {
        for number in 0..SAME_HASH {
            match has_it(&format!("{hash}.{number}")) {
                Ok(true) => return Fact::Known(Anchor::Found),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Fact::Known(Anchor::Denied),
                Err(_) => break,
            }
        }
    }
    let entries = match fs::read_dir(trust::FOLDER) {
        Ok(entries) => entries,
        Err(error) => return Fact::unreadable(run::reason(&error)),
    };
    let names = entries.take(anchor::FOLDER_LIMIT).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let (links, others): (Vec<String>, Vec<String>) = names.partition(|name| anchor::is_by_hash(name));
    for name in &links {
        match has_it(name) {
            Ok(true) => return Fact::Known(Anchor::Found),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Fact::unreadable(format!("`{name}` cannot be read"));
            }
            _ => {}
        }
    }
    let mut files = others.iter().filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "pem"));
    let is_there = files.any(|name| has_it(name).unwrap_or(false));
    Fact::Known(if is_there { Anchor::WithoutLink } else { Anchor::Missing })
}

fn certificates_bundle(root: Option<&[u8]>) -> Fact<TrustStore> {
    let certificates = match certificates_of(trust::BUNDLE) {
        Ok(certificates) => certificates,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Fact::Absent,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Fact::Known(denied(root)),
        Err(error) => return Fact::unreadable(run::reason(&error)),
    };
    let store = |is_it: &dyn Fn(&Certificate) -> bool| {
        Fact::Known(if certificates.iter().any(is_it) { Anchor::Found } else { Anchor::Missing })
    };
    let same = |known: &anchor::KnownAnchor| match known.certificate() {
        Some(certificate) => store(&|found| found.der == certificate.der),
        None => Fact::NotGathered,
    };
    Fact::Known(TrustStore {
        amazon_root_ca_1: same(&anchor::AMAZON_ROOT_CA_1),
        starfield_services_root_g2: same(&anchor::STARFIELD_SERVICES_ROOT_G2),
        signers_root: root.map_or(Fact::NotGathered, |root| store(&|found| found.subject == root)),
    })
}

fn denied(root: Option<&[u8]>) -> TrustStore {
    TrustStore {
        amazon_root_ca_1: Fact::Known(Anchor::Denied),
        starfield_services_root_g2: Fact::Known(Anchor::Denied),
        signers_root: root.map_or(Fact::NotGathered, |_| Fact::Known(Anchor::Denied)),
    }
}

fn certificates_of(path: &str) -> io::Result<Vec<Certificate>> {
    Ok(parse::parse_certificates(&real::read(path)?).value)
}
