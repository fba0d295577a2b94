//! What the keys command would meet on the host, seen by a child that has become the keys user, in the running sshd's own namespaces.

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeysUserFacts {
    /// The namespaces of the running sshd that are not those of whoever gathers, and that the child has joined.
    pub namespaces: Fact<Vec<Namespace>>,
    /// The keys command's programs, their interpreters, and what else is read: `/etc/passwd` and the hardware's identity.
    pub files: Fact<Vec<Access>>,
    /// The programs that the scripts of 1.x call (`domain.md` §3.2, row 19).
    pub tools: Fact<Vec<Tool>>,
    /// What keeps those programs from starting; empty when the loader finds and may open all that they are linked with.
    pub libraries: Fact<Vec<Library>>,
    /// `/dev/null`; absent when there is no such file.
    pub null_device: Fact<NullDevice>,
    /// `/dev/shm`; absent when there is no such folder.
    pub shared_memory: Fact<SharedMemory>,
    /// `/dev/log`; absent when there is no such file.
    pub dev_log: Fact<DevLog>,
    /// The first three characters of `/sys/hypervisor/uuid`; absent on all instances but those on Xen.
    pub hypervisor_uuid: Fact<Untrusted>,
    /// `/sys/devices/virtual/dmi/id/board_asset_tag`.
    pub board_asset_tag: Fact<Untrusted>,
    /// `/etc/ssl/certs`, a folder of certificates by their names' hashes; absent when there is no such folder.
    pub certificates_folder: Fact<TrustStore>,
    /// `/etc/ssl/certs/ca-bundle.crt`; absent when there is no such file.
    pub certificates_bundle: Fact<TrustStore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    Mount,
    Network,
}

/// What access(2) answers for one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Access {
    pub path: Untrusted,
    /// Absent when there is no such file.
    pub read: Fact<bool>,
    pub run: Fact<bool>,
    /// Where its file system is mounted, if it is mounted `noexec`; absent if it is not.
    pub noexec_mount: Fact<Untrusted>,
    /// What its first line names after `#!`; absent when it has no such line.
    pub interpreter: Fact<Untrusted>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tool {
    pub name: Untrusted,
    /// The folders, among those of sshd's `PATH` and in its order, in which it can be run.
    pub folders: Vec<Untrusted>,
    /// Those in which it is and cannot be run.
    pub denied: Vec<Untrusted>,
    /// The program at the end of links where it has another name than the tool: `busybox`. Of the first folder.
    pub program: Fact<Untrusted>,
}

/// A shared library, or the loader itself, that a tool cannot be started without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Library {
    /// As the program names it: `libcurl.so.4`.
    pub name: Untrusted,
    /// The first tool that wants it, itself or by way of another library.
    pub tool: Untrusted,
    /// The file, or the first folder above it, that the keys user may not open; absent when the library is nowhere.
    pub denied: Fact<Untrusted>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NullDevice {
    /// The keys user may write to it.
    Writable,
    Denied,
    /// Another file has its name, which the keys user may write or not.
    OtherWritable,
    OtherDenied,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SharedMemory {
    /// Permission bits.
    pub mode: Fact<u32>,
    /// Files can be made in it, as far as permissions and a read-only mount say.
    pub writable: Fact<bool>,
    pub is_read_only: Fact<bool>,
    /// Bytes and inodes that are free for the keys user; absent where there is no limit.
    pub bytes_free: Fact<u64>,
    pub inodes_free: Fact<u64>,
    /// The size of the whole file system in bytes; absent where there is no limit.
    pub size: Fact<u64>,
}

/// What connecting to `/dev/log` came to. Nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DevLog {
    /// Somebody reads there.
    Listening,
    /// Somebody should read there and has not for two seconds: a message would wait.
    Full,
    /// Nobody reads there.
    Refused,
    /// The keys user may not write there.
    Denied,
    /// It is no socket for log messages.
    NoSocket,
}

/// Where certificate authorities are kept, as far as the keys command's anchor goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrustStore {
    pub amazon_root_ca_1: Fact<Anchor>,
    pub starfield_services_root_g2: Fact<Anchor>,
    /// What signed the signer's intermediate certificate, as IMDS has it now; not gathered when IMDS has none.
    pub signers_root: Fact<Anchor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anchor {
    Found,
    Missing,
    /// It is there, and the keys user may not read it.
    Denied,
    /// In a folder: the certificate is there, the link by which OpenSSL finds it is not.
    WithoutLink,
}
