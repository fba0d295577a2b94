//! The `ec2-instance-connect` package and the files of its keys command.

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PackageFacts {
    /// The package manager whose database is on this system.
    pub manager: Fact<PackageManager>,
    /// `ec2-instance-connect`; absent when the database was read and has no installed package of that name.
    pub ec2_instance_connect: Fact<Package>,
    /// `ec2-instance-connect-selinux`, on rpm systems.
    pub selinux: Fact<Package>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageManager {
    Dpkg,
    Rpm,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Package {
    pub name: Untrusted,
    /// Upstream version and distribution release as the package manager prints them: `1.1.12+dfsg1-0ubuntu3`, `1.1-19.amzn2023`.
    pub version: Untrusted,
    /// dpkg: the third word of `Status:` (`installed`, `half-configured`, `unpacked`, …). rpm: `installed`.
    pub state: Untrusted,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeysCommandFacts {
    /// Each file that the keys command of this system needs, with the folders that lead to it: the known places of
    /// EC2 Instance Connect (`/opt/aws/bin`, `/usr/share/ec2-instance-connect`) and the command that the running sshd names.
    pub files: Fact<Vec<FileState>>,
    /// What asks IMDS, the second of the three scripts or the one program, has the name of a token's header; absent when there is no such
    /// file.
    pub knows_tokens: Fact<bool>,
}

/// What `lstat` says, and `stat` where it is a symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    pub path: Untrusted,
    /// Absent, unreadable (and why), or what it is.
    pub state: Fact<FileType>,
    /// Permission bits, the lower 12 of `st_mode`.
    #[serde(default)]
    pub mode: Fact<u32>,
    #[serde(default)]
    pub uid: Fact<u32>,
    #[serde(default)]
    pub gid: Fact<u32>,
    /// Where a symbolic link leads at last.
    #[serde(default)]
    pub target: Fact<Untrusted>,
    /// In bytes, of a regular file.
    #[serde(default, skip_serializing_if = "is_not_gathered")]
    pub size: Fact<u64>,
}

fn is_not_gathered<T>(fact: &Fact<T>) -> bool {
    matches!(fact, Fact::NotGathered)
}

/// The type of the file that a path leads to, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileType {
    Regular,
    Directory,
    Other,
}

/// Where a path leads once the links on its way are followed, as far as these states tell of links.
pub fn real_path(files: &[FileState], path: &str) -> String {
    // The deepest link on the way: its target is the whole real path up to there, and below it there is no other.
    let mut above = path;
    while !above.is_empty() {
        let state = files.iter().find(|file| file.path.raw() == above);
        if let Some(target) = state.and_then(|state| state.target.known()) {
            let below = path.strip_prefix(above).unwrap_or_default();
            return format!("{}{below}", target.raw().trim_end_matches('/'));
        }
        above = above.rsplit_once('/').map_or("", |(folder, _)| folder);
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_on_the_way_are_followed() {
        let link = |path: &str, target: &str| FileState {
            path: path.into(),
            state: Fact::Known(FileType::Directory),
            mode: Fact::Known(0o755),
            uid: Fact::Known(0),
            gid: Fact::Known(0),
            target: Fact::Known(target.into()),
            size: Fact::NotGathered,
        };
        let files = [link("/opt", "/data/opt"), link("/opt/aws", "/srv/aws")];
        assert_eq!(real_path(&files, "/opt/aws/bin/eic_run_authorized_keys"), "/srv/aws/bin/eic_run_authorized_keys");
        assert_eq!(real_path(&files, "/opt/other"), "/data/opt/other");
        assert_eq!(real_path(&files, "/usr/bin/eic-run"), "/usr/bin/eic-run");
    }
}
