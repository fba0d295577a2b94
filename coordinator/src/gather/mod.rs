//! The only I/O: AWS's APIs, the couriers of OS facts, and recorded worlds.

pub mod recorded;
