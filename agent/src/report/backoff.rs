//! How long to wait after a failure: decorrelated, so that a fleet which failed together does not come back together.

use std::time::Duration;

/// The first wait, and the unit of all.
const SHORTEST: Duration = Duration::from_secs(1);
/// An agent is back within so long after whatever was broken works again.
const LONGEST: Duration = Duration::from_secs(300);
/// After "you may not" nothing changes by itself: someone has to allow it.
const REFUSED_SHORTEST: Duration = Duration::from_secs(60);
const REFUSED_LONGEST: Duration = Duration::from_secs(3600);

/// Between one and three times the last wait, bounded (AWS Architecture Blog, "Exponential Backoff And Jitter": decorrelated jitter).
#[derive(Debug, Default)]
pub struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// `chance` is any number. A told delay is kept to at least, and spread by a quarter more.
    pub fn next(&mut self, refused: bool, told: Option<Duration>, chance: u64) -> Duration {
        let (shortest, longest) = if refused { (REFUSED_SHORTEST, REFUSED_LONGEST) } else { (SHORTEST, LONGEST) };
        let last = self.last.unwrap_or(shortest).clamp(shortest, longest);
        let wait = between(shortest, last.saturating_mul(3), chance).min(longest);
        self.last = Some(wait);
        match told {
            Some(told) => wait.max(between(told, told + told / 4, chance)),
            None => wait,
        }
    }

    /// Something worked.
    pub fn forget(&mut self) {
        self.last = None;
    }
}

/// Evenly chosen.
pub fn between(from: Duration, to: Duration, chance: u64) -> Duration {
    let span = u64::try_from(to.saturating_sub(from).as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    from + Duration::from_millis(chance % span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chances() -> impl Iterator<Item = u64> {
        // xorshift64 (Marsaglia 2003).
        std::iter::successors(Some(0x9E37_79B9_7F4A_7C15_u64), |state| {
            let state = state ^ (state << 13);
            let state = state ^ (state >> 7);
            Some(state ^ (state << 17))
        })
    }

    #[test]
    fn waits_grow_stay_within_bounds_and_differ_from_agent_to_agent() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = chances().take(2_000).map(|chance| backoff.next(false, None, chance)).collect();
        assert!(waits.iter().all(|wait| (SHORTEST..=LONGEST).contains(wait)));
        assert!(waits.iter().any(|wait| *wait > LONGEST / 2), "they never grow");
        let firsts: std::collections::HashSet<_> =
            chances().take(1_000).map(|chance| Backoff::default().next(false, None, chance)).collect();
        assert!(firsts.len() > 500, "a fleet that fails together comes back together");
        backoff.forget();
        assert!(backoff.next(false, None, u64::MAX) <= 3 * SHORTEST);
    }

    #[test]
    fn a_told_delay_is_kept_and_a_refusal_is_waited_on_for_long() {
        for chance in chances().take(500) {
            let told = Duration::from_secs(90);
            let wait = Backoff::default().next(false, Some(told), chance);
            assert!(wait >= told && wait <= told + told / 4);
            assert!(Backoff::default().next(true, None, chance) >= REFUSED_SHORTEST);
        }
    }
}
