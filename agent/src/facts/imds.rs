//! The instance metadata service as the keys command meets it: IMDSv2 on 169.254.169.254, asked as root and as the keys user.

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImdsFacts {
    pub as_root: ImdsView,
    /// Asked by a child that has become the keys user: an owner-match firewall rule can block only one of the two.
    pub as_keys_user: ImdsView,
    /// `GET /latest/meta-data/instance-id` without a token. Asked only where the package is of a release that asks so: AWS counts such
    /// requests, for those who mean to stop them.
    pub without_token: Fact<ImdsAnswer>,
}

/// The requests of the keys command in their order (`domain.md` §3.2, steps 1–7). A request that was not made because an earlier one
/// failed is *not gathered*.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImdsView {
    /// `PUT /latest/api/token`, 1 s. The token itself is never kept.
    pub token: Fact<ImdsAnswer>,
    /// `GET /latest/meta-data/instance-id`
    pub instance_id: Fact<ImdsAnswer>,
    /// `GET /latest/meta-data/placement/availability-zone`
    pub availability_zone: Fact<ImdsAnswer>,
    /// `GET /latest/meta-data/services/domain`
    pub domain: Fact<ImdsAnswer>,
    /// `GET /latest/meta-data/placement/region`: not asked by the keys command, but it tells us the Region.
    pub region: Fact<ImdsAnswer>,
    /// `HEAD /latest/meta-data/managed-ssh-keys/active-keys/OS_USER/`: 404 without a push is normal.
    pub active_keys: Fact<ImdsAnswer>,
    /// `GET …/managed-ssh-keys/signer-cert/`, asked as the keys user alone, without its body: 404 without a push may be normal.
    pub signer_cert: Fact<ImdsAnswer>,
    /// `GET …/managed-ssh-keys/signer-ocsp/`, the names of the OCSP responses, without its body.
    pub signer_ocsp: Fact<ImdsAnswer>,
    /// `GET …/managed-ssh-keys/signer-ocsp/NAME` for each name, without bodies; the first without an answer is the last.
    pub staples: Vec<Fact<ImdsAnswer>>,
}

/// An HTTP answer. No answer at all (refused, timed out, no route) is an unreadable fact that says which.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImdsAnswer {
    pub status: u16,
    /// At most 256 bytes; empty for the token.
    pub body: Untrusted,
    pub latency_ms: u32,
    /// By how many seconds the host's clock was ahead of the answer's `Date:`, which has whole seconds; absent without that header.
    pub clock_ahead: Fact<i64>,
}
