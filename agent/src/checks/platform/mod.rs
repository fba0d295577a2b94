//! What a remedy must know of the operating system: its package manager, its unit, its usual user.

use eic_doctor_proto::Command;

use crate::facts::{OsFacts, OsRelease, PackageManager};

/// AWS's bucket for RHEL and CentOS Stream. Source: EC2 User Guide, "Install EC2 Instance Connect on your EC2 instances".
const BUCKET: &str = "https://amazon-ec2-instance-connect-us-west-2.s3.us-west-2.amazonaws.com/latest";

/// What to say where neither AWS nor the distribution offers the package.
pub const NO_PACKAGE: &str = "neither AWS nor this distribution offers the package `ec2-instance-connect`: build it from \
     aws/aws-ec2-instance-connect-config, or log in with a key pair or by Session Manager";

/// Installs `ec2-instance-connect` on this operating system, or `None` where there is no package.
pub fn install(facts: &OsFacts) -> Option<Command> {
    let name = "ec2-instance-connect";
    match source(facts)? {
        Source::Apt => {
            let refresh = Command::new("apt-get").arg("update");
            Some(refresh.and(Command::new("apt-get").args(["install", "-y", name])))
        }
        Source::Repository(program) => Some(Command::new(program).args(["install", "-y", name])),
        Source::Bucket(files) => Some(Command::new("dnf").args(["install", "-y"]).args(files)),
    }
}

/// Installs the SELinux policy that the keys command needs, from where the package comes from.
pub fn install_selinux(facts: &OsFacts) -> Option<Command> {
    match source(facts)? {
        Source::Apt => None,
        Source::Repository(program) => {
            Some(Command::new(program).args(["install", "-y", "ec2-instance-connect-selinux"]))
        }
        Source::Bucket([_, policy]) => Some(Command::new("dnf").args(["install", "-y"]).arg(policy)),
    }
}

/// Puts the package's files back as they were, and runs its maintainer scripts again.
pub fn reinstall(facts: &OsFacts) -> Option<Command> {
    let name = "ec2-instance-connect";
    match source(facts)? {
        Source::Apt => Some(Command::new("apt-get").args(["install", "--reinstall", "-y", name])),
        Source::Repository(program) => Some(Command::new(program).args(["reinstall", "-y", name])),
        Source::Bucket(files) => Some(Command::new("dnf").args(["reinstall", "-y"]).args(files)),
    }
}

/// Brings the package to the newest version that is offered.
pub fn upgrade(facts: &OsFacts) -> Option<Command> {
    let names = ["ec2-instance-connect", "ec2-instance-connect-selinux"];
    match manager(facts)? {
        PackageManager::Dpkg => {
            let refresh = Command::new("apt-get").arg("update");
            let install = Command::new("apt-get").args(["install", "--only-upgrade", "-y", "ec2-instance-connect"]);
            Some(refresh.and(install))
        }
        PackageManager::Rpm if is_amazon_linux_2(facts) => Some(Command::new("yum").args(["update", "-y"]).args(names)),
        PackageManager::Rpm => Some(Command::new("dnf").args(["upgrade", "-y"]).args(names)),
    }
}

pub fn is_amazon_linux_2(facts: &OsFacts) -> bool {
    facts.system.os_release.known().is_some_and(|os| os.id.raw() == "amzn" && os.version_id.raw() == "2")
}

/// Installs an OpenSSH server.
pub fn install_sshd(facts: &OsFacts) -> Option<Command> {
    match (manager(facts)?, facts.system.os_release.known()) {
        (PackageManager::Dpkg, _) => Some(Command::new("apt-get").args(["install", "-y", "openssh-server"])),
        (PackageManager::Rpm, Some(os)) if os.id.raw() == "amzn" && os.version_id.raw() == "2" => {
            Some(Command::new("yum").args(["install", "-y", "openssh-server"]))
        }
        (PackageManager::Rpm, _) => Some(Command::new("dnf").args(["install", "-y", "openssh-server"])),
    }
}

/// Puts an OpenSSH server's files back that its package has brought.
pub fn reinstall_sshd(facts: &OsFacts) -> Option<Command> {
    match (manager(facts)?, facts.system.os_release.known()) {
        (PackageManager::Dpkg, _) => {
            Some(Command::new("apt-get").args(["install", "--reinstall", "-y", "openssh-server"]))
        }
        (PackageManager::Rpm, Some(os)) if os.id.raw() == "amzn" && os.version_id.raw() == "2" => {
            Some(Command::new("yum").args(["reinstall", "-y", "openssh-server"]))
        }
        (PackageManager::Rpm, _) => Some(Command::new("dnf").args(["reinstall", "-y", "openssh-server"])),
    }
}

/// The unit of sshd: what systemd calls it here, else what this family calls it.
pub fn unit(facts: &OsFacts) -> &'static str {
    match facts.sshd.unit.known().map(|unit| unit.name.raw()) {
        Some("ssh.service") => "ssh.service",
        Some("sshd.service") => "sshd.service",
        _ if manager(facts) == Some(PackageManager::Dpkg) => "ssh.service",
        _ => "sshd.service",
    }
}

/// Starts an sshd that failed to start: systemd gives up after some tries, and counts those until it is told to forget them.
pub fn restart_failed(facts: &OsFacts) -> Command {
    let systemctl = |verb: &str| Command::new("systemctl").args([verb, unit(facts)]);
    systemctl("reset-failed").and(systemctl("restart"))
}

/// The package manager whose database was found, else the one that this operating system comes with.
pub fn manager(facts: &OsFacts) -> Option<PackageManager> {
    facts.package.manager.known().copied().or_else(|| {
        let os = facts.system.os_release.known()?;
        if is_like(os, &["debian", "ubuntu"]) {
            Some(PackageManager::Dpkg)
        } else if is_like(os, &["amzn", "rhel", "centos", "fedora", "suse", "sles"]) {
            Some(PackageManager::Rpm)
        } else {
            None
        }
    })
}

/// Debian and what descends from it patch OpenSSH so that group-writable files are taken as long as the group is the owner's alone.
pub fn tolerates_group_write(facts: &OsFacts) -> bool {
    manager(facts) == Some(PackageManager::Dpkg)
}

/// The user that AWS names for the images of this operating system.
///
/// Source: EC2 User Guide, "Troubleshoot issues connecting to your Amazon EC2 Linux instance".
pub fn usual_user(facts: &OsFacts) -> Option<&'static str> {
    let os = facts.system.os_release.known()?;
    match os.id.raw() {
        "ubuntu" => Some("ubuntu"),
        "debian" => Some("admin"),
        "rocky" => Some("rocky"),
        "amzn" | "rhel" | "centos" | "fedora" | "sles" | "ol" | "almalinux" => Some("ec2-user"),
        _ => None,
    }
}

/// The name that a person reads: `Amazon Linux 2023.6`, else `amzn 2023`.
pub fn name(os: &OsRelease) -> String {
    if os.pretty_name.raw().is_empty() { format!("{} {}", os.id, os.version_id) } else { os.pretty_name.to_string() }
}

enum Source {
    Apt,
    Repository(&'static str),
    Bucket([String; 2]),
}

fn source(facts: &OsFacts) -> Option<Source> {
    let os = facts.system.os_release.known()?;
    let major = os.version_id.raw().split('.').next().unwrap_or_default();
    match (os.id.raw(), major) {
        ("ubuntu", _) => Some(Source::Apt),
        ("amzn", "2") => Some(Source::Repository("yum")),
        ("amzn", "2023") => Some(Source::Repository("dnf")),
        ("rhel" | "centos" | "almalinux" | "rocky", "8" | "9") => {
            let machine = facts.system.machine.known().map(String::as_str);
            let (folder, machine) = match machine {
                Some("x86_64") => ("linux_amd64", "x86_64"),
                Some("aarch64") => ("linux_arm64", "aarch64"),
                _ => return None,
            };
            Some(Source::Bucket([
                format!("{BUCKET}/{folder}/ec2-instance-connect-2.0.0-5.rhel{major}.{machine}.rpm"),
                format!("{BUCKET}/{folder}/ec2-instance-connect-selinux-2.0.0-5.noarch.rpm"),
            ]))
        }
        _ => None,
    }
}

fn is_like(os: &OsRelease, ids: &[&str]) -> bool {
    ids.contains(&os.id.raw()) || os.id_like.iter().any(|like| ids.contains(&like.raw()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::healthy;

    #[test]
    fn each_supported_operating_system_has_its_own_install_command() {
        let install = |world: healthy::World| install(&world.facts).map(|command| command.to_string());
        assert_eq!(install(healthy::al2()).as_deref(), Some("yum install -y ec2-instance-connect"));
        assert_eq!(install(healthy::al2023()).as_deref(), Some("dnf install -y ec2-instance-connect"));
        assert_eq!(
            install(healthy::ubuntu_2204()).as_deref(),
            Some("apt-get update && apt-get install -y ec2-instance-connect")
        );
        let rhel = install(healthy::rhel9()).unwrap();
        assert!(rhel.starts_with("dnf install -y https://") && rhel.contains("rhel9.x86_64.rpm"), "{rhel}");
        assert_eq!(install(healthy::debian_12()), None);
    }
}
