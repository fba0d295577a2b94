//! A check: what is said about it, and the pure function that judges.

use crate::attempt::Attempt;
use crate::fact::Why;
use crate::judge::Entry;
use crate::verdict::Verdict;

/// A check over facts `F`. Declared by [`check!`](crate::check), one to a file.
#[derive(Debug)]
pub struct Check<F: 'static> {
    pub about: About,
    /// `Err` is a verdict too, mostly `unknown`, so that `?` works on a fact.
    pub judge: fn(&F, &Attempt) -> Result<Verdict, Verdict>,
}

/// What is said about a check, without its facts.
#[derive(Debug)]
pub struct About {
    /// `<family>.<area>.<kebab>`; public, never reused.
    pub id: &'static str,
    /// A plain fact that is true when all is well: `sshd looks up pushed keys`.
    pub title: &'static str,
    /// The manual, from the doc comment: Markdown with fixed headings.
    pub doc: &'static str,
    /// Ids of checks without which this one has no question to answer. Only their `fail` and `blocked` block.
    pub needs: &'static [&'static str],
    /// IAM actions whose answers this check reads.
    pub actions: &'static [&'static str],
    /// Steps of `AWSSupport-TroubleshootEC2InstanceConnect` that this check covers.
    pub runbook: &'static [&'static str],
    /// A connection needs what this check looks at, so `connectable: yes` needs this check to have been made.
    pub required: bool,
    /// Where it is declared; a test holds this to the id.
    pub file: &'static str,
}

impl<F> Check<F> {
    /// This check, ready to be judged over `facts`.
    pub fn on<'a>(&'static self, facts: &'a F, attempt: &'a Attempt) -> Entry<'a> {
        let judge = self.judge;
        Entry::new(&self.about, move || judge(facts, attempt).unwrap_or_else(|verdict| verdict))
    }

    /// This check when nobody could bring its facts.
    pub fn without_facts(&'static self, why: &Why) -> Entry<'static> {
        let why = why.clone();
        Entry::new(&self.about, move || Verdict::Unknown {
            why: why.reason,
            missing_action: why.missing_action,
            evidence: Vec::new(),
        })
    }
}

/// Declares a check. The doc comment is its manual, read by `eic-doctor explain`.
///
/// ```
/// use eic_doctor_proto::{Attempt, Verdict, check};
///
/// struct Facts { listening: bool }
///
/// check! {
///     /// sshd listens.
///     pub static CHECK: Facts = {
///         id: "os.sshd.listens",
///         title: "sshd listens",
///         needs: [],
///         judge: judge,
///     }
/// }
///
/// fn judge(facts: &Facts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
///     if facts.listening { Ok(Verdict::ok("port 22", "/proc/net/tcp")) } else { Err(Verdict::unknown("nobody looked")) }
/// }
///
/// assert_eq!(CHECK.about.id, "os.sshd.listens");
/// assert!(CHECK.about.required);
/// ```
#[macro_export]
macro_rules! check {
    (
        $(#[doc = $doc:literal])*
        pub static $name:ident: $facts:ty = {
            id: $id:literal,
            title: $title:literal,
            needs: [$($need:literal),* $(,)?],
            $(actions: [$($action:literal),* $(,)?],)?
            $(runbook: [$($step:literal),* $(,)?],)?
            $(required: $required:literal,)?
            judge: $judge:path $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        pub static $name: $crate::Check<$facts> = $crate::Check {
            about: $crate::About {
                id: $id,
                title: $title,
                doc: concat!($($doc, "\n"),*),
                needs: &[$($need),*],
                actions: &[$($($action),*)?],
                runbook: &[$($($step),*)?],
                required: true $(&& $required)?,
                file: file!(),
            },
            judge: $judge,
        };
    };
}
