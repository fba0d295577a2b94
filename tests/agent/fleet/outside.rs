//! An instance and a clock that a test moves.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use eic_doctor_agent::gather::InstanceClaim;
use eic_doctor_agent::identity::{Credentials, Instance};
use eic_doctor_agent::report::{Later, Outside, Pass};
use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1;
use prost::Message as _;
use tokio::sync::{mpsc, watch};

/// 2026-11-28.
const BEGUN: u64 = 1_795_000_000_000;

pub struct Virtual {
    clock: watch::Sender<u64>,
    /// What the agent waits for.
    pending: watch::Sender<Vec<u64>>,
    chances: AtomicU64,
    pub instance: Mutex<Option<Instance>>,
    pub hardware: Mutex<Option<String>>,
    pub role: AtomicBool,
    /// What the next looks find; the last one stays.
    findings: Mutex<VecDeque<u8>>,
    pub looks: Mutex<Vec<(Attempt, Duration, u64)>>,
    pub at_once: AtomicUsize,
    said: mpsc::UnboundedSender<String>,
    pub words: Mutex<mpsc::UnboundedReceiver<String>>,
}

impl Virtual {
    pub fn new() -> Self {
        let (said, words) = mpsc::unbounded_channel();
        Self {
            clock: watch::channel(0).0,
            pending: watch::channel(Vec::new()).0,
            chances: AtomicU64::new(7),
            instance: Mutex::new(Some(instance("i-0123456789abcdef0"))),
            hardware: Mutex::new(None),
            role: AtomicBool::new(false),
            findings: Mutex::new(VecDeque::from([0])),
            looks: Mutex::default(),
            at_once: AtomicUsize::new(0),
            said,
            words: Mutex::new(words),
        }
    }

    pub fn advance(&self, time: Duration) {
        self.clock.send_modify(|now| *now += u64::try_from(time.as_millis()).unwrap());
    }

    /// Lets the time come that the agent waits for, as soon as it waits for one that is so many seconds away.
    pub async fn arrives(&self, seconds: std::ops::RangeInclusive<u64>) {
        let mut pending = self.pending.subscribe();
        let now = self.elapsed_ms();
        let is_meant = |at: &&u64| at.checked_sub(now).is_some_and(|away| away > 0 && seconds.contains(&(away / 1000)));
        let pending = pending.wait_for(|pending| pending.iter().any(|at| is_meant(&at))).await.unwrap();
        let at = *pending.iter().filter(is_meant).min().unwrap();
        drop(pending);
        self.clock.send_modify(|now| *now = at);
    }

    /// Everybody else gets a turn, threads that block and sockets too, then time goes on.
    pub async fn goes_on(&self, step: Duration) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        self.advance(step);
    }

    pub fn finds(&self, findings: &[u8]) {
        *self.findings.lock().unwrap() = findings.iter().copied().collect();
    }

    /// Everything that was said until now.
    pub fn said(&self) -> String {
        let mut words = self.words.lock().unwrap();
        std::iter::from_fn(|| words.try_recv().ok()).collect::<Vec<_>>().join("\n")
    }

    /// The next line that holds this text.
    pub async fn says(&self, text: &str) -> String {
        loop {
            let line = std::future::poll_fn(|context| self.words.lock().unwrap().poll_recv(context)).await.unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }
}

/// As long as it lives the agent waits for this time.
struct Waiting<'a>(&'a watch::Sender<Vec<u64>>, u64);

impl<'a> Waiting<'a> {
    fn begin(pending: &'a watch::Sender<Vec<u64>>, at: u64) -> Self {
        pending.send_modify(|pending| pending.push(at));
        Self(pending, at)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|pending| {
            let mine = pending.iter().position(|at| *at == self.1).unwrap();
            pending.swap_remove(mine);
        });
    }
}

pub fn instance(id: &str) -> Instance {
    Instance { instance_id: id.to_owned(), account_id: "111122223333".to_owned(), region: "eu-west-1".to_owned() }
}

/// A report as large as real ones are.
pub fn report_of(finding: u8) -> v1::AgentReport {
    v1::AgentReport { agent_version: "0".repeat(60_000), catalogue: u32::from(finding), ..v1::AgentReport::default() }
}

impl Outside for Virtual {
    fn unix_ms(&self) -> u64 {
        BEGUN + *self.clock.borrow()
    }

    fn elapsed_ms(&self) -> u64 {
        *self.clock.borrow()
    }

    fn until(&self, elapsed_ms: u64) -> Later<'_, ()> {
        let mut clock = self.clock.subscribe();
        Box::pin(async move {
            let _waiting = Waiting::begin(&self.pending, elapsed_ms);
            clock.wait_for(|now| *now >= elapsed_ms).await.unwrap();
        })
    }

    fn chance(&self) -> u64 {
        self.chances.fetch_add(7_919, Ordering::Relaxed)
    }

    fn claim(&self) -> Later<'_, Result<InstanceClaim, String>> {
        let instance = self.instance.lock().unwrap().clone();
        let credentials = self.role.load(Ordering::Relaxed).then(|| Credentials {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: "token".to_owned(),
        });
        Box::pin(async move {
            let instance = instance.ok_or("IMDS gives no token: timed out")?;
            let document = serde_json::to_vec(&instance).unwrap();
            Ok(InstanceClaim {
                instance,
                document,
                signature: Ok(b"MIAG".to_vec()),
                domain: "amazonaws.com".to_owned(),
                credentials,
            })
        })
    }

    fn hardware_id(&self) -> Option<String> {
        self.hardware.lock().unwrap().clone()
    }

    fn look<'a>(&'a self, attempt: &'a Attempt, budget: Duration) -> Later<'a, Result<Pass, String>> {
        Box::pin(async move {
            assert_eq!(self.at_once.fetch_add(1, Ordering::Relaxed), 0, "two looks at once");
            self.looks.lock().unwrap().push((attempt.clone(), budget, self.elapsed_ms()));
            tokio::task::yield_now().await;
            let finding = {
                let mut findings = self.findings.lock().unwrap();
                if findings.len() > 1 { findings.pop_front().unwrap() } else { findings[0] }
            };
            self.at_once.fetch_sub(1, Ordering::Relaxed);
            let report = report_of(finding).encode_to_vec();
            Ok(Pass { fingerprint: [finding; 32], gathered_at_ms: self.unix_ms(), report })
        })
    }

    fn say(&self, line: &str) {
        // A story that has ended listens no longer.
        let _ = self.said.send(line.to_owned());
    }
}
