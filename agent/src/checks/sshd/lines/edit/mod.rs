//! Commands that change one line of sshd's files, and nothing else.
//!
//! Every word of them is ours, a number, or a name of a strict pattern; a line is told by its number, and its text is never repeated.

use eic_doctor_proto::{Command, OsUser, Untrusted};

use crate::checks::keys_command;
use crate::facts::{ConfigPlace, OsFacts};

const USUAL_FILE: &str = "/etc/ssh/sshd_config";

/// Puts `text` where the line is, as far to the right.
pub fn replace(place: &ConfigPlace, text: &str) -> Option<Command> {
    at(place, &format!(r"s/^([[:space:]]*).*/\1{text}/"))
}

/// Puts `text` right behind the line, and so into the same `Match` block.
pub fn add_behind(place: &ConfigPlace, text: &str) -> Option<Command> {
    at(place, &format!("a {text}"))
}

/// Takes one word out of the line's arguments. `word` is a name of [`is_name`] or a pattern of [`is_pattern`].
pub fn without(place: &ConfigPlace, word: &str) -> Option<Command> {
    let word = ['.', '*', '?'].iter().fold(word.to_owned(), |word, sign| word.replace(*sign, &format!("[{sign}]")));
    at(place, &format!(r#"s/([[:space:]="])"?{word}"?([[:space:]]|$)/\1\2/"#))
}

/// Adds a `Match` block for one user to the end of sshd's own file. It beats what stands on sshd's command line and outside of any
/// `Match`, not an earlier `Match` that applies to the same user.
pub fn match_user(facts: &OsFacts, user: &OsUser, text: &str) -> Option<Command> {
    let process = facts.sshd.process.known();
    let file = process.and_then(|process| process.config_file.as_ref()).map_or(USUAL_FILE, Untrusted::raw);
    let sed = Command::new("sed").arg("-i.bak");
    keys_command::is_plain(file).then(|| {
        sed.args(["-e".to_owned(), format!("$a Match User {user}"), "-e".to_owned(), format!("$a {text}")]).arg(file)
    })
}

/// A user or group of which no letter means anything to a shell, to `sed` or to sshd's patterns.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('-') && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// As a name, with sshd's two wildcards.
pub fn is_pattern(word: &str) -> bool {
    is_name(&word.replace(['*', '?'], "_"))
}

fn at(place: &ConfigPlace, script: &str) -> Option<Command> {
    let file = place.file.raw();
    let sed = Command::new("sed").args(["-i.bak", "-E"]);
    (keys_command::is_plain(file) && place.line > 0).then(|| sed.arg(format!("{}{script}", place.line)).arg(file))
}
