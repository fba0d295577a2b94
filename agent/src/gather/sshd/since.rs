//! When the running sshd read its files, and what has changed since.

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::{EffectiveConfig, FileState, FileType, SshdProcess};
use crate::gather::host::Host;
use crate::parse;
use crate::sshd_config::Files;

use super::config::Read;
use super::{CHEAP_KEY, SAID};

const USUAL_PID_FILE: &str = "/run/sshd.pid";
/// Changes of the folder of sshd's own file say nothing: host keys and their likes lie there too.
const FOLDER: &str = "/etc/ssh";
/// Where builds have the folder of privilege separation (`PRIVSEP_PATH`): Debian's, Red Hat's older and newer ones.
const PRIVILEGE_SEPARATION: [&str; 3] = ["/run/sshd", "/var/empty/sshd", "/usr/share/empty.sshd"];
/// `SSH_PRIVSEP_USER`.
const PRIVILEGE_SEPARATION_USER: &[u8] = b"sshd";
/// What decides, beside the libraries themselves, how a program starts that uses OpenSSL.
const STARTS_BY: [&str; 4] =
    ["/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf"];

/// In nanoseconds of Unix time. sshd writes its pid file once it has read its configuration, when it starts and when it is told to reload.
pub(super) fn read_at(host: &dyn Host, process: &SshdProcess, effective: Option<&EffectiveConfig>) -> Fact<u64> {
    let pid_file = effective.and_then(|config| config.first("pidfile")).map_or(USUAL_PID_FILE, Untrusted::raw);
    let is_its_own = host.read(pid_file).map(|bytes| String::from_utf8_lossy(&bytes).trim().parse() == Ok(process.pid));
    match (is_its_own, host.modified(pid_file)) {
        (Fact::Known(true), Fact::Known(read_at)) => Fact::Known(read_at),
        (Fact::Known(true), Fact::Unreadable(why)) | (Fact::Unreadable(why), _) => Fact::Unreadable(why),
        (Fact::NotGathered, _) | (_, Fact::NotGathered) => Fact::NotGathered,
        _ => Fact::unreadable(format!("{pid_file} does not tell when sshd read its files")),
    }
}

pub(super) fn changed(host: &dyn Host, read: &Read, files: &Files, read_at: u64) -> Vec<Untrusted> {
    let is_newer = |path: &&str| host.modified(path).known().is_some_and(|modified| *modified > read_at);
    sources(read, files).filter(is_newer).take(SAID).map(Untrusted::from).collect()
}

/// Files, and folders in which files were looked for.
fn sources<'a>(read: &'a Read, files: &'a Files) -> impl Iterator<Item = &'a str> {
    let folders = read.folders.iter().map(String::as_str).filter(|folder| *folder != FOLDER && *folder != "/");
    files.files.iter().map(|file| file.path.as_str()).chain(folders)
}

/// What sshd would meet, were it started now, is what it met when it read its files: these, its host key, folder and user, itself and its
/// libraries. Whatever cannot be looked at may have changed.
pub(super) fn would_start_as_before(host: &dyn Host, pid: u32, read: &Read, files: &Files, read_at: u64) -> bool {
    // The kernel's clock of files goes in steps of some milliseconds, so that the same moment may be before or after.
    let is_older = |path: &str| host.touched(path).known().is_some_and(|touched| *touched < read_at);
    sources(read, files).all(is_older)
        && is_roots_own(&host.file_state(CHEAP_KEY), FileType::Regular, 0o077)
        && is_older(CHEAP_KEY)
        && STARTS_BY.iter().all(|path| host.touched(path) == Fact::Absent || is_older(path))
        && has_folder(host)
        && has_user(host)
        && host.read(&format!("/proc/{pid}/maps")).known().is_some_and(|maps| {
            // Where what was deleted or replaced is said to be, nothing is.
            let mapped = parse::parse_proc_maps(maps);
            !mapped.is_empty() && mapped.iter().all(|path| is_older(path))
        })
}

/// Of more than one nobody knows which is meant.
fn has_folder(host: &dyn Host) -> bool {
    let states = PRIVILEGE_SEPARATION.map(|path| host.file_state(path));
    let mut there = states.iter().filter(|folder| folder.state != Fact::Absent);
    there.next().is_some_and(|folder| is_roots_own(folder, FileType::Directory, 0o022)) && there.next().is_none()
}

fn is_roots_own(found: &FileState, kind: FileType, forbidden: u32) -> bool {
    found.state == Fact::Known(kind)
        && found.uid == Fact::Known(0)
        && found.mode.known().is_some_and(|mode| mode & forbidden == 0)
}

fn has_user(host: &dyn Host) -> bool {
    let is_it = |line: &[u8]| line.split(|byte| *byte == b':').next() == Some(PRIVILEGE_SEPARATION_USER);
    host.read("/etc/passwd").known().is_some_and(|passwd| passwd.split(|byte| *byte == b'\n').any(is_it))
}
