//! How a report of the agent leaves the instance: as a document for a person here, or as one block through SSM Run Command.

#[cfg(feature = "host")]
mod agent;
#[cfg(feature = "host")]
mod backoff;
mod bound;
mod clock;
#[cfg(feature = "host")]
mod connect;
#[cfg(feature = "host")]
mod fingerprint;
#[cfg(feature = "host")]
mod grpc;
mod local;
#[cfg(feature = "host")]
mod names;
#[cfg(feature = "host")]
mod once;
#[cfg(feature = "host")]
mod outside;
#[cfg(feature = "host")]
mod pass;
#[cfg(feature = "host")]
mod real;
#[cfg(feature = "host")]
mod resident;
mod script;
mod ssm;
#[cfg(feature = "host")]
mod stream;
#[cfg(feature = "host")]
mod submission;
#[cfg(feature = "host")]
mod tls;

#[cfg(feature = "host")]
pub use agent::{Agent, AgentError, Settings, chain};
pub use clock::rfc3339;
#[cfg(feature = "host")]
pub use connect::Way;
#[cfg(feature = "host")]
pub use grpc::Meaning;
pub use local::local_report;
#[cfg(feature = "host")]
pub use names::Names;
#[cfg(feature = "host")]
pub use once::report_once;
#[cfg(feature = "host")]
pub use outside::{Later, Outside};
#[cfg(feature = "host")]
pub use pass::{PASS_COMMAND, Pass, attempt_from_word, look};
#[cfg(feature = "host")]
pub use real::RealOutside;
#[cfg(feature = "host")]
pub use resident::{Stop, run_resident};
pub use script::{Courier, ssm_script};
pub use ssm::{EncodeError, FactsError, encode_report, facts_from_stdout};
