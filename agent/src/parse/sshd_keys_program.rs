//! A script that stands as AuthorizedKeysCommand: what it may run.

use crate::facts::KeysProgram;

use super::{Parsed, text};

/// What EC2 Instance Connect's program is called, by AWS and in the port to Fedora.
const OWN: [&str; 2] = ["eic_run_authorized_keys", "eic-run"];
/// How the usual languages of scripts name the arguments.
const ARGUMENTS: [&str; 8] = ["$@", "$*", "$1", "${1", "${@", "argv", "ARGV", "@_"];
/// Folders in which programs stand that do not belong to the system itself.
const FOLDERS: [&str; 8] =
    ["/opt/", "/usr/local/", "/usr/share/", "/usr/lib/", "/usr/libexec/", "/srv/", "/root/", "/home/"];

/// `None` for what does not begin as a script.
pub fn parse_keys_program(bytes: &[u8]) -> Parsed<Option<KeysProgram>> {
    let mut parsed = Parsed::<Option<KeysProgram>>::default();
    if !bytes.starts_with(b"#!") {
        return parsed;
    }
    let mut found = KeysProgram::default();
    let whole = text(bytes);
    for (number, line) in whole.lines().enumerate() {
        // The interpreter's line may carry a program too, and is no comment.
        let code = if number == 0 { line } else { without_comment(line) };
        found.names_keys_command |= OWN.iter().any(|name| code.contains(name));
        found.uses_arguments |= number > 0 && ARGUMENTS.iter().any(|name| code.contains(name));
        found.names_other_programs |= number > 0 && FOLDERS.iter().any(|folder| code.contains(folder));
    }
    parsed.value = Some(found);
    parsed
}

/// A `#` that begins a word begins a comment, in a shell, Python, Perl and Ruby alike; in quotes it may not, and then too much is cut.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        if character == '#' && before.is_whitespace() {
            return line.get(..at).unwrap_or(line);
        }
        before = character;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> KeysProgram {
        parse_keys_program(text.as_bytes()).value.unwrap()
    }

    #[test]
    fn a_wrapper_names_the_keys_command_outside_of_comments() {
        let wrapper = script(
            "#!/bin/sh\n/usr/bin/sss_ssh_authorizedkeys \"$1\"\nexec /opt/aws/bin/eic_run_authorized_keys \"$@\"\n",
        );
        assert!(wrapper.names_keys_command && wrapper.uses_arguments && wrapper.names_other_programs);
        let other =
            script("#!/bin/bash\n# was eic_run_authorized_keys $1\ncurl -s https://keys.example.com/all # $1\n");
        assert!(!other.names_keys_command && !other.uses_arguments && !other.names_other_programs);
    }

    #[test]
    fn a_program_is_no_script() {
        assert_eq!(parse_keys_program(b"\x7fELF eic_run_authorized_keys").value, None);
        assert_eq!(parse_keys_program(b"").value, None);
    }
}
