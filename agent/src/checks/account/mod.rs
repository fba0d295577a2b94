use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod access;
mod expired;
mod keys_user;
mod locked;
mod login;
mod nologin;
mod os_user;
mod shell;

pub use login::{EFFECTIVE, account};

pub const ALL: &[&Check<OsFacts>] = &[
    &keys_user::CHECK,
    &os_user::CHECK,
    &shell::CHECK,
    &locked::CHECK,
    &expired::CHECK,
    &nologin::CHECK,
    &access::CHECK,
];
