//! The host and the metadata service as the keys user meets them: a child process of ourselves that joins the running sshd's namespaces
//! and becomes that user.
//!
//! An owner-match firewall rule may let root through and the keys user not (`domain.md` §0.1, 4), an access list may let the keys user
//! through where modes do not, and a unit's settings may show sshd another `/dev/shm`: so looking as root says nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::time::Duration;

use eic_doctor_proto::{Fact, OsUser};
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use serde::{Deserialize, Serialize};

use crate::facts::{ImdsView, KeysUserFacts, Namespace, SharedMemory, Signer};

use crate::parse::{self, GroupLine};

use super::host::{KeysUserQuestion, KeysUserView};
use super::{imds, keys_user, real, run};

/// The hidden subcommand of `eic-doctor-agent` that prints one [`KeysUserView`] as JSON.
pub const KEYS_USER_VIEW_COMMAND: &str = "keys-user-view";

/// More than the keys user has in any package.
const GROUPS: usize = 1024;
/// The child looks at files and at `/dev/log` besides.
const TIMEOUT: Duration = Duration::from_secs(imds::VIEW_TIMEOUT.as_secs() + 3);

/// What the child is told.
#[derive(Clone, Debug)]
pub struct KeysUserViewArgs {
    pub os_user: OsUser,
    /// The program of AuthorizedKeysCommand, where one is configured.
    pub program: Option<String>,
    /// A process whose namespaces are to be joined.
    pub process: Option<u32>,
    /// Whom to become.
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

/// What the child does. It must have no thread yet: only a process without others may change its mount namespace (setns(2)).
pub fn print_keys_user_view(args: &KeysUserViewArgs, out: &mut dyn Write) -> io::Result<()> {
    let namespaces = args.process.map_or(Ok(Vec::new()), join_namespaces);
    // What the files of another namespace are like, says nothing.
    let namespaces = match namespaces {
        Ok(joined) => joined,
        Err(error) => return Err(io::Error::other(format!("join sshd's namespaces: {}", run::reason(&error)))),
    };
    become_user(&args.name, args.uid, args.gid)
        .map_err(|error| io::Error::other(format!("become {}: {}", args.name, run::reason(&error))))?;
    let asked = run::runtime()?.block_on(imds::whole(imds::ADDRESS, &args.os_user));
    let facts = keys_user::look(args.program.as_deref(), asked.root.as_deref());
    let told = Told {
        imds: asked.view,
        facts: KeysUserFacts { namespaces: Fact::Known(namespaces), ..facts },
        signer: asked.signer,
    };
    serde_json::to_writer(out, &told).map_err(io::Error::other)
}

/// What the child tells.
#[derive(Default, Serialize, Deserialize)]
struct Told {
    imds: ImdsView,
    facts: KeysUserFacts,
    signer: Fact<Signer>,
}

/// Enters the mount and network namespaces of this process, as far as they are not ours, and tells those that are its own: not the
/// system's, as ours is not either where our unit shuts us in.
fn join_namespaces(pid: u32) -> io::Result<Vec<Namespace>> {
    let mut found = Vec::new();
    for (name, namespace, flag) in
        [("net", Namespace::Network, CloneFlags::CLONE_NEWNET), ("mnt", Namespace::Mount, CloneFlags::CLONE_NEWNS)]
    {
        let path = format!("/proc/{pid}/ns/{name}");
        let theirs = fs::read_link(&path)?;
        if theirs != fs::read_link(format!("/proc/self/ns/{name}"))? {
            let is_its_own = fs::read_link(format!("/proc/1/ns/{name}")).ok().is_none_or(|systems| systems != theirs);
            found.push((File::open(&path)?, is_its_own.then_some(namespace), flag));
        }
    }
    for (file, _, flag) in &found {
        setns(file, *flag)?;
    }
    Ok(found.into_iter().filter_map(|(_, namespace, _)| namespace).collect())
}

/// As sshd does it before it starts a keys command (OpenSSH, misc.c: `subprocess`), but for the groups that only a directory service knows:
/// `initgroups(3)` of a static program would load the host's libraries for the name service into it.
fn become_user(name: &str, uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let lines = real::read("/etc/group").map(|bytes| parse::parse_group(&bytes).value).unwrap_or_default();
    let is_member = |line: &&GroupLine| line.members.iter().any(|member| member.raw() == name);
    let groups = lines.iter().filter(is_member).take(GROUPS).map(|line| Gid::from_raw(line.gid));
    setgroups(&[gid].into_iter().chain(groups).collect::<Vec<_>>())?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    Ok(())
}

/// What is wrong with `/dev/shm` for everybody, root sees too; what the keys user may do there nobody can try.
fn without_keys_user() -> KeysUserView {
    const WHY: &str = "the keys user does not exist";
    let mut view = KeysUserView::unreadable(WHY);
    view.facts.shared_memory =
        keys_user::shared_memory().map(|found| SharedMemory { writable: Fact::unreadable(WHY), ..found });
    view
}

pub(super) fn view_as(question: &KeysUserQuestion<'_>, we_are_root: bool) -> KeysUserView {
    let account = match question.account {
        Fact::Known(account) => account,
        Fact::Absent => return without_keys_user(),
        Fact::Unreadable(why) => return KeysUserView::unreadable(&format!("the keys user: {}", why.reason)),
        Fact::NotGathered => return KeysUserView::default(),
    };
    if !we_are_root {
        return KeysUserView::unreadable(&format!("needs root to become {}", account.name));
    }
    // The link of our own process leads to our program also where the keys user could not walk to it.
    let mut command = run::command("/proc/self/exe");
    command.args([KEYS_USER_VIEW_COMMAND, "--os-user", question.os_user.as_str()]);
    command.args(["--uid".to_owned(), account.uid.to_string(), "--gid".to_owned(), account.gid.to_string()]);
    command.arg(format!("--name={}", account.name.raw()));
    if let Some(program) = &question.program {
        command.arg(format!("--program={program}"));
    }
    if let Some(process) = question.process {
        command.args(["--process".to_owned(), process.to_string()]);
    }
    // The child keeps the view's own limit; this one is for a child that does not even start.
    let ran = match run::run(command, TIMEOUT) {
        Fact::Known(ran) => ran,
        Fact::Absent => return KeysUserView::unreadable("our own program is not there any more"),
        Fact::Unreadable(why) => {
            return KeysUserView::unreadable(&format!("become {}: {}", account.name, why.reason));
        }
        Fact::NotGathered => return KeysUserView::default(),
    };
    match serde_json::from_slice::<Told>(&ran.stdout) {
        Ok(Told { imds, facts, signer }) if ran.status == Some(0) => KeysUserView { imds, facts, signer },
        _ => KeysUserView::unreadable(&ran.reason(&format!("looking as {}", account.name))),
    }
}
