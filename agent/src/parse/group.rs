//! Lines of `group(5)`, from the file or from `getent group`.

use eic_doctor_proto::Untrusted;

use super::{Parsed, text};

/// A line of `group(5)` without the password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupLine {
    pub name: Untrusted,
    pub gid: u32,
    /// Those for whom it is a supplementary group.
    pub members: Vec<Untrusted>,
}

pub fn parse_group(bytes: &[u8]) -> Parsed<Vec<GroupLine>> {
    let mut parsed = Parsed::<Vec<GroupLine>>::default();
    for line in text(bytes).lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match group(line) {
            Some(group) => parsed.value.push(group),
            None => parsed.pass_over(line),
        }
    }
    parsed
}

fn group(line: &str) -> Option<GroupLine> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let gid = fields.next()?.parse().ok()?;
    let members = fields.next()?.split(',').map(str::trim).filter(|member| !member.is_empty());
    let members = members.map(Untrusted::from).collect();
    fields.next().is_none().then(|| GroupLine { name: name.into(), gid, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_listed_and_broken_lines_passed_over() {
        let parsed = parse_group(b"root:x:0:\nadm:x:4:syslog,ubuntu\n+::::\nx:y:-1:\n");
        let found: Vec<_> = parsed.value.iter().map(|group| (group.gid, group.members.len())).collect();
        assert_eq!(found, [(0, 0), (4, 2)]);
        assert_eq!(parsed.not_understood.len(), 2);
    }
}
