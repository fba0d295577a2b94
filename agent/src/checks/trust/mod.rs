//! What the keys command trusts: its certificate authority, the clock, OpenSSL, and who signs keys.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod certificate_authority;
mod clock;
mod openssl;
mod signer;

pub const ALL: &[&Check<OsFacts>] = &[&certificate_authority::CHECK, &clock::CHECK, &openssl::CHECK, &signer::CHECK];
