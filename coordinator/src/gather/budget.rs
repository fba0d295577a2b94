//! The time that a run may take, and what it is waiting for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::refused::{Answer, Refused, RefusedKind};

/// The budget of one run: after it, every call that is still open is given up, and its fact is unreadable.
#[derive(Debug)]
pub struct Budget {
    deadline: Instant,
    total: Duration,
    is_spent: AtomicBool,
    open: Mutex<BTreeMap<&'static str, usize>>,
}

impl Budget {
    pub fn of(total: Duration) -> Self {
        Self {
            deadline: Instant::now() + total,
            total,
            is_spent: AtomicBool::new(false),
            open: Mutex::new(BTreeMap::new()),
        }
    }

    /// The call's answer, or that the run's time was up before it came.
    pub async fn ask<T>(&self, action: &'static str, call: impl Future<Output = Answer<T>>) -> Answer<T> {
        let _open = Open::new(self, action);
        timeout_at(self.deadline, call).await.unwrap_or_else(|_| {
            self.is_spent.store(true, Ordering::Relaxed);
            let text = format!("timed out: the run's {} s were up", self.total.as_secs_f64());
            Err(Refused::new(action, RefusedKind::TimedOut, text))
        })
    }

    /// Nothing was given up because the run's time was up.
    pub fn was_enough(&self) -> bool {
        !self.is_spent.load(Ordering::Relaxed)
    }

    /// The actions that have not been answered yet.
    pub fn awaited(&self) -> Vec<&'static str> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}

/// Takes its action off the list when dropped, also when the call is given up.
struct Open<'a> {
    budget: &'a Budget,
    action: &'static str,
}

impl<'a> Open<'a> {
    fn new(budget: &'a Budget, action: &'static str) -> Self {
        *budget.open.lock().unwrap_or_else(PoisonError::into_inner).entry(action).or_default() += 1;
        Self { budget, action }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut open = self.budget.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(self.action) {
            *count -= 1;
            if *count == 0 {
                open.remove(self.action);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_come_in_time_is_given_up_and_the_run_is_not_complete() {
        let budget = Budget::of(Duration::ZERO);
        let answer: Answer<()> = budget.ask("ec2:DescribeVpcs", std::future::pending()).await;
        assert_eq!(answer.unwrap_err().kind, RefusedKind::TimedOut);
        assert!(!budget.was_enough());
        assert!(budget.awaited().is_empty());
    }
}
