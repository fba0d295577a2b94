//! What holds for the whole catalogue and for every world.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod asff;
mod catalogue;
mod formats;
mod generated;
mod hostile;
mod load;
mod model;
mod path;
mod reach;
mod recorded;
mod sources;
mod store;
mod support;
mod worlds;
