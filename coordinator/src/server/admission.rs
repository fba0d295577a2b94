//! Who may come in now: connections altogether and from one address, handshakes in a second, enrolments in a minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::config::Limits;

/// An agent gives a handshake ten seconds, its wait here included. One that would begin later than this is better turned away: its agent
/// comes again after a while, where otherwise both would do the work for nothing.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(8);
/// Addresses whose enrolments are counted at once; each is forgotten after a minute.
const ADDRESSES: usize = 100_000;

pub(super) struct Admission {
    limits: Limits,
    inner: Mutex<Inner>,
}

struct Inner {
    open: HashMap<IpAddr, usize>,
    all: usize,
    waiting: usize,
    /// When the next handshake may begin.
    next_handshake: Instant,
    minute: Instant,
    enrolments: HashMap<IpAddr, u32>,
}

/// One open connection; gives its place back when dropped.
pub(super) struct Connection {
    admission: Arc<Admission>,
    address: IpAddr,
}

/// More than may be of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnedAway {
    Connections,
    ConnectionsFromThere,
    Handshakes,
}

impl Admission {
    pub fn new(limits: Limits, now: Instant) -> Arc<Self> {
        let inner = Inner {
            open: HashMap::new(),
            all: 0,
            waiting: 0,
            next_handshake: now,
            minute: now,
            enrolments: HashMap::new(),
        };
        Arc::new(Self { limits, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// IPv6 hosts hold whole networks: a /64 is one address here.
    fn of(address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                IpAddr::V6(network.into())
            }
            v4 => v4,
        }
    }

    /// A place for a connection from `address`, and how long its handshake has to wait.
    pub fn enter(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<(Connection, Duration), TurnedAway> {
        let address = Self::of(address);
        let mut inner = self.inner();
        if inner.all >= self.limits.connections {
            return Err(TurnedAway::Connections);
        }
        if inner.open.get(&address).is_some_and(|open| *open >= self.limits.connections_per_address) {
            return Err(TurnedAway::ConnectionsFromThere);
        }
        let begin = inner.next_handshake.max(now);
        let wait = begin.saturating_duration_since(now);
        if wait > HANDSHAKE_PATIENCE || (!wait.is_zero() && inner.waiting >= self.limits.handshakes_waiting) {
            return Err(TurnedAway::Handshakes);
        }
        inner.next_handshake = begin + Duration::from_secs(1) / self.limits.handshakes_per_second;
        inner.waiting += usize::from(!wait.is_zero());
        inner.all += 1;
        *inner.open.entry(address).or_default() += 1;
        Ok((Connection { admission: Arc::clone(self), address }, wait))
    }

    /// A handshake that waited has begun.
    pub fn begun(&self) {
        let mut inner = self.inner();
        inner.waiting = inner.waiting.saturating_sub(1);
    }

    /// Whether an enrolment may begin; if not, after how long to ask again.
    pub fn may_enrol(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        const MINUTE: Duration = Duration::from_secs(60);
        let address = Self::of(address);
        let mut inner = self.inner();
        if now.saturating_duration_since(inner.minute) >= MINUTE || inner.enrolments.len() >= ADDRESSES {
            inner.minute = now;
            inner.enrolments.clear();
        }
        let left = MINUTE.saturating_sub(now.saturating_duration_since(inner.minute));
        let begun = inner.enrolments.entry(address).or_default();
        if *begun >= self.limits.enrolments_per_minute {
            return Err(left);
        }
        *begun += 1;
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut inner = self.admission.inner();
        inner.all = inner.all.saturating_sub(1);
        if let Some(open) = inner.open.get_mut(&self.address) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                inner.open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            connections: 4,
            connections_per_address: 2,
            handshakes_per_second: 10,
            handshakes_waiting: 2,
            enrolments_per_minute: 2,
            ..Limits::default()
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let admission = Admission::new(limits(), start);
        let first = admission.enter(address("192.0.2.1"), at(1)).unwrap();
        let _second = admission.enter(address("192.0.2.1"), at(2)).unwrap();
        let refused = admission.enter(address("192.0.2.1"), at(3)).map(|_| ());
        assert_eq!(refused.unwrap_err(), TurnedAway::ConnectionsFromThere);
        let _third = admission.enter(address("192.0.2.2"), at(4)).unwrap();
        let _fourth = admission.enter(address("192.0.2.3"), at(5)).unwrap();
        let refused = admission.enter(address("192.0.2.4"), at(6)).map(|_| ());
        assert_eq!(refused.unwrap_err(), TurnedAway::Connections);
        drop(first);
        assert!(admission.enter(address("192.0.2.1"), at(7)).is_ok());
    }

    #[test]
    fn one_ipv6_network_counts_as_one_address() {
        let start = Instant::now();
        let admission = Admission::new(limits(), start);
        let at = |second| start + Duration::from_secs(second);
        let _one = admission.enter(address("2001:db8::1"), at(1)).unwrap();
        let _two = admission.enter(address("2001:db8::2"), at(2)).unwrap();
        let refused = admission.enter(address("2001:db8::3"), at(3)).map(|_| ());
        assert_eq!(refused.unwrap_err(), TurnedAway::ConnectionsFromThere);
        // An IPv4 address in IPv6's clothes is that IPv4 address.
        let _v4 = admission.enter(address("::ffff:192.0.2.1"), at(4)).unwrap();
        assert!(admission.enter(address("192.0.2.1"), at(5)).is_ok());
    }

    #[test]
    fn handshakes_wait_their_turn_and_not_too_many_do() {
        let start = Instant::now();
        let admission = Admission::new(Limits { connections: 100, connections_per_address: 100, ..limits() }, start);
        let mut places = Vec::new();
        for expected in [0, 100, 200] {
            let (place, wait) = admission.enter(address("192.0.2.1"), start).unwrap();
            assert_eq!(wait, Duration::from_millis(expected));
            places.push(place);
        }
        let refused = admission.enter(address("192.0.2.1"), start).map(|_| ());
        assert_eq!(refused.unwrap_err(), TurnedAway::Handshakes);
        admission.begun();
        let (_place, wait) = admission.enter(address("192.0.2.1"), start).unwrap();
        assert_eq!(wait, Duration::from_millis(300));
    }

    #[test]
    fn enrolments_are_counted_by_the_minute() {
        let start = Instant::now();
        let admission = Admission::new(limits(), start);
        let seconds = |count| start + Duration::from_secs(count);
        assert!(admission.may_enrol(address("192.0.2.1"), seconds(0)).is_ok());
        assert!(admission.may_enrol(address("192.0.2.1"), seconds(20)).is_ok());
        assert_eq!(admission.may_enrol(address("192.0.2.1"), seconds(20)), Err(Duration::from_secs(40)));
        assert!(admission.may_enrol(address("192.0.2.2"), seconds(20)).is_ok());
        assert!(admission.may_enrol(address("192.0.2.1"), seconds(61)).is_ok());
    }
}
