//! `/proc/PID/status`: who started the process, as whom it runs, in which PID namespace, and whether it runs at all; and its control group.

use super::{Parsed, text};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcStatus {
    pub name: String,
    pub parent: Option<u32>,
    /// The effective user id.
    pub uid: Option<u32>,
    /// The process lives in a PID namespace below ours: in a container, so it is not this instance's sshd.
    pub is_nested: bool,
    /// A signal has stopped it (proc(5), state `T`); `None` where no state is told.
    pub is_stopped: Option<bool>,
}

pub fn parse_proc_status(bytes: &[u8]) -> Parsed<ProcStatus> {
    let mut parsed = Parsed::<ProcStatus>::default();
    for line in text(bytes).lines() {
        let Some((field, value)) = line.split_once(':') else {
            parsed.pass_over(line);
            continue;
        };
        let mut values = value.split_whitespace();
        match field {
            // `t` is a debugger's, which lets it go on at once.
            "State" => parsed.value.is_stopped = values.next().map(|state| state == "T"),
            "Name" => parsed.value.name = value.trim().to_owned(),
            "PPid" => parsed.value.parent = values.next().and_then(|value| value.parse().ok()),
            // Real, effective, saved, file system.
            "Uid" => parsed.value.uid = values.nth(1).and_then(|value| value.parse().ok()),
            // One number for each namespace from that of this /proc downwards (proc(5)).
            "NSpid" => parsed.value.is_nested = values.count() > 1,
            _ => {}
        }
    }
    parsed
}

/// The path of the process's group in the one hierarchy of version 2, of `/proc/PID/cgroup` (cgroups(7)): absolute, and without steps up.
pub fn parse_control_group(bytes: &[u8]) -> Option<String> {
    let path = text(bytes).lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned))?;
    let is_straight = path.starts_with('/') && path.len() < 4_096 && !path.split('/').any(|step| step == "..");
    is_straight.then_some(path)
}

/// Whether `cgroup.events` of a group says that it is frozen, by itself or by a group above it; `None` where it says nothing of it.
pub fn parse_is_frozen(bytes: &[u8]) -> Option<bool> {
    text(bytes).lines().find_map(|line| line.strip_prefix("frozen ").map(|value| value.trim() == "1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_in_a_container_is_told_by_its_second_number() {
        let inner = parse_proc_status(b"Name:\tsshd\nPPid:\t7\nUid:\t0\t0\t0\t0\nNSpid:\t4242\t17\n").value;
        let expected =
            ProcStatus { name: "sshd".into(), parent: Some(7), uid: Some(0), is_nested: true, is_stopped: None };
        assert_eq!(inner, expected);
        assert!(!parse_proc_status(b"NSpid:\t4242\n").value.is_nested);
    }

    #[test]
    fn a_stopped_process_is_told_from_one_that_sleeps_and_one_that_is_traced() {
        for (state, expected) in [("T (stopped)", true), ("S (sleeping)", false), ("t (tracing stop)", false)] {
            let status = parse_proc_status(format!("Name:\tsshd\nState:\t{state}\n").as_bytes()).value;
            assert_eq!(status.is_stopped, Some(expected), "{state}");
        }
    }

    #[test]
    fn a_group_is_taken_from_version_2_alone_and_never_leads_up() {
        let both = b"4:memory:/system.slice\n0::/system.slice/ssh.service\n";
        assert_eq!(parse_control_group(both).as_deref(), Some("/system.slice/ssh.service"));
        for path in [&b"1:name=systemd:/\n"[..], b"0::/../../etc\n", b"0::relative\n", b""] {
            assert_eq!(parse_control_group(path), None);
        }
        assert_eq!(parse_is_frozen(b"populated 1\nfrozen 1\n"), Some(true));
        assert_eq!(parse_is_frozen(b"populated 1\nfrozen 0\n"), Some(false));
        assert_eq!(parse_is_frozen(b"populated 1\n"), None);
    }
}
