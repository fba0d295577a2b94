//! `/etc/selinux/config`: the name of the policy.

use eic_doctor_proto::Untrusted;

use super::{Parsed, text};

/// The value of `SELINUXTYPE`; `None` when there is none.
pub fn parse_selinux_config(bytes: &[u8]) -> Parsed<Option<Untrusted>> {
    let mut parsed = Parsed::<Option<Untrusted>>::default();
    for line in text(bytes).lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) if name.trim() == "SELINUXTYPE" => {
                parsed.value = Some(value.trim().chars().take(64).collect::<String>().into());
            }
            Some(_) => {}
            None => parsed.pass_over(line),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_policy_is_read_past_comments() {
        let parsed =
            parse_selinux_config(b"# SELINUXTYPE= can be\nSELINUX=enforcing\nSELINUXTYPE=targeted \nrubbish\n");
        assert_eq!(parsed.value, Some("targeted".into()));
        assert_eq!(parsed.not_understood, ["rubbish".into()]);
    }
}
