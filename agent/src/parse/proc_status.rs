//! `/proc/PID/status`: who started the process, as whom it runs, in which PID namespace.

use super::{Parsed, text};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcStatus {
    pub name: String,
    pub parent: Option<u32>,
    /// The effective user id.
    pub uid: Option<u32>,
    /// The process lives in a PID namespace below ours: in a container, so it is not this instance's sshd.
    pub is_nested: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_in_a_container_is_told_by_its_second_number() {
        let inner = parse_proc_status(b"Name:\tsshd\nPPid:\t7\nUid:\t0\t0\t0\t0\nNSpid:\t4242\t17\n").value;
        assert_eq!(inner, ProcStatus { name: "sshd".into(), parent: Some(7), uid: Some(0), is_nested: true });
        assert!(!parse_proc_status(b"NSpid:\t4242\n").value.is_nested);
    }
}
