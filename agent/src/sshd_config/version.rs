//! The version of OpenSSH, for what differs between versions.

/// `9.2` is 902, so that versions compare as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16);

/// What is assumed where nobody could tell: the versions of Amazon Linux 2023, RHEL 9 and later.
impl Default for Version {
    fn default() -> Self {
        Self(807)
    }
}

impl Version {
    /// Red Hat's 7.4, which Amazon Linux 2 has too, looks up names unless told not to; since then defaults are OpenSSH's own.
    pub const USUAL_DEFAULTS: Self = Self(800);
    /// `Include` (release notes of 8.2).
    pub const INCLUDE: Self = Self(802);
    /// `PubkeyAcceptedAlgorithms` and its like by these names (release notes of 8.5).
    pub const ALGORITHMS: Self = Self(805);
    /// Quotes, escapes and comments in arguments (release notes of 8.7).
    pub const ARGUMENTS: Self = Self(807);
    /// `Subsystem` below `Match`, and one that is named again is passed over (release notes of 9.5).
    pub const SUBSYSTEM: Self = Self(905);
    /// `Match invalid-user` and `RefuseConnection` (release notes of 9.9).
    pub const REFUSE_CONNECTION: Self = Self(909);
    /// `Match user=NAME` and `Match version` (release notes of 10.0).
    pub const MATCH_WITH_EQUALS: Self = Self(1000);
    /// Penalties for sources (release notes of 9.8).
    pub const PENALTIES: Self = Self(908);

    /// From `OpenSSH_9.2p1 Debian-2+deb12u3`.
    pub fn of(banner: &str) -> Option<Self> {
        let number = banner.strip_prefix("OpenSSH_")?;
        let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
        let (major, minor) = number.get(..end)?.split_once('.')?;
        let (major, minor): (u16, u16) = (major.parse().ok()?, minor.parse().ok()?);
        (minor < 100).then(|| major.checked_mul(100)?.checked_add(minor)).flatten().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenth_version_comes_after_the_ninth() {
        assert_eq!(Version::of("OpenSSH_9.2p1 Debian-2+deb12u3"), Some(Version(902)));
        assert_eq!(Version::of("OpenSSH_7.4p1"), Some(Version(704)));
        assert!(Version::of("OpenSSH_10.0p2 Debian-7") > Version::of("OpenSSH_9.9"));
        for other in ["OpenSSH_", "OpenSSH_9", "Dropbear_2022", "OpenSSH_99999.99999", ""] {
            assert_eq!(Version::of(other), None, "{other}");
        }
    }
}
