//! What was seen, and where.

use serde::{Deserialize, Serialize};

use crate::untrusted::visible;

/// One thing that was seen. Both texts have passed [`visible`], so they are one line and safe to print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// What was seen: `sg-0a1b2c3d has no inbound rule for tcp/22 from 203.0.113.7/32 (3 rules read)`.
    pub seen: String,
    /// Where: a file and line, a rule id, an API call such as `ec2:DescribeSecurityGroups`.
    pub at: String,
}

impl Evidence {
    pub fn new(seen: impl AsRef<str>, at: impl AsRef<str>) -> Self {
        Self { seen: visible(seen.as_ref()).into_owned(), at: visible(at.as_ref()).into_owned() }
    }
}
