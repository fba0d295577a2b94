//! This very machine. Opens files without waiting for them, reads only regular ones, and stays within a time for the whole run.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use eic_doctor_proto::{Fact, OsUser};
use memchr::memmem;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::facts::{FileState, FileType, ImdsAnswer, ImdsView, Space};
use crate::parse::{self, JournalEntry, JournalQuery, ShownUnit};

use super::host::{Host, KeysUserQuestion, KeysUserView, NetlinkTable, Property, Ran, Run, Tail};
use super::{as_user, dbus, imds, journal, netlink, program, run};

const FILE_LIMIT: u64 = 1024 * 1024;
const BEGINNING: u64 = 256;
/// A package's paragraph is some 2 kB.
const PARAGRAPH_LIMIT: usize = 64 * 1024;
/// dpkg's status file has 1 to 10 MB.
const PARAGRAPH_FILE_LIMIT: u64 = 64 * 1024 * 1024;
const NAMES_LIMIT: usize = 100_000;
/// systemd answers in milliseconds unless it is stuck.
const SYSTEMD_TIMEOUT: Duration = Duration::from_secs(2);
/// A large file is read in parts of so many bytes.
const PART: usize = 64 * 1024;
/// What the kernel hands out of a generated file at once, at the least.
const PAGE: usize = 4096;
/// No line of `/proc/net/tcp` or `tcp6` is longer.
const LINE: usize = 512;

pub struct RealHost {
    until: Instant,
    budget: Duration,
    is_late: AtomicBool,
}

impl RealHost {
    /// What is looked for after `budget` is unreadable for that reason.
    pub fn new(budget: Duration) -> Self {
        let now = Instant::now();
        Self { until: now.checked_add(budget).unwrap_or(now), budget, is_late: AtomicBool::new(false) }
    }

    /// Something was not looked for because the time was up.
    pub fn was_late(&self) -> bool {
        self.is_late.load(Ordering::Relaxed)
    }

    /// The shorter of `wanted` and what is left, or why nothing is.
    fn time_for<T>(&self, wanted: Duration) -> Result<Duration, Fact<T>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left < wanted {
            self.is_late.store(true, Ordering::Relaxed);
        }
        if left.is_zero() {
            return Err(Fact::unreadable(format!("the time for the run, {}, was up", run::seconds(self.budget))));
        }
        Ok(left.min(wanted))
    }
}

impl Host for RealHost {
    fn gathered_by(&self) -> String {
        concat!("eic-doctor-agent ", env!("CARGO_PKG_VERSION")).to_owned()
    }

    fn uid(&self) -> Fact<u32> {
        Fact::Known(nix::unistd::geteuid().as_raw())
    }

    fn pause(&self, time: Duration) -> Fact<()> {
        match self.time_for(time) {
            Ok(time) => {
                // The one place where time is let pass, for nothing can be awaited in it: the kernel tells nobody when another process begins
                // to listen, sshd's pid file may be switched off, and systemd tells of its own starts alone, not of a SIGHUP.
                thread::sleep(time);
                Fact::Known(())
            }
            Err(late) => late,
        }
    }

    fn now(&self) -> Fact<u64> {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(time) => Fact::Known(time.as_secs()),
            Err(_) => Fact::unreadable("the clock stands before 1970"),
        }
    }

    fn machine(&self) -> Fact<String> {
        match nix::sys::utsname::uname() {
            Ok(name) => Fact::Known(name.machine().to_string_lossy().into_owned()),
            Err(error) => Fact::unreadable(error.desc()),
        }
    }

    fn read(&self, path: &str) -> Fact<Vec<u8>> {
        fact(read(path))
    }

    fn paragraph(&self, path: &str, first_line: &str) -> Fact<Vec<u8>> {
        match paragraph(path, first_line) {
            Ok(Some(bytes)) => Fact::Known(bytes),
            Ok(None) => Fact::Absent,
            // Only a paragraph that is not there is absent; without the file nobody knows.
            Err(error) => Fact::unreadable(run::reason(&error)),
        }
    }

    fn listening(&self, path: &str) -> Fact<Vec<u8>> {
        fact(listening(path))
    }

    fn tail(&self, path: &str, limit: usize) -> Fact<Tail> {
        fact(tail(path, limit))
    }

    fn journal(&self, query: &JournalQuery<'_>) -> Fact<Vec<JournalEntry>> {
        journal::query(self, query)
    }

    fn list(&self, folder: &str) -> Fact<Vec<String>> {
        fact(fs::read_dir(folder).and_then(|entries| {
            let mut names = Vec::new();
            for entry in entries.take(NAMES_LIMIT) {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort_unstable();
            Ok(names)
        }))
    }

    fn links(&self, folder: &str) -> Fact<Vec<String>> {
        // A descriptor may be closed between the two looks.
        self.list(folder).map(|names| {
            names.iter().filter_map(|name| self.link(&format!("{folder}/{name}")).known().cloned()).collect()
        })
    }

    fn link(&self, path: &str) -> Fact<String> {
        fact(fs::read_link(path).map(|target| target.to_string_lossy().into_owned()))
    }

    fn modified(&self, path: &str) -> Fact<u64> {
        fact(fs::metadata(path).map(|found| nanoseconds(found.mtime(), found.mtime_nsec())))
    }

    fn touched(&self, path: &str) -> Fact<u64> {
        fact(fs::metadata(path).map(|found| nanoseconds(found.ctime(), found.ctime_nsec())))
    }

    fn file_state(&self, path: &str) -> FileState {
        let found = fs::symlink_metadata(path);
        let is_link = found.as_ref().is_ok_and(fs::Metadata::is_symlink);
        let followed = match if is_link { fs::metadata(path) } else { found } {
            // A loop of links leads nowhere, for everybody.
            Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => Fact::Absent,
            followed => fact(followed),
        };
        let target = if is_link {
            // One that leads nowhere still says where to.
            fact(fs::canonicalize(path).or_else(|_| fs::read_link(path)))
                .map(|target| target.to_string_lossy().into_owned().into())
        } else {
            Fact::Absent
        };
        FileState {
            path: path.into(),
            state: followed.as_ref().map(|found| match found {
                found if found.is_file() => FileType::Regular,
                found if found.is_dir() => FileType::Directory,
                _ => FileType::Other,
            }),
            mode: followed.as_ref().map(|found| found.mode() & 0o7777),
            uid: followed.as_ref().map(|found| found.uid()),
            gid: followed.as_ref().map(|found| found.gid()),
            target,
            size: match &followed {
                Fact::Known(found) if found.is_file() => Fact::Known(found.len()),
                _ => Fact::NotGathered,
            },
        }
    }

    fn contains(&self, path: &str, bytes: &str) -> Fact<bool> {
        fact(program::contains(path, bytes.as_bytes()))
    }

    fn netlink(&self, table: NetlinkTable) -> Fact<Vec<u8>> {
        match self.time_for(netlink::TIMEOUT) {
            Ok(_) => netlink::table(table),
            Err(late) => late,
        }
    }

    fn space(&self, path: &str) -> Fact<Space> {
        // As the first process sees it: our own unit may show us everything as read-only. Others than root see what we do.
        let found = match statvfs(format!("/proc/1/root{path}").as_str()).or_else(|_| statvfs(path)) {
            Ok(found) if found.flags().contains(FsFlags::ST_RDONLY) => return Fact::Absent,
            found => found,
        };
        fact(found.map_err(io::Error::from).map(|found| {
            let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
            Space {
                size: bytes(found.blocks()),
                available: bytes(found.blocks_available()),
                inodes: found.files(),
                free_inodes: found.files_available(),
            }
        }))
    }

    fn units(&self, units: &[&str], properties: &[Property]) -> Fact<Vec<ShownUnit>> {
        let timeout = match self.time_for(SYSTEMD_TIMEOUT) {
            Ok(timeout) => timeout,
            Err(late) => return late,
        };
        match dbus::show(dbus::SOCKET, units, properties, timeout) {
            Ok(shown) => Fact::Known(shown),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Fact::unreadable(run::reason(&error)),
            Err(_) => Fact::NotGathered,
        }
    }

    fn beginning(&self, path: &str) -> Fact<Vec<u8>> {
        fact(read_beginning(path))
    }

    fn texts(&self, program: &str, beginning: &str, is_enough: &dyn Fn(&str) -> bool) -> Fact<Vec<String>> {
        fact(program::texts(program, beginning, is_enough))
    }

    fn run(&self, wanted: &Run) -> Fact<Ran> {
        let timeout = match self.time_for(wanted.timeout) {
            Ok(timeout) => timeout,
            Err(late) => return late,
        };
        let mut command = run::command(&wanted.program);
        command.args(&wanted.arguments);
        run::run(command, timeout)
    }

    fn imds(&self, os_user: &OsUser) -> ImdsView {
        match (self.time_for(imds::VIEW_TIMEOUT), run::runtime()) {
            (Ok(_), Ok(runtime)) => runtime.block_on(imds::view(imds::ADDRESS, os_user)),
            (Err(late), _) => ImdsView { token: late, ..ImdsView::default() },
            (_, Err(error)) => ImdsView { token: Fact::unreadable(run::reason(&error)), ..ImdsView::default() },
        }
    }

    fn imds_without_token(&self) -> Fact<ImdsAnswer> {
        match (self.time_for(imds::REQUEST_TIMEOUT), run::runtime()) {
            (Ok(_), Ok(runtime)) => runtime.block_on(imds::without_token(imds::ADDRESS)),
            (Err(late), _) => late,
            (_, Err(error)) => Fact::unreadable(run::reason(&error)),
        }
    }

    fn keys_user_view(&self, question: &KeysUserQuestion<'_>) -> KeysUserView {
        match self.time_for::<()>(imds::VIEW_TIMEOUT) {
            Ok(_) => as_user::view_as(question, nix::unistd::geteuid().is_root()),
            Err(Fact::Unreadable(why)) => KeysUserView::unreadable(&why.reason),
            Err(_) => KeysUserView::default(),
        }
    }
}

fn nanoseconds(seconds: i64, rest: i64) -> u64 {
    let whole = u64::try_from(seconds).unwrap_or_default().saturating_mul(1_000_000_000);
    whole.saturating_add(u64::try_from(rest).unwrap_or_default())
}

/// Only a regular file: to open something else may already change it. `O_NONBLOCK`, so that a FIFO which has just taken the file's place
/// does not hold us.
pub(super) fn open(path: &str) -> io::Result<fs::File> {
    Ok(open_sized(path)?.0)
}

/// With its size in bytes.
fn open_sized(path: &str) -> io::Result<(fs::File, u64)> {
    let other = || io::Error::other("not a regular file");
    if !fs::metadata(path)?.is_file() {
        return Err(other());
    }
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(Path::new(path))?;
    let found = file.metadata()?;
    if found.is_file() { Ok((file, found.len())) } else { Err(other()) }
}

pub(super) fn read(path: &str) -> io::Result<Vec<u8>> {
    let (file, size) = open_sized(path)?;
    // One byte of room more than there is, so that the end is seen without another read. Generated files say that they are empty.
    let size = size.min(FILE_LIMIT) as usize;
    let mut bytes = Vec::with_capacity((size + 1).max(PAGE));
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(io::Error::other(format!("larger than {FILE_LIMIT} bytes")));
    }
    Ok(bytes)
}

/// The first 256 bytes of a regular file.
pub(super) fn read_beginning(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(BEGINNING as usize);
    open(path)?.take(BEGINNING).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn paragraph(path: &str, first_line: &str) -> io::Result<Option<Vec<u8>>> {
    let mut file = open(path)?.take(PARAGRAPH_FILE_LIMIT);
    let wanted = format!("\n{first_line}\n");
    let finder = memmem::Finder::new(wanted.as_bytes());
    // As if a line ended before the first byte, and one after the last.
    let mut part = vec![b'\n'];
    loop {
        let read = file.by_ref().take(PART as u64).read_to_end(&mut part)?;
        if read == 0 {
            part.push(b'\n');
        }
        if let Some(before) = finder.find(&part) {
            part.drain(..=before);
            file.take(PARAGRAPH_LIMIT as u64).read_to_end(&mut part)?;
            let end = memmem::find(&part, b"\n\n").map_or(part.len(), |end| end + 1);
            part.truncate(end.min(PARAGRAPH_LIMIT));
            return Ok(Some(part));
        }
        if read == 0 {
            return Ok(None);
        }
        part.drain(..part.len().saturating_sub(wanted.len()));
    }
}

/// The kernel lists the sockets in state LISTEN first (`tcp_ipv4.c`), a page at a read or so; each further read, the one at the end
/// too, walks through its table of all connections again, which is large where the memory is.
fn listening(path: &str) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut bytes = Vec::new();
    let mut page = [0; PAGE];
    let mut looked_at = 0;
    while bytes.len() as u64 <= FILE_LIMIT {
        let read = file.read(&mut page)?;
        bytes.extend_from_slice(page.get(..read).unwrap_or_default());
        let whole_lines = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = bytes.get(looked_at..whole_lines).unwrap_or_default();
        if read < PAGE - LINE || parse::is_past_listening(lines) {
            return Ok(bytes);
        }
        looked_at = whole_lines;
    }
    Err(io::Error::other(format!("more than {FILE_LIMIT} bytes of sockets in state LISTEN")))
}

fn tail(path: &str, limit: usize) -> io::Result<Tail> {
    let mut file = open(path)?;
    let found = file.metadata()?;
    let start = found.len().saturating_sub(limit as u64);
    file.seek(io::SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    // What is written while we read is left for the next time.
    file.take(limit as u64).read_to_end(&mut bytes)?;
    if start > 0 {
        let first = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |place| place + 1);
        bytes.drain(..first);
    }
    Ok(Tail { bytes, modified: u64::try_from(found.mtime()).unwrap_or_default() })
}

pub(super) fn fact<T>(looked: io::Result<T>) -> Fact<T> {
    match looked {
        Ok(found) => Fact::Known(found),
        // A file where a folder should be: nothing can be below it.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Fact::Absent,
        Err(error) => Fact::unreadable(run::reason(&error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn host() -> RealHost {
        RealHost::new(Duration::from_secs(60))
    }

    #[test]
    fn a_fifo_where_a_file_should_be_does_not_hold_us() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let path = path.to_str().unwrap();
        assert_eq!(host().read(path), Fact::unreadable("not a regular file"));
        assert_eq!(host().paragraph(path, "x"), Fact::unreadable("not a regular file"));
        assert_eq!(host().read("/dev/zero"), Fact::unreadable("not a regular file"));
        assert_eq!(host().read(folder.path().to_str().unwrap()), Fact::unreadable("not a regular file"));
    }

    #[test]
    fn a_file_that_is_too_large_is_unreadable_and_not_cut() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(FILE_LIMIT + 1).unwrap();
        assert_eq!(host().read(file.path().to_str().unwrap()), Fact::unreadable("larger than 1048576 bytes"));
    }

    #[test]
    fn of_many_sockets_only_those_in_state_listen_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |state: &str| {
            format!("   0: 00000000:0016 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 7 1 0 1\n")
        };
        let text =
            format!("  sl  local_address rem_address   st\n{}{}", line("0A").repeat(3), line("01").repeat(100_000));
        fs::write(file.path(), text).unwrap();
        let Fact::Known(bytes) = host().listening(file.path().to_str().unwrap()) else { panic!("not read") };
        assert_eq!(parse::parse_net_tcp(&bytes).value.len(), 3);
        assert!(bytes.len() <= PAGE);
    }

    #[test]
    fn a_listening_socket_of_this_very_process_is_among_the_kernels() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let Fact::Known(bytes) = host().listening("/proc/net/tcp") else { panic!("not read") };
        let port = listener.local_addr().unwrap().port();
        assert!(parse::parse_net_tcp(&bytes).value.iter().any(|socket| socket.port == port));
    }

    #[test]
    fn of_a_log_of_any_size_only_the_end_is_read_and_no_half_line() {
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        writeln!(file, "first").unwrap();
        assert_eq!(host().tail(&path, 100).known().unwrap().bytes, b"first\n");
        file.as_file().set_len(100 << 20).unwrap();
        file.seek(io::SeekFrom::End(0)).unwrap();
        write!(file, "\nsecond line\nthird line\n").unwrap();
        let tail = host().tail(&path, 20).known().unwrap().clone();
        assert_eq!(tail.bytes, b"third line\n");
        assert!(tail.modified > 1_700_000_000);
        assert_eq!(host().tail(&path, 5).known().unwrap().bytes, b"");
        assert_eq!(host().tail("/var/log/no-such-log", 5), Fact::Absent);
    }

    #[test]
    fn a_link_is_followed_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(at("program"), "x").unwrap();
        fs::set_permissions(at("program"), fs::Permissions::from_mode(0o4755)).unwrap();
        symlink("program", at("link")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let state = host().file_state(&at("link"));
        assert_eq!((state.state, state.mode), (Fact::Known(FileType::Regular), Fact::Known(0o4755)));
        let canonical = fs::canonicalize(at("program")).unwrap();
        assert_eq!(state.target, Fact::Known(canonical.to_str().unwrap().into()));
        let state = host().file_state(&at("dangling"));
        assert_eq!((state.state, state.target), (Fact::Absent, Fact::Known("nowhere".into())));
        let state = host().file_state(&at("loop"));
        assert_eq!((state.state, state.target), (Fact::Absent, Fact::Known("loop".into())));
        // A file where a folder should be.
        assert_eq!(host().file_state(&at("program/below")).state, Fact::Absent);
    }

    #[test]
    fn the_first_paragraph_that_begins_so_is_found_in_a_long_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let others: String = (0..2_000).map(|n| format!("Package: other-{n}\nVersion: {n}\n\n")).collect();
        fs::write(file.path(), format!("{others}Package: wanted\nVersion: 1\n\nPackage: wanted-too\n")).unwrap();
        let path = file.path().to_str().unwrap();
        let found = host().paragraph(path, "Package: wanted");
        assert_eq!(found, Fact::Known(b"Package: wanted\nVersion: 1\n".to_vec()));
        assert_eq!(host().paragraph(path, "Package: missing"), Fact::Absent);
        assert_eq!(host().paragraph(path, "Package: other-0"), Fact::Known(b"Package: other-0\nVersion: 0\n".to_vec()));
        assert_eq!(host().paragraph(path, "Package: wanted-too"), Fact::Known(b"Package: wanted-too\n".to_vec()));
        // Wherever the border between two parts lies.
        for before in PART - 20..PART + 20 {
            fs::write(&file, format!("{}\n\nPackage: wanted\nVersion: 1", "x".repeat(before))).unwrap();
            assert_eq!(host().paragraph(path, "Package: wanted"), Fact::Known(b"Package: wanted\nVersion: 1".to_vec()));
        }
    }
}
