//! Calls in turn: a token bucket for each operation, account and Region, below what AWS allows, and another try where AWS asks for one.
//!
//! AWS's own buckets hold 100 requests and are refilled by 20 a second for each EC2 operation that reads, in each account and Region
//! (Amazon EC2 Developer Guide, "Request throttling for the Amazon EC2 API"). Ours are half of that, so that whoever else works in the
//! account finds the other half. What IAM and Systems Manager allow is not published: those are asked slowly.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::refused::{Answer, Refused, RefusedKind};

/// How many requests at once, and how many a second after that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    pub capacity: f64,
    pub per_second: f64,
}

impl Limit {
    pub fn of(action: &str) -> Self {
        let (capacity, per_second) = match action.split(':').next() {
            Some("ec2") => (50.0, 10.0),
            Some("iam") => (10.0, 5.0),
            // Security Hub Partner Integration Guide, "Guidelines for using the BatchImportFindings API": 10 a second, 30 at once.
            Some("securityhub") => (15.0, 5.0),
            // CloudTrail API Reference, LookupEvents: two a second.
            Some("cloudtrail") => (1.0, 1.0),
            _ => (20.0, 10.0),
        };
        Self { capacity, per_second }
    }
}

/// Tokens at one moment. Pure: the time is an argument.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    limit: Limit,
    tokens: f64,
    filled: Duration,
}

impl Bucket {
    fn full(limit: Limit) -> Self {
        Self { limit, tokens: limit.capacity, filled: Duration::ZERO }
    }

    fn fill(&mut self, now: Duration) {
        let since = now.saturating_sub(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * self.limit.per_second).min(self.limit.capacity);
        self.filled = now.max(self.filled);
    }

    /// Takes a token, and says how long to wait until it is there: those who wait stand in a line.
    fn take(&mut self, now: Duration) -> Duration {
        self.fill(now);
        self.tokens -= 1.0;
        Duration::from_secs_f64((-self.tokens / self.limit.per_second).max(0.0))
    }

    /// AWS says that its bucket is empty, so ours is too.
    fn drain(&mut self, now: Duration) {
        self.fill(now);
        self.tokens = self.tokens.min(0.0);
    }
}

/// An account and a Region, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub account: Option<String>,
    pub region: String,
}

impl Place {
    /// IAM and STS count for an account as a whole.
    fn counted_for(&self, action: &str) -> Self {
        let is_global = ["iam:", "sts:"].iter().any(|service| action.starts_with(service));
        Self { account: self.account.clone(), region: if is_global { String::new() } else { self.region.clone() } }
    }
}

/// How often an operation was asked, and how often AWS said that it was too often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub calls: u64,
    pub throttled: u64,
}

/// Shared by everything that a run asks.
#[derive(Debug)]
pub struct Pacer {
    began: Instant,
    buckets: Mutex<HashMap<(Place, &'static str), Bucket>>,
    asked: Mutex<BTreeMap<&'static str, Asked>>,
}

impl Default for Pacer {
    fn default() -> Self {
        Self { began: Instant::now(), buckets: Mutex::default(), asked: Mutex::default() }
    }
}

impl Pacer {
    /// Every operation that was asked so far.
    pub fn asked(&self) -> BTreeMap<&'static str, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn turn(&self, place: &Place, action: &'static str) {
        let wait = self.with_bucket(place, action, Bucket::take);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).entry(action).or_default().calls += 1;
    }

    fn throttled(&self, place: &Place, action: &'static str) {
        self.with_bucket(place, action, Bucket::drain);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).entry(action).or_default().throttled += 1;
    }

    fn with_bucket<T>(
        &self,
        place: &Place,
        action: &'static str,
        use_it: impl FnOnce(&mut Bucket, Duration) -> T,
    ) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket =
            buckets.entry((place.counted_for(action), action)).or_insert_with(|| Bucket::full(Limit::of(action)));
        use_it(bucket, self.began.elapsed())
    }
}

/// AWS's operations in one account and Region, each in its turn.
#[derive(Debug)]
pub struct Paced<'a, A> {
    pub aws: &'a A,
    pub pacer: &'a Pacer,
    pub place: &'a Place,
}

impl<A> Paced<'_, A> {
    /// The answer, or the last refusal.
    pub(super) async fn in_turn<T, F>(&self, action: &'static str, call: impl Fn() -> F + Send + Sync) -> Answer<T>
    where
        F: Future<Output = Answer<T>> + Send,
        T: Send,
    {
        let mut refusals = 0;
        loop {
            self.pacer.turn(self.place, action).await;
            let refused = match call().await {
                Ok(answer) => return Ok(answer),
                Err(refused) => refused,
            };
            if refused.kind == RefusedKind::Throttled {
                self.pacer.throttled(self.place, action);
            }
            refusals += 1;
            match pause(&refused, refusals) {
                Some(pause) => tokio::time::sleep(pause).await,
                None if refusals > 1 => return Err(refused.after(refusals)),
                None => return Err(refused),
            }
        }
    }
}

/// How long to wait before the next try, if there is one.
///
/// Throttled: after 0.5, 1, 2 and 4 s, 7.5 s in all. Not understood, cut off or ill: after 0.2 and 0.4 s.
fn pause(refused: &Refused, refusals: u32) -> Option<Duration> {
    let (first, tries) = match refused.kind {
        RefusedKind::Throttled => (500, 5),
        RefusedKind::TimedOut | RefusedKind::Ill if refused.may_pass() => (200, 3),
        _ => return None,
    };
    (refusals < tries).then(|| Duration::from_millis(first << (refusals - 1)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const ACTION: &str = "ec2:DescribeInstances";

    /// AWS's bucket, as its documentation describes it: it refuses where ours waits.
    struct OfAws {
        tokens: f64,
        filled: f64,
    }

    impl OfAws {
        fn refuses(&mut self, at: f64) -> bool {
            self.tokens = (self.tokens + (at - self.filled) * 20.0).min(100.0);
            self.filled = at;
            let is_empty = self.tokens < 1.0;
            self.tokens -= if is_empty { 0.0 } else { 1.0 };
            is_empty
        }
    }

    #[test]
    fn whoever_waits_for_our_bucket_is_never_refused_by_awss() {
        let mut ours = Bucket::full(Limit::of(ACTION));
        let mut theirs = OfAws { tokens: 100.0, filled: 0.0 };
        let mut now = Duration::ZERO;
        // A minute of a caller that asks again as soon as it may, with a break in which the buckets fill again.
        for call in 0..2000 {
            if call == 700 {
                now += Duration::from_secs(30);
            }
            now += ours.take(now);
            assert!(!theirs.refuses(now.as_secs_f64()), "call {call} at {now:?}");
        }
        assert!(now < Duration::from_secs(30 + 2000 / 10), "{now:?}");
    }

    #[test]
    fn calls_at_the_same_moment_stand_in_a_line() {
        let mut bucket = Bucket::full(Limit { capacity: 2.0, per_second: 10.0 });
        let waits: Vec<u128> = (0..4).map(|_| bucket.take(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [0, 0, 100, 200]);
        bucket.drain(Duration::from_secs(60));
        assert_eq!(bucket.take(Duration::from_secs(60)).as_millis(), 100);
    }

    #[test]
    fn iam_counts_for_the_account_and_ec2_for_each_region() {
        let place = |region: &str| Place { account: Some("1".into()), region: region.into() };
        let (here, there) = (place("eu-west-1"), place("us-east-1"));
        assert_eq!(here.counted_for("iam:GetRole"), there.counted_for("iam:GetRole"));
        assert_ne!(here.counted_for(ACTION), there.counted_for(ACTION));
    }

    async fn asked(kind: RefusedKind, code: Option<&str>, times: u32) -> (Answer<()>, u32, u64) {
        let (pacer, place, made) = (Pacer::default(), Place::default(), AtomicU32::new(0));
        let paced = Paced { aws: &(), pacer: &pacer, place: &place };
        let call = || async {
            match made.fetch_add(1, Ordering::Relaxed) < times {
                true => Err(Refused { code: code.map(str::to_owned), ..Refused::new(ACTION, kind, "no") }),
                false => Ok(()),
            }
        };
        let answer = paced.in_turn(ACTION, call).await;
        let throttled = pacer.asked()[ACTION].throttled;
        (answer, made.into_inner(), throttled)
    }

    #[tokio::test]
    async fn a_throttle_that_passes_is_counted_and_costs_nothing_else() {
        let (answer, made, throttled) = asked(RefusedKind::Throttled, Some("RequestLimitExceeded"), 1).await;
        assert!(answer.is_ok());
        assert_eq!((made, throttled), (2, 1));
    }

    #[tokio::test]
    async fn a_cut_connection_is_tried_again_and_what_stays_ill_says_how_often() {
        assert!(asked(RefusedKind::Ill, None, 2).await.0.is_ok());
        let (answer, made, _) = asked(RefusedKind::Ill, None, 9).await;
        assert_eq!(made, 3);
        assert!(answer.unwrap_err().text.contains("3 times"));
    }

    #[tokio::test]
    async fn you_may_not_is_not_asked_again() {
        assert_eq!(asked(RefusedKind::NotPermitted, Some("UnauthorizedOperation"), 9).await.1, 1);
        assert_eq!(asked(RefusedKind::Ill, Some("InvalidParameterValue"), 9).await.1, 1);
    }
}
