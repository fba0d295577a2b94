//! Who this instance is towards the coordinator: the key pair, the certificate and what proves the instance, in a folder of our own.
//!
//! Invariant: nothing is written outside the state folder, and nothing of another instance is used.

mod certificate;
mod der;
mod enrolled;
mod key;
mod proof;
mod request;
mod sequence;
mod sigv4;
mod state;

pub use certificate::{Life, life_of};
pub use enrolled::{Enrolled, Instance, OpenError, Opened, keep, open};
pub use key::{Key, KeyError};
pub use proof::proof;
pub use request::certificate_request;
pub use sequence::Sequence;
pub use sigv4::{Credentials, signed_caller_identity};
pub use state::{Name, State, StateError};
