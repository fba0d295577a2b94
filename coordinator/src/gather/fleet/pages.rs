//! Answers in pages, and questions in chunks.

use super::operations::Page;
use crate::gather::Budget;
use crate::gather::refused::{Answer, Refused, RefusedKind};

/// More pages than a Region's quotas allow: the other side is ill.
const PAGES_LIMIT: usize = 10_000;

/// Every page. One that does not come costs the whole answer, since half a list cannot be judged.
pub(super) async fn all_pages<T>(
    budget: &Budget,
    action: &'static str,
    page: impl AsyncFn(Option<&str>) -> Answer<Page<T>>,
) -> Answer<Vec<T>> {
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..PAGES_LIMIT {
        let answer = budget.ask(action, page(token.as_deref())).await?;
        all.extend(answer.items);
        token = answer.next;
        if token.is_none() {
            return Ok(all);
        }
    }
    Err(Refused::new(action, RefusedKind::Ill, format!("more than {PAGES_LIMIT} pages")))
}

/// The answers about `size` ids at a time, one list.
pub(super) async fn in_chunks<T>(
    ids: &[String],
    size: usize,
    ask: impl AsyncFn(&[String]) -> Answer<Vec<T>>,
) -> Answer<Vec<T>> {
    let answers = futures_util::future::join_all(ids.chunks(size).map(|ids| ask(ids))).await;
    let mut all = Vec::new();
    for answer in answers {
        all.extend(answer?);
    }
    Ok(all)
}
