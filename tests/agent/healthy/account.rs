use super::{Fact, OsFacts};

/// The same on every healthy instance.
pub fn fill(facts: &mut OsFacts) {
    facts.account.root_group_members = Fact::Known(Vec::new());
}
