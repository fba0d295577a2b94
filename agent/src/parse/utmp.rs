//! `utmp(5)`: who is logged in with a terminal.

use eic_doctor_proto::Untrusted;

use super::Parsed;

/// A login that is not over, by its own account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UtmpLogin {
    pub pid: u32,
    pub user: Untrusted,
}

/// `struct utmp` of glibc, whose times are wider on some machines.
fn size(machine: &str) -> Option<usize> {
    match machine {
        "x86_64" | "i686" | "ppc64le" => Some(384),
        "aarch64" => Some(400),
        _ => None,
    }
}

const USER_PROCESS: [u8; 2] = [7, 0];

/// `None` on a machine whose records are not known, and where the file is not made of whole ones.
pub fn parse_utmp(bytes: &[u8], machine: &str) -> Parsed<Option<Vec<UtmpLogin>>> {
    let size = size(machine).filter(|size| bytes.len().is_multiple_of(*size));
    let logins = size.map(|size| bytes.chunks_exact(size).filter_map(login).collect());
    Parsed { value: logins, not_understood: Vec::new() }
}

fn login(record: &[u8]) -> Option<UtmpLogin> {
    let kind = record.get(..2)?;
    let pid = u32::from_le_bytes(record.get(4..8)?.try_into().ok()?);
    let user = record.get(44..76)?.split(|byte| *byte == 0).next()?;
    (kind == USER_PROCESS && !user.is_empty()).then(|| UtmpLogin { pid, user: Untrusted::from_bytes(user) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_told_from_other_records() {
        let mut boot = vec![0; 384];
        boot[0] = 2;
        boot[44..50].copy_from_slice(b"reboot");
        let mut session = vec![0; 384];
        session[0] = 7;
        session[4] = 42;
        session[44..52].copy_from_slice(b"ec2-user");
        let bytes = [boot, session].concat();
        let found = parse_utmp(&bytes, "x86_64").value.unwrap();
        assert_eq!(found, [UtmpLogin { pid: 42, user: "ec2-user".into() }]);
        assert_eq!(parse_utmp(&bytes, "aarch64").value, None);
        assert_eq!(parse_utmp(&bytes, "s390x").value, None);
    }
}
