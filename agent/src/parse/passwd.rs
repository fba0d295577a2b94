//! Lines of `passwd(5)`, from the file or from `getent passwd`.

use crate::facts::Account;

use super::{Parsed, parse_password_field, text};

pub fn parse_passwd(bytes: &[u8]) -> Parsed<Vec<Account>> {
    let mut parsed = Parsed::<Vec<Account>>::default();
    for line in text(bytes).lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match account(line) {
            Some(account) => parsed.value.push(account),
            None => parsed.pass_over(line),
        }
    }
    parsed
}

fn account(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let password = parse_password_field(fields.next()?);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let _gecos = fields.next()?;
    let home = fields.next()?;
    let shell = fields.next()?;
    fields.next().is_none().then(|| Account {
        name: name.into(),
        uid,
        gid,
        home: home.into(),
        shell: shell.into(),
        password,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_compat_kind_and_broken_ones_are_passed_over() {
        let parsed = parse_passwd(b"root:x:0:0:root:/root:/bin/bash\n+::::::\nx:y\na:x:-1:0::/:/bin/sh\n");
        assert_eq!(parsed.value.len(), 1);
        assert_eq!(parsed.value[0].home.raw(), "/root");
        assert_eq!(parsed.not_understood.len(), 3);
    }
}
