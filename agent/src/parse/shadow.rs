//! Lines of `shadow(5)`. The password itself is never kept, only of which kind it is.

use crate::facts::{PasswordField, Shadow};

use super::{Parsed, text};

/// The line of `name`, the first of several as getspnam(3) has it; `None` when there is none.
pub fn parse_shadow(bytes: &[u8], name: &str) -> Parsed<Option<Shadow>> {
    let mut parsed = Parsed::<Option<Shadow>>::default();
    for line in text(bytes).lines() {
        if parsed.value.is_none() && line.split(':').next() == Some(name) && !name.is_empty() {
            parsed.value = shadow(line);
            if parsed.value.is_none() {
                // Not the line: it holds a password.
                parsed.pass_over("a line of the wrong form");
            }
        }
    }
    parsed
}

/// The kind of a password field of `passwd(5)` or `shadow(5)`.
pub fn parse_password_field(field: &str) -> PasswordField {
    match field {
        "" => PasswordField::Empty,
        "x" => PasswordField::Shadowed,
        field if field.starts_with('!') => PasswordField::Locked,
        field if field.starts_with('*') => PasswordField::Unmatchable,
        _ => PasswordField::Set,
    }
}

fn shadow(line: &str) -> Option<Shadow> {
    let fields: Vec<&str> = line.split(':').collect();
    let &[_name, password, last_change, _minimum, maximum, _warning, inactive, expires, ..] = fields.as_slice() else {
        return None;
    };
    Some(Shadow {
        password: parse_password_field(password),
        last_change: days(last_change)?,
        maximum: days(maximum)?,
        inactive: days(inactive)?,
        expires: days(expires)?,
    })
}

/// `None`: no number at all. An empty field and a negative one set no limit.
fn days(field: &str) -> Option<Option<i64>> {
    match field.trim() {
        "" => Some(None),
        field => field.parse().ok().map(|days: i64| (days >= 0).then_some(days)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_are_read_and_the_password_is_not_kept() {
        let parsed =
            parse_shadow(b"root:*:1::::::\nec2-user:!!:19700:0:99999:7:::\na:$6$x$y:0:0:90:7:-1:20000:\n", "a");
        let shadow = parsed.value.unwrap();
        assert_eq!((shadow.password, shadow.last_change, shadow.maximum), (PasswordField::Set, Some(0), Some(90)));
        assert_eq!((shadow.inactive, shadow.expires), (None, Some(20_000)));
        assert!(!serde_json::to_string(&shadow).unwrap().contains("$6$"));
    }

    #[test]
    fn a_broken_line_is_told_without_its_text() {
        let parsed = parse_shadow(b"a:$6$secret\n", "a");
        assert_eq!((parsed.value, parsed.not_understood), (None, vec!["a line of the wrong form".into()]));
        assert_eq!(parse_shadow(b"a:$6$secret:x:::::\n", "a").value, None);
    }

    #[test]
    fn each_form_of_the_field_is_told_from_the_others() {
        let forms = ["", "x", "!", "!!$6$x", "*LOCK*", "$y$j9T$x"].map(parse_password_field);
        use PasswordField::*;
        assert_eq!(forms, [Empty, Shadowed, Locked, Locked, Unmatchable, Set]);
    }
}
