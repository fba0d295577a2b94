//! What a person does about a finding.

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::untrusted::visible;

/// One sentence, one command that can be pasted where there is one, and how to see that it worked. Never executed by us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Remedy {
    pub text: String,
    /// A command for a POSIX shell with this instance's ids filled in; `null` where no single command mends it.
    pub command: Option<String>,
    /// A command, or a sentence where no command tells.
    pub verify: String,
}

impl Remedy {
    /// A remedy that no single command can be: moving to another Region, say.
    pub fn by_hand(text: impl AsRef<str>, verify: impl AsRef<str>) -> Self {
        Self { text: visible(text.as_ref()).into_owned(), command: None, verify: visible(verify.as_ref()).into_owned() }
    }

    pub fn by_command(text: impl AsRef<str>, command: &Command, verify: impl AsRef<str>) -> Self {
        Self {
            text: visible(text.as_ref()).into_owned(),
            command: Some(visible(&command.to_string()).into_owned()),
            verify: visible(verify.as_ref()).into_owned(),
        }
    }
}
