//! What the keys command trusts: its certificate authority, the clock, OpenSSL.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod certificate_authority;
mod clock;
mod openssl;

pub const ALL: &[&Check<OsFacts>] = &[&certificate_authority::CHECK, &clock::CHECK, &openssl::CHECK];
