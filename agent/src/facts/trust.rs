//! What the keys command trusts: its certificate authority, the clock, OpenSSL.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrustFacts {}
