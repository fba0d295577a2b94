//! `GetConsoleOutput`.

use eic_doctor_proto::Untrusted;
use serde::{Deserialize, Serialize};

use super::time::text_or_number;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ConsoleOutput {
    pub instance_id: Option<String>,
    /// Decoded, as the AWS CLI prints it; the API itself answers in base64. Whatever runs on the instance writes it.
    pub output: Option<Untrusted>,
    /// When EC2 last wrote it down, RFC 3339.
    #[serde(deserialize_with = "text_or_number")]
    pub timestamp: Option<String>,
}
