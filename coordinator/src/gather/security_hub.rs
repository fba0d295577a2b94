//! What is sent to Security Hub: findings, a batch after the other.

use super::operations::operations;
use super::refused::{Answer, Refused};
use crate::render::asff::{BATCH, Finding};

operations! {
    /// What sending findings asks of AWS, beside the operations that look.
    Import, IMPORT_ACTIONS;
    /// At most 100 findings, all of the account and the Region that are asked. The answer is those that were not taken.
    "securityhub:BatchImportFindings" BatchImportFindings::batch_import_findings(findings: &[Finding]) -> Vec<NotTaken>;
}

/// A finding that Security Hub did not take, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    pub id: String,
    pub why: String,
}

/// What became of the findings that were sent.
#[derive(Debug, Default)]
pub struct Imported {
    pub taken: usize,
    pub not_taken: Vec<NotTaken>,
    /// Why a batch was not answered, and how many findings were not sent for that.
    pub stopped: Option<(Refused, usize)>,
}

/// Sends all of them. A call that is refused would be refused for the next batch too, so nothing is sent after it.
pub async fn import(aws: &impl BatchImportFindings, findings: &[Finding]) -> Imported {
    let mut imported = Imported::default();
    for batch in findings.chunks(BATCH) {
        match aws.batch_import_findings(batch).await {
            Ok(not_taken) => {
                imported.taken += batch.len().saturating_sub(not_taken.len());
                imported.not_taken.extend(not_taken);
            }
            Err(refused) => {
                let left = findings.len() - imported.taken - imported.not_taken.len();
                imported.stopped = Some((refused, left));
                break;
            }
        }
    }
    imported
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::gather::RefusedKind;
    use crate::render::asff::testing::finding;

    /// Answers call after call, and keeps how many findings each held.
    struct Hub {
        answers: Mutex<Vec<Answer<Vec<NotTaken>>>>,
        sizes: Mutex<Vec<usize>>,
    }

    impl BatchImportFindings for Hub {
        async fn batch_import_findings(&self, findings: &[Finding]) -> Answer<Vec<NotTaken>> {
            self.sizes.lock().unwrap().push(findings.len());
            self.answers.lock().unwrap().remove(0)
        }
    }

    async fn imported(answers: Vec<Answer<Vec<NotTaken>>>, count: usize) -> (Imported, Vec<usize>) {
        let hub = Hub { answers: Mutex::new(answers), sizes: Mutex::default() };
        let imported = import(&hub, &vec![finding(); count]).await;
        (imported, hub.sizes.into_inner().unwrap())
    }

    #[tokio::test]
    async fn a_batch_holds_a_hundred_and_what_was_not_taken_is_named() {
        let one = NotTaken { id: "x".to_owned(), why: "InvalidInput: y".to_owned() };
        let (imported, sizes) = imported(vec![Ok(Vec::new()), Ok(vec![one.clone()]), Ok(Vec::new())], 230).await;
        assert_eq!((sizes, imported.taken, imported.not_taken), (vec![100, 100, 30], 229, vec![one]));
        assert!(imported.stopped.is_none());
    }

    #[tokio::test]
    async fn after_a_refused_batch_nothing_more_is_sent() {
        let refused = Refused::new("securityhub:BatchImportFindings", RefusedKind::NotPermitted, "no");
        let (imported, sizes) = imported(vec![Ok(Vec::new()), Err(refused)], 230).await;
        assert_eq!((sizes, imported.taken), (vec![100, 100], 100));
        assert_eq!(imported.stopped.map(|(_, left)| left), Some(130));
    }
}
