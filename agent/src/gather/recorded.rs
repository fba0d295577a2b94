//! The raw bytes that the probe script shipped, looked at as if they were the machine.

use std::collections::HashMap;
use std::str::FromStr;

use eic_doctor_proto::{Fact, OsUser, Untrusted};

use crate::facts::{
    Access, Anchor, DevLog, FileState, FileType, ImdsAnswer, ImdsView, KeysUserFacts, Library, LogLine, Namespace,
    NullDevice, SharedMemory, Space, Tool, TrustStore,
};
use crate::parse::{self, JournalEntry, JournalQuery, Section, SectionsError, ShownUnit};

use super::host::{Host, KeysUserQuestion, KeysUserView, NetlinkTable, Property, Ran, Run, Tail};

/// A machine of which only a recording is at hand. What was not recorded is *not gathered*.
#[derive(Debug)]
pub struct Recorded {
    sections: HashMap<(String, String), Section>,
    /// The script's answer was full before its end.
    is_cut: bool,
}

const CUT: &str = "the probe script's answer had no room for it";

impl Recorded {
    /// The sections of `parse_sections`, the first of each kind and name.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SectionsError> {
        let mut recorded = Self { sections: HashMap::new(), is_cut: false };
        for section in parse::parse_sections(bytes)?.value {
            recorded.is_cut |= section.is_cut;
            recorded.sections.entry((section.kind.clone(), section.name.clone())).or_insert(section);
        }
        Ok(recorded)
    }

    fn section(&self, kind: &str, name: &str) -> Fact<&Section> {
        match self.sections.get(&(kind.to_owned(), name.to_owned())) {
            Some(section) if section.is_cut => Fact::unreadable(CUT),
            Some(section) => match section.state.as_str() {
                "absent" => Fact::Absent,
                "unreadable" if section.detail.is_empty() => Fact::unreadable("the probe script could not read it"),
                "unreadable" => Fact::unreadable(short(&section.detail)),
                _ => Fact::Known(section),
            },
            None if self.is_cut => Fact::unreadable(CUT),
            None => Fact::NotGathered,
        }
    }

    fn number<N: FromStr>(&self, name: &str, otherwise: &str) -> Fact<N> {
        match self.section("value", name).map(|section| section.detail.parse()) {
            Fact::Known(Ok(number)) => Fact::Known(number),
            Fact::Known(Err(_)) => Fact::unreadable(otherwise),
            Fact::Absent => Fact::Absent,
            Fact::Unreadable(why) => Fact::Unreadable(why),
            Fact::NotGathered => Fact::NotGathered,
        }
    }

    fn lines(&self, kind: &str, name: &str) -> Fact<Vec<String>> {
        self.section(kind, name).map(|section| {
            let text = String::from_utf8_lossy(&section.body).into_owned();
            text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
        })
    }

    fn answer(&self, viewer: &str, request: &str) -> Fact<ImdsAnswer> {
        match self.section("imds", &format!("{viewer}/{request}")) {
            Fact::Known(section) if section.state == "curl" => Fact::unreadable(curl_reason(&section.detail)),
            Fact::Known(section) => answer(section).unwrap_or_else(|| Fact::unreadable("`curl` told no HTTP status")),
            Fact::Absent => Fact::Absent,
            Fact::Unreadable(why) => Fact::Unreadable(why),
            Fact::NotGathered => Fact::NotGathered,
        }
    }
}

impl Host for Recorded {
    fn gathered_by(&self) -> String {
        format!("probe script {}", parse::PROBE_VERSION)
    }

    fn uid(&self) -> Fact<u32> {
        self.number("uid", "`id -u` printed no number")
    }

    fn now(&self) -> Fact<u64> {
        self.number("now", "`date` printed no number")
    }

    fn machine(&self) -> Fact<String> {
        self.section("value", "machine").map(|section| section.detail.chars().take(64).collect())
    }

    fn read(&self, path: &str) -> Fact<Vec<u8>> {
        // The script writes the NULs between arguments as U+001D, which a shell can hold.
        let restored = |byte: &u8| if *byte == 0x1d && path.ends_with("/cmdline") { 0 } else { *byte };
        self.section("file", path).map(|section| section.body.iter().map(restored).collect())
    }

    fn paragraph(&self, path: &str, first_line: &str) -> Fact<Vec<u8>> {
        match self.read(path) {
            Fact::Known(bytes) if bytes.trim_ascii_start().starts_with(first_line.as_bytes()) => Fact::Known(bytes),
            Fact::Known(_) => Fact::Absent,
            other => other,
        }
    }

    fn listening(&self, path: &str) -> Fact<Vec<u8>> {
        self.read(path)
    }

    fn tail(&self, path: &str, limit: usize) -> Fact<Tail> {
        self.section("tail", path).map(|section| {
            let bytes = section.body.get(section.body.len().saturating_sub(limit)..).unwrap_or_default().to_vec();
            Tail { bytes, modified: section.detail.parse().unwrap_or_default() }
        })
    }

    fn journal(&self, _query: &JournalQuery<'_>) -> Fact<Vec<JournalEntry>> {
        // The script has asked for the same; `journalctl` tells no sender's uid.
        let entry = |line: LogLine| JournalEntry {
            realtime: line.at.saturating_mul(1_000_000),
            identifier: line.program.raw().to_owned(),
            pid: line.pid,
            uid: None,
            message: line.message.raw().to_owned(),
        };
        self.section("journal", "logins")
            .map(|section| parse::parse_auth_log(&section.body, 0, |_| true).value.into_iter().map(entry).collect())
    }

    fn list(&self, folder: &str) -> Fact<Vec<String>> {
        self.lines("list", folder)
    }

    fn links(&self, folder: &str) -> Fact<Vec<String>> {
        self.lines("links", folder)
    }

    fn link(&self, path: &str) -> Fact<String> {
        match self.lines("links", path) {
            Fact::Known(lines) => lines.into_iter().next().map_or(Fact::Absent, Fact::Known),
            Fact::Absent => Fact::Absent,
            Fact::Unreadable(why) => Fact::Unreadable(why),
            Fact::NotGathered => Fact::NotGathered,
        }
    }

    fn modified(&self, path: &str) -> Fact<u64> {
        self.moment("modified", path)
    }

    fn touched(&self, path: &str) -> Fact<u64> {
        self.moment("touched", path)
    }

    fn asked_connection(&self) -> Option<String> {
        self.section("value", "sshd-connection").known().map(|section| section.detail.clone())
    }

    fn file_state(&self, path: &str) -> FileState {
        let found = self.section("stat", path);
        // `81ed 0 0 4711`: st_mode in hexadecimal, owner, group, size.
        let fields = found.as_ref().map(|section| {
            let mut fields = section.detail.split_whitespace();
            let mode = fields.next().and_then(|mode| u32::from_str_radix(mode, 16).ok());
            (mode, fields.next().and_then(|uid| uid.parse().ok()), fields.next().and_then(|gid| gid.parse().ok()))
        });
        let size = found.known().and_then(|section| section.detail.split_whitespace().nth(3)?.parse().ok());
        let number = |number: Fact<Option<u32>>| match number {
            Fact::Known(Some(number)) => Fact::Known(number),
            Fact::Known(None) => Fact::unreadable("`stat` printed something else"),
            Fact::Absent => Fact::Absent,
            Fact::Unreadable(why) => Fact::Unreadable(why),
            Fact::NotGathered => Fact::NotGathered,
        };
        let mode = number(fields.as_ref().map(|(mode, _, _)| *mode));
        let target = match found.known().map(|section| String::from_utf8_lossy(section.body.trim_ascii()).into_owned())
        {
            Some(target) if !target.is_empty() => Fact::Known(Untrusted::from(target)),
            _ => Fact::Absent,
        };
        // The type bits of st_mode (inode(7)).
        let kind = mode.as_ref().map(|mode| match mode & 0o170_000 {
            0o100_000 => FileType::Regular,
            0o040_000 => FileType::Directory,
            _ => FileType::Other,
        });
        FileState {
            path: path.into(),
            state: kind.clone(),
            mode: mode.map(|mode| mode & 0o7777),
            uid: number(fields.as_ref().map(|(_, uid, _)| *uid)),
            gid: number(fields.as_ref().map(|(_, _, gid)| *gid)),
            target,
            size: match (size, kind) {
                (Some(size), Fact::Known(FileType::Regular)) => Fact::Known(size),
                _ => Fact::NotGathered,
            },
        }
    }

    fn contains(&self, path: &str, bytes: &str) -> Fact<bool> {
        self.section("contains", &format!("{path} {bytes}")).map(|section| section.detail == "yes")
    }

    /// A shell cannot ask the kernel so; what `ip` and `nft` print stands for it.
    fn netlink(&self, _table: NetlinkTable) -> Fact<Vec<u8>> {
        Fact::NotGathered
    }

    fn space(&self, path: &str) -> Fact<Space> {
        // `4096 2033152 1500000 524288 400000`: size of a block, blocks, those available, inodes, those free.
        let space = self.section("space", path).map(|section| {
            let numbers: Vec<u64> =
                section.detail.split_whitespace().filter_map(|number| number.parse().ok()).collect();
            let [block, blocks, available, inodes, free_inodes] = <[u64; 5]>::try_from(numbers).ok()?;
            let bytes = |blocks: u64| blocks.saturating_mul(block);
            Some(Space { size: bytes(blocks), available: bytes(available), inodes, free_inodes })
        });
        match space {
            Fact::Known(Some(space)) => Fact::Known(space),
            Fact::Known(None) => Fact::unreadable("`stat -f` printed something else"),
            Fact::Absent => Fact::Absent,
            Fact::Unreadable(why) => Fact::Unreadable(why),
            Fact::NotGathered => Fact::NotGathered,
        }
    }

    fn units(&self, _units: &[&str], _properties: &[Property]) -> Fact<Vec<ShownUnit>> {
        Fact::NotGathered
    }

    fn texts(&self, program: &str, beginning: &str, _: &dyn Fn(&str) -> bool) -> Fact<Vec<String>> {
        self.lines("texts", &format!("{program} {beginning}"))
    }

    fn run(&self, run: &Run) -> Fact<Ran> {
        self.section("run", run.name).map(|section| Ran {
            status: section.detail.parse().ok(),
            stdout: section.body.clone(),
            stderr: section.errors.clone(),
        })
    }

    fn imds(&self, _os_user: &OsUser) -> ImdsView {
        self.view("root")
    }

    fn imds_without_token(&self) -> Fact<ImdsAnswer> {
        self.answer("root", "without-token")
    }

    fn keys_user_view(&self, _question: &KeysUserQuestion<'_>) -> KeysUserView {
        let imds = self.view("keys-user");
        let facts = KeysUserFacts {
            namespaces: self.seen("namespaces", |section| {
                let words = words(&section.detail);
                let is_named = |namespace: &(&str, Namespace)| words.contains(&namespace.0);
                let all = [("net", Namespace::Network), ("mnt", Namespace::Mount)];
                Some(all.into_iter().filter(is_named).map(|(_, namespace)| namespace).collect())
            }),
            files: self.seen("files", |section| Some(lines(&section.body).filter_map(|line| access(&line)).collect())),
            tools: self.seen("tools", |section| Some(lines(&section.body).filter_map(|line| tool(&line)).collect())),
            libraries: self.seen("libraries", |section| lines(&section.body).map(|line| library(&line)).collect()),
            null_device: self.seen("null-device", |section| null_device(&section.detail)),
            shared_memory: self.seen("shared-memory", |section| shared_memory(&section.detail)),
            dev_log: self.seen("dev-log", |section| match section.detail.as_str() {
                "listening" => Some(DevLog::Listening),
                "refused" => Some(DevLog::Refused),
                "denied" => Some(DevLog::Denied),
                "no-socket" => Some(DevLog::NoSocket),
                _ => None,
            }),
            hypervisor_uuid: self.seen("hypervisor-uuid", |section| Some(short(&section.detail).into())),
            board_asset_tag: self.seen("board-asset-tag", |section| Some(short(&section.detail).into())),
            certificates_folder: self.seen("certificates-folder", |section| trust_store(&section.detail)),
            certificates_bundle: self.seen("certificates-bundle", |section| trust_store(&section.detail)),
        };
        // A shell would need OpenSSL for what IMDS signs with.
        KeysUserView { imds, facts, signer: Fact::NotGathered }
    }
}

impl Recorded {
    /// `1795540998.664657749`, or whole seconds.
    fn moment(&self, kind: &str, path: &str) -> Fact<u64> {
        let moment = |text: &str| -> Option<u64> {
            let (seconds, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
            let nanoseconds = format!("{fraction:0<9}").get(..9)?.parse::<u64>().ok()?;
            seconds.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
        };
        match self.section(kind, path).map(|section| moment(&section.detail)) {
            Fact::Known(Some(moment)) => Fact::Known(moment),
            Fact::Known(None) => Fact::unreadable("`stat` printed something else"),
            Fact::Absent => Fact::Absent,
            Fact::Unreadable(why) => Fact::Unreadable(why),
            Fact::NotGathered => Fact::NotGathered,
        }
    }

    fn view(&self, viewer: &str) -> ImdsView {
        ImdsView {
            token: self.answer(viewer, "token"),
            instance_id: self.answer(viewer, "instance-id"),
            availability_zone: self.answer(viewer, "availability-zone"),
            domain: self.answer(viewer, "domain"),
            region: self.answer(viewer, "region"),
            active_keys: self.answer(viewer, "active-keys"),
            ..ImdsView::default()
        }
    }

    /// What the part of the script that had become the keys user wrote, or why none of it could.
    fn seen<T>(&self, name: &str, read: impl FnOnce(&Section) -> Option<T>) -> Fact<T> {
        let found = match (self.section("keys-user", name), self.section("keys-user", "view")) {
            (Fact::NotGathered, Fact::Unreadable(why)) => return Fact::Unreadable(why),
            (found, _) => found,
        };
        match found.map(read) {
            Fact::Known(Some(value)) => Fact::Known(value),
            Fact::Known(None) => Fact::unreadable("the probe script wrote something else"),
            Fact::Absent => Fact::Absent,
            Fact::Unreadable(why) => Fact::Unreadable(why),
            Fact::NotGathered => Fact::NotGathered,
        }
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn lines(body: &[u8]) -> impl Iterator<Item = String> {
    String::from_utf8_lossy(body).lines().map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// `rx /path /interpreter`, `-- /path`, `absent /path`. Whether the file system is `noexec` shows in `x` alone.
fn access(line: &str) -> Option<Access> {
    let mut fields = line.split('\t');
    let (can, path, interpreter) = (fields.next()?, fields.next()?, fields.next().unwrap_or_default());
    let answer = |letter: char| if can == "absent" { Fact::Absent } else { Fact::Known(can.contains(letter)) };
    Some(Access {
        path: path.into(),
        read: answer('r'),
        run: answer('x'),
        noexec_mount: Fact::NotGathered,
        interpreter: if interpreter.is_empty() { Fact::Absent } else { Fact::Known(interpreter.into()) },
    })
}

/// `find +/usr/bin -/bin =busybox`.
fn tool(line: &str) -> Option<Tool> {
    let mut words = line.split(' ');
    let mut tool = Tool { name: words.next()?.into(), program: Fact::Absent, ..Tool::default() };
    for word in words {
        if let Some(folder) = word.strip_prefix('+') {
            tool.folders.push(folder.into());
        } else if let Some(folder) = word.strip_prefix('-') {
            tool.denied.push(folder.into());
        } else if let Some(program) = word.strip_prefix('=') {
            tool.program = Fact::Known(program.into());
        }
    }
    Some(tool)
}

/// `curl libcurl.so.4 missing`, or `denied` and which file or folder.
fn library(line: &str) -> Option<Library> {
    let mut words = line.split(' ');
    let (tool, name) = (words.next()?.into(), words.next()?.into());
    let denied = match (words.next()?, words.next()) {
        ("missing", None) => Fact::Absent,
        ("denied", Some(path)) => Fact::Known(path.into()),
        _ => return None,
    };
    Some(Library { name, tool, denied })
}

/// `writable`, `denied`, `other-writable`, `other-denied`.
fn null_device(word: &str) -> Option<NullDevice> {
    match word {
        "writable" => Some(NullDevice::Writable),
        "denied" => Some(NullDevice::Denied),
        "other-writable" => Some(NullDevice::OtherWritable),
        "other-denied" => Some(NullDevice::OtherDenied),
        _ => None,
    }
}

/// `1777 yes rw 4096 65536 65000 524288 524200`: mode, writable, how it is mounted, size of a block, blocks, those free, inodes, those
/// free.
fn shared_memory(detail: &str) -> Option<SharedMemory> {
    let words = words(detail);
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    let limited = |limit: Option<u64>, value: Option<u64>| match (limit, value) {
        (Some(0), _) => Fact::Absent,
        (Some(_), Some(value)) => Fact::Known(value),
        _ => Fact::unreadable("`stat -f` printed something else"),
    };
    let bytes = |blocks: Option<u64>| Some(blocks?.saturating_mul(number(3)?));
    Some(SharedMemory {
        mode: u32::from_str_radix(words.first()?, 8).map_or(Fact::unreadable("`stat` printed no mode"), Fact::Known),
        writable: Fact::Known(*words.get(1)? == "yes"),
        is_read_only: Fact::Known(*words.get(2)? == "ro"),
        bytes_free: limited(number(4), bytes(number(5))),
        inodes_free: limited(number(6), number(7)),
        size: limited(number(4), bytes(number(4))),
    })
}

/// `found missing`: Amazon Root CA 1 and Starfield Services Root G2.
fn trust_store(detail: &str) -> Option<TrustStore> {
    let anchor = |word: &str| match word {
        "found" => Some(Anchor::Found),
        "missing" => Some(Anchor::Missing),
        "denied" => Some(Anchor::Denied),
        "without-link" => Some(Anchor::WithoutLink),
        _ => None,
    };
    let words = words(detail);
    Some(TrustStore {
        amazon_root_ca_1: Fact::Known(anchor(words.first()?)?),
        starfield_services_root_g2: Fact::Known(anchor(words.get(1)?)?),
        signers_root: Fact::NotGathered,
    })
}

/// `200 0.003` and, where the answer had a `Date:`, our own clock and that date.
fn answer(section: &Section) -> Option<Fact<ImdsAnswer>> {
    let mut fields = section.detail.splitn(4, ' ');
    let (status, seconds) = (fields.next()?, fields.next()?);
    let now: Option<i64> = fields.next().and_then(|now| now.parse().ok());
    let date = fields.next().and_then(|date| parse::parse_http_date(date.as_bytes()).value);
    let clock_ahead = now.zip(date).map_or(Fact::Absent, |(now, date)| Fact::Known(now.saturating_sub(date)));
    let status = status.parse().ok().filter(|status| *status > 0)?;
    // Some locales write a comma; a hostile number becomes none.
    let seconds: f64 = seconds.trim().replace(',', ".").parse().unwrap_or(0.0);
    let latency_ms = (seconds * 1_000.0).clamp(0.0, 60_000.0) as u32;
    let body = section.body.trim_ascii_end();
    let body = body.get(..256).unwrap_or(body);
    Some(Fact::Known(ImdsAnswer { status, body: Untrusted::from_bytes(body), latency_ms, clock_ahead }))
}

/// curl(1), exit codes.
fn curl_reason(status: &str) -> String {
    match status {
        "7" => "connection refused or no route to host".to_owned(),
        "28" => "timed out after 1 s".to_owned(),
        "52" => "the server closed without an answer".to_owned(),
        "56" => "connection reset by peer".to_owned(),
        other => format!("`curl` ended with status {}", short(other)),
    }
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
