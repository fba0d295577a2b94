//! The access files of TCP wrappers, and whether sshd reads them at all.

use eic_doctor_proto::{Attempt, Fact, Untrusted};

use crate::facts::{AccessLine, AccessList, HostsAccessFacts};
use crate::parse;

use super::host::Host;

const LINES: usize = 512;
const LISTS: usize = 8;
/// sshd's program, and the one that serves a session since OpenSSH 9.8.
const PROGRAMS: [&str; 3] = ["/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", "/usr/libexec/openssh/sshd-session"];

pub(super) fn gather_hosts_access(host: &dyn Host, attempt: &Attempt) -> HostsAccessFacts {
    let allow = gather_lines(host, "/etc/hosts.allow", attempt);
    let deny = gather_lines(host, "/etc/hosts.deny", attempt);
    let mut paths: Vec<Untrusted> = Vec::new();
    for lines in [&allow, &deny].into_iter().filter_map(Fact::known) {
        for path in lines.iter().flat_map(|line| &line.clients).filter(|client| client.raw().starts_with('/')) {
            if !paths.contains(path) && paths.len() < LISTS {
                paths.push(path.clone());
            }
        }
    }
    let list = |path: Untrusted| AccessList {
        clients: host.read(path.raw()).map(|bytes| parse::parse_access_list(&bytes).value),
        path,
    };
    let says_something = |lines: &Fact<Vec<AccessLine>>| match lines {
        Fact::Known(lines) => !lines.is_empty(),
        Fact::Unreadable(_) => true,
        Fact::Absent | Fact::NotGathered => false,
    };
    let is_asked = says_something(&allow) || says_something(&deny);
    HostsAccessFacts {
        sshd_reads_them: if is_asked { gather_library(host) } else { Fact::NotGathered },
        allow,
        deny,
        lists: paths.into_iter().map(list).collect(),
    }
}

fn gather_lines(host: &dyn Host, path: &str, attempt: &Attempt) -> Fact<Vec<AccessLine>> {
    let lines = match host.read(path) {
        Fact::Known(bytes) => parse::parse_hosts_access(&bytes).value,
        Fact::Absent => return Fact::Absent,
        Fact::Unreadable(why) => return Fact::unreadable(format!("{path}: {}", why.reason)),
        Fact::NotGathered => return Fact::NotGathered,
    };
    let lines: Vec<AccessLine> = lines.into_iter().filter(|line| may_matter(line, attempt)).collect();
    if lines.len() > LINES {
        return Fact::unreadable(format!("{path}: it has {} lines about sshd; at most {LINES} are kept", lines.len()));
    }
    Fact::Known(lines)
}

/// Not a line about another service; nor, of the thousands that a tool may write, one about another address than the source.
fn may_matter(line: &AccessLine, attempt: &Attempt) -> bool {
    let may_be_sshd = |daemon: &Untrusted| {
        let name = daemon.raw().split('@').next().unwrap_or_default();
        ["sshd", "ALL", "EXCEPT"].iter().any(|word| name.eq_ignore_ascii_case(word)) || name.contains(['*', '?', '/'])
    };
    let is_another = |client: &Untrusted| match (client.raw().parse::<std::net::IpAddr>(), attempt.source) {
        (Ok(address), Some(source)) => !source.contains(&address),
        _ => false,
    };
    line.daemons.iter().any(may_be_sshd) && !line.clients.iter().all(is_another)
}

/// A program names the libraries that it needs; sshd on AL2, Debian and Ubuntu has libwrap among them, later ones of Red Hat's kin have not.
fn gather_library(host: &dyn Host) -> Fact<bool> {
    let mut found = Fact::unreadable("there is no program of sshd's to look at");
    for program in PROGRAMS {
        match host.contains(program, "libwrap.so") {
            Fact::Known(true) => return Fact::Known(true),
            Fact::Known(false) => found = Fact::Known(false),
            Fact::Absent => {}
            Fact::Unreadable(why) => return Fact::unreadable(format!("{program}: {}", why.reason)),
            Fact::NotGathered => return Fact::NotGathered,
        }
    }
    found
}
