//! What a module returns, which check speaks of it, and what takes its no away.

use super::control::Return;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Account,
    Session,
}

/// Which check speaks of a module's no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    Expiry,
    Nologin,
    Access,
    /// It only directs the way through the rules. Where that ends in a no, it is a matter of access.
    Way,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Not empty; more than one where it is not known which.
    pub returns: Vec<Return>,
    pub concern: Concern,
    /// Why it says no, or why it is not known what it says: a part of a sentence.
    pub why: String,
    pub mend: Mend,
}

/// What takes a module's no away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mend {
    /// Nothing but another rule in PAM's file.
    #[default]
    Rule,
    /// A line that admits before this one of access.conf.
    Admit {
        file: String,
        line: u32,
    },
    /// This line of a file out of force.
    Comment {
        file: String,
        line: u32,
    },
    /// This line of a list taken out, where lists know no comments.
    Delete {
        file: String,
        line: u32,
    },
    /// One more line at the end of the list.
    Append {
        file: String,
        text: String,
    },
    JoinGroup(String),
}

impl Reply {
    pub(super) fn one(returned: Return, concern: Concern) -> Self {
        Self { returns: vec![returned], concern, why: String::new(), mend: Mend::Rule }
    }

    pub(super) fn yes() -> Self {
        Self::one(Return::Success, Concern::Way)
    }

    pub(super) fn no(returned: Return, concern: Concern, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..Self::one(returned, concern) }
    }

    pub(super) fn either(returns: &[Return], concern: Concern, why: impl Into<String>) -> Self {
        Self { returns: returns.to_vec(), concern, why: why.into(), mend: Mend::Rule }
    }

    pub(super) fn mended_by(self, mend: Mend) -> Self {
        Self { mend, ..self }
    }

    /// For a no that no rule says.
    pub fn without_rule() -> Self {
        Self::one(Return::PermDenied, Concern::Access)
    }

    /// Nothing else than a yes, or no opinion.
    pub fn is_yes(&self) -> bool {
        self.returns.iter().all(|returned| matches!(returned, Return::Success | Return::Ignore))
    }

    /// As it would be were its own matter mended.
    pub fn mended(&self) -> Self {
        if self.is_yes() { self.clone() } else { Self::one(Return::Success, self.concern) }
    }

    #[cfg(test)]
    pub(super) fn of_test(returns: &[Return]) -> Self {
        Self::either(returns, Concern::Way, "")
    }
}
