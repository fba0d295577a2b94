use super::OsFacts;

/// The same on every healthy instance.
pub fn fill(_facts: &mut OsFacts) {}
