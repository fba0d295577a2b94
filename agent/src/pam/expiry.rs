//! Ageing of passwords and accounts, as `pam_unix` reckons it.

use crate::facts::Shadow;

/// What is known of password and account ageing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    None,
    /// On this day since 1970-01-01.
    Account(i64),
    /// An administrator wants a new password.
    ChangeWanted,
    /// The password is so many days old, and may be so many.
    Aged {
        days: i64,
        maximum: i64,
    },
    /// Releases of Linux-PAM differ by a day, or in what an empty date means.
    Border,
}

/// Source: Linux-PAM, `check_shadow_expiry` of 1.1.8 to 1.7.2.
pub fn expiry(shadow: &Shadow, today: i64) -> Expiry {
    if let Some(expires) = shadow.expires.filter(|expires| today >= *expires) {
        return Expiry::Account(expires);
    }
    let maximum = shadow.maximum.unwrap_or(i64::MAX);
    match shadow.last_change {
        Some(0) => Expiry::ChangeWanted,
        // Older releases reckon from the day before 1970-01-01.
        None if today.saturating_add(1) > maximum => Expiry::Border,
        None => Expiry::None,
        Some(changed) => match today.saturating_sub(changed) {
            days if days > maximum => Expiry::Aged { days, maximum },
            days if days == maximum => Expiry::Border,
            _ => Expiry::None,
        },
    }
}
