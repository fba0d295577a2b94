//! What an agent of a fleet takes from outside besides the connection: time, chance, the metadata service and looks at the instance.

use std::pin::Pin;
use std::time::Duration;

use eic_doctor_proto::Attempt;

use crate::gather::InstanceClaim;

use super::pass::Pass;

pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The real one is [`super::RealOutside`]; tests bring their own clock and instance.
pub trait Outside: Sync {
    /// Milliseconds since 1970; may jump.
    fn unix_ms(&self) -> u64;

    /// Milliseconds since some moment; never goes back.
    fn elapsed_ms(&self) -> u64;

    /// Until [`Outside::elapsed_ms`] is so much.
    fn until(&self, elapsed_ms: u64) -> Later<'_, ()>;

    /// Any number.
    fn chance(&self) -> u64;

    /// What proves the instance, or why it cannot be had.
    fn claim(&self) -> Later<'_, Result<InstanceClaim, String>>;

    /// The instance id that the hardware tells, where it does.
    fn hardware_id(&self) -> Option<String>;

    fn look<'a>(&'a self, attempt: &'a Attempt, budget: Duration) -> Later<'a, Result<Pass, String>>;

    /// A line for whoever reads the agent's log.
    fn say(&self, line: &str);
}
