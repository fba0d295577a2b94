//! Commands that people paste: quoted for a POSIX shell, never built from a string with holes.

use std::fmt;

/// A command line for a POSIX shell. Each word is quoted when printed, so no word can become two or start a command of its own.
///
/// What comes from an instance may be a word only after it has passed the strict pattern of its kind (an id, a port, an OS user).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Joined by `&&`.
    steps: Vec<Vec<String>>,
}

impl Command {
    pub fn new(program: impl Into<String>) -> Self {
        Self { steps: vec![vec![program.into()]] }
    }

    #[must_use]
    pub fn arg(mut self, word: impl Into<String>) -> Self {
        if let Some(step) = self.steps.last_mut() {
            step.push(word.into());
        }
        self
    }

    #[must_use]
    pub fn args<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        if let Some(step) = self.steps.last_mut() {
            step.extend(words.into_iter().map(Into::into));
        }
        self
    }

    /// Runs `next` only when everything before it succeeded.
    #[must_use]
    pub fn and(mut self, next: Command) -> Self {
        self.steps.extend(next.steps);
        self
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            if index > 0 {
                f.write_str(" && ")?;
            }
            for (index, word) in step.iter().enumerate() {
                if index > 0 {
                    f.write_str(" ")?;
                }
                f.write_str(&quote(word))?;
            }
        }
        Ok(())
    }
}

/// `word` as a POSIX shell reads it back: as it is when every character is harmless, else in single quotes.
pub fn quote(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_shell_characters_stays_one_word() {
        let command = Command::new("aws").arg("--cidr").arg("$(reboot) ; it's");
        assert_eq!(command.to_string(), r"aws --cidr '$(reboot) ; it'\''s'");
    }

    #[test]
    fn steps_are_joined_so_that_a_failed_one_stops_the_rest() {
        let command =
            Command::new("systemctl").arg("daemon-reload").and(Command::new("systemctl").args(["restart", "ssh"]));
        assert_eq!(command.to_string(), "systemctl daemon-reload && systemctl restart ssh");
    }
}
