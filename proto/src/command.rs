//! Commands that people paste: quoted for a POSIX shell, never built from a string with holes.

use std::fmt;

/// A command line for a POSIX shell. Each word is quoted when printed, so no word can become two or start a command of its own.
///
/// What comes from an instance may be a word only after it has passed the strict pattern of its kind (an id, a port, an OS user).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Joined by `&&`.
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Step {
    /// The shell variable that takes what the step prints.
    into: Option<&'static str>,
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Text(String),
    /// What an earlier step printed into this variable.
    Of(&'static str),
}

impl Command {
    pub fn new(program: impl Into<String>) -> Self {
        Self { steps: vec![Step { into: None, words: vec![Word::Text(program.into())] }] }
    }

    #[must_use]
    pub fn arg(self, word: impl Into<String>) -> Self {
        self.word(Word::Text(word.into()))
    }

    #[must_use]
    pub fn args<W: Into<String>>(self, words: impl IntoIterator<Item = W>) -> Self {
        words.into_iter().fold(self, Self::arg)
    }

    /// The value of a variable that an earlier step fills, as one word.
    #[must_use]
    pub fn variable(self, name: &'static str) -> Self {
        self.word(Word::Of(name))
    }

    /// Keeps what the last step prints in a shell variable.
    #[must_use]
    pub fn into_variable(mut self, name: &'static str) -> Self {
        if let Some(step) = self.steps.last_mut() {
            step.into = Some(name);
        }
        self
    }

    /// Runs `next` only when everything before it succeeded.
    #[must_use]
    pub fn and(mut self, next: Command) -> Self {
        self.steps.extend(next.steps);
        self
    }

    fn word(mut self, word: Word) -> Self {
        if let Some(step) = self.steps.last_mut() {
            step.words.push(word);
        }
        self
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            if index > 0 {
                f.write_str(" && ")?;
            }
            match step.into {
                Some(name) => write!(f, "{name}=$({step})")?,
                None => write!(f, "{step}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match word {
                Word::Text(text) => f.write_str(&quote(text))?,
                Word::Of(name) => write!(f, "\"${name}\"")?,
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

    #[test]
    fn what_a_step_prints_is_one_word_of_a_later_one() {
        let make = Command::new("aws").args(["make", "--query", "Id of it"]).into_variable("id");
        let command = make.and(Command::new("aws").args(["use", "--id"]).variable("id").arg("$id"));
        assert_eq!(command.to_string(), r#"id=$(aws make --query 'Id of it') && aws use --id "$id" '$id'"#);
    }
}
