//! What is inside the instances of a fleet, where somebody can tell it.

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::Fact;

/// Brings what is inside: a page of instances at a time, in their order.
pub trait Inside {
    fn of_page(&self, ids: &[String]) -> impl Future<Output = Vec<Fact<OsFacts>>>;
}

/// Nobody brings it.
#[derive(Clone, Copy, Debug)]
pub struct FromOutside;

impl FromOutside {
    pub fn facts() -> Fact<OsFacts> {
        Fact::unreadable("a fleet is looked at from outside")
    }
}

impl Inside for FromOutside {
    async fn of_page(&self, ids: &[String]) -> Vec<Fact<OsFacts>> {
        ids.iter().map(|_| Self::facts()).collect()
    }
}
