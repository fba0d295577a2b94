//! Denials in the log of auditd(8).
//!
//! ```text
//! type=AVC msg=audit(1732467890.123:456): avc:  denied  { name_connect } for  pid=1234 comm="curl" dest=80 \
//!   scontext=system_u:system_r:sshd_t:s0-s0:c0.c1023 tcontext=system_u:object_r:http_port_t:s0 tclass=tcp_socket permissive=0
//! ```

use eic_doctor_proto::Untrusted;

use crate::facts::Denial;

use super::{Parsed, text};

/// Lines of other types are none of our business; a denial of another form is not understood.
pub fn parse_audit(bytes: &[u8]) -> Parsed<Vec<Denial>> {
    let mut parsed = Parsed::<Vec<Denial>>::default();
    for line in text(bytes).lines() {
        if !line.starts_with("type=AVC ") {
            continue;
        }
        match denial(line) {
            Some(denial) => parsed.value.push(denial),
            // What is granted is written down too where the policy says `auditallow`.
            None if line.contains("avc:  granted") => {}
            None => parsed.pass_over(line),
        }
    }
    parsed
}

fn denial(line: &str) -> Option<Denial> {
    let (_, stamped) = line.split_once("msg=audit(")?;
    let (stamp, rest) = stamped.split_once("):")?;
    let at = stamp.split(['.', ':']).next()?.parse().ok()?;
    let (_, denied) = rest.split_once("denied")?;
    let (permissions, rest) = denied.trim_start().strip_prefix('{')?.split_once('}')?;
    let field = |name: &str| rest.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    Some(Denial {
        at,
        permissions: short(permissions.trim()),
        command: short(field("comm")?.trim_matches('"')),
        source: short(type_of(field("scontext")?)?),
        target: short(type_of(field("tcontext")?)?),
        class: short(field("tclass")?),
        is_permissive: field("permissive") == Some("1"),
    })
}

/// `system_u:system_r:sshd_t:s0` → `sshd_t`.
fn type_of(context: &str) -> Option<&str> {
    context.split(':').nth(2)
}

fn short(text: &str) -> Untrusted {
    text.chars().take(64).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_read_and_what_was_granted_is_passed_over_in_silence() {
        let log = b"type=AVC msg=audit(1732467890.123:456): avc:  denied  { read open } for  pid=7 comm=\"ssh-keygen\" path=\"/dev/shm/eic-x/0-key\" dev=\"tmpfs\" ino=2 scontext=system_u:system_r:ssh_keygen_t:s0-s0:c0.c1023 tcontext=system_u:object_r:sshd_tmpfs_t:s0 tclass=file permissive=0\n\
            type=AVC msg=audit(1732467891.1:457): avc:  granted  { setsecparam } for  pid=7 comm=\"x\" scontext=a:b:c tcontext=a:b:c tclass=security\n\
            type=SYSCALL msg=audit(1732467890.123:456): arch=c000003e syscall=257 success=no\n\
            type=AVC msg=audit(1732467892.9:458): avc:  denied  nonsense\n";
        let parsed = parse_audit(log);
        let [denial] = parsed.value.as_slice() else { panic!("{parsed:?}") };
        assert_eq!(
            (denial.at, denial.permissions.raw(), denial.command.raw()),
            (1_732_467_890, "read open", "ssh-keygen")
        );
        assert_eq!((denial.source.raw(), denial.target.raw()), ("ssh_keygen_t", "sshd_tmpfs_t"));
        assert!(!denial.is_permissive);
        assert_eq!(parsed.not_understood.len(), 1);
    }
}
