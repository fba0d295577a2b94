//! Every HTTP exchange with AWS of one run: which operation, how long, how it ended.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

#[derive(Clone, Debug)]
pub struct LoggedCall {
    pub action: &'static str,
    /// From the log's beginning.
    pub began: Duration,
    pub took: Duration,
    /// `ok`, AWS's error code, or what happened instead.
    pub outcome: String,
}

/// Shared by the clients of one run.
#[derive(Clone, Debug)]
pub struct CallLog {
    began: Instant,
    began_at: SystemTime,
    calls: Arc<Mutex<Vec<LoggedCall>>>,
}

impl CallLog {
    pub fn begin() -> Self {
        Self { began: Instant::now(), began_at: SystemTime::now(), calls: Arc::default() }
    }

    /// What the clock of this machine said when the log began.
    pub fn began_at(&self) -> SystemTime {
        self.began_at
    }

    pub fn start(&self, action: &'static str) -> Running<'_> {
        Running { log: self, action, began: Instant::now(), outcome: None }
    }

    pub fn calls(&self) -> Vec<LoggedCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For people, on stderr: the calls in the order of their start, then the sums.
    pub fn table(&self) -> String {
        let mut calls = self.calls();
        calls.sort_by_key(|call| call.began);
        let mut text = String::from("  start ms   took ms  call\n");
        for call in &calls {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{:>10}{:>10}  {} {}",
                call.began.as_millis(),
                call.took.as_millis(),
                call.action,
                call.outcome
            );
        }
        let wall = calls.iter().map(|call| call.began + call.took).max().unwrap_or_default();
        let slowest = calls.iter().max_by_key(|call| call.took);
        let slowest = slowest.map_or_else(String::new, |call| {
            format!(", slowest single call {} ms ({})", call.took.as_millis(), call.action)
        });
        let _ = writeln!(text, "{} calls in {} ms{slowest}", calls.len(), wall.as_millis());
        text
    }
}

/// A call under way; one that is dropped before its end is logged as given up.
#[derive(Debug)]
pub struct Running<'a> {
    log: &'a CallLog,
    action: &'static str,
    began: Instant,
    outcome: Option<String>,
}

impl Running<'_> {
    pub fn end(mut self, outcome: &str) {
        self.outcome = Some(outcome.to_owned());
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let call = LoggedCall {
            action: self.action,
            began: self.began.duration_since(self.log.began),
            took: self.began.elapsed(),
            outcome: self.outcome.take().unwrap_or_else(|| "given up".to_owned()),
        };
        self.log.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_dropped_is_in_the_log_as_given_up() {
        let log = CallLog::begin();
        log.start("ec2:DescribeVpcs").end("ok");
        drop(log.start("ec2:DescribeSubnets"));
        let outcomes: Vec<_> = log.calls().into_iter().map(|call| call.outcome).collect();
        assert_eq!(outcomes, ["ok", "given up"]);
        assert!(log.table().contains("2 calls in "));
    }
}
