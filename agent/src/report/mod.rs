//! How a report of the agent leaves the instance: as a document for a person here, or as one block through SSM Run Command.

mod bound;
mod clock;
mod local;
mod script;
mod ssm;

pub use clock::rfc3339;
pub use local::local_report;
pub use script::{Courier, ssm_script};
pub use ssm::{EncodeError, FactsError, encode_report, facts_from_stdout};
