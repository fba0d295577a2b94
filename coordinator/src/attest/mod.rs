//! Enrolment: what an agent brings is held against AWS's signature and AWS's description, and then decided upon.
//!
//! [`Claim::read`] looks only at what the agent sent; [`decide`] is a pure function of the claim and of what others say. Nothing here
//! speaks to the network, reads a clock, or writes to the store.

pub mod ber;
pub mod caller_identity;
mod claim;
pub mod decide;
pub mod document;
pub mod identity;
mod recognise;
mod refusal;
pub mod region_certificates;
pub mod request;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use caller_identity::{CallerIdentity, CallerIdentityRequest, GetCallerIdentity};
pub use claim::Claim;
pub use decide::{Decision, Described, DescribedInstance, EnrolmentPolicy, decide};
pub use document::IdentityDocument;
pub use recognise::{Recognition, recognise};
pub use refusal::{Kind, RULES, Refusal};
pub use region_certificates::{Fingerprint, Pin, RegionCertificate, RegionCertificates};
