//! The machine that the agent runs on.

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eic_doctor_proto::{Attempt, visible};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::gather::{self, InstanceClaim};

use super::outside::{Later, Outside};
use super::pass::{self, Pass};

pub struct RealOutside {
    begun: Instant,
}

impl RealOutside {
    pub fn begin() -> Self {
        Self { begun: Instant::now() }
    }
}

impl Outside for RealOutside {
    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn until(&self, elapsed_ms: u64) -> Later<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(elapsed_ms.saturating_sub(self.elapsed_ms()))))
    }

    fn chance(&self) -> u64 {
        let mut bytes = [0; 8];
        // Without random bytes the clock's lowest digits spread agents well enough.
        match SystemRandom::new().fill(&mut bytes) {
            Ok(()) => u64::from_ne_bytes(bytes),
            Err(_) => self.begun.elapsed().as_nanos() as u64,
        }
    }

    fn claim(&self) -> Later<'_, Result<InstanceClaim, String>> {
        Box::pin(gather::gather_claim())
    }

    fn hardware_id(&self) -> Option<String> {
        gather::hardware_id()
    }

    fn look<'a>(&'a self, attempt: &'a Attempt, budget: Duration) -> Later<'a, Result<Pass, String>> {
        let attempt = attempt.clone();
        Box::pin(async move {
            let looked = tokio::task::spawn_blocking(move || pass::look_in_child(&attempt, budget)).await;
            looked.unwrap_or_else(|error| Err(error.to_string()))
        })
    }

    fn say(&self, line: &str) {
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(std::io::stderr(), "{}", visible(line));
    }
}
