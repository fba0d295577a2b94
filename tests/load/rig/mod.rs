//! Simulated agents and what serves them: real mutual TLS, real streams, the report of a real instance, a process of its own behind a port.
//!
//! Nothing here judges how fast anything is: it counts, and fails where something is lost.

pub mod agent;
pub mod checks;
pub mod fleet;
pub mod identity;
pub mod process;
mod said;
mod wire;
