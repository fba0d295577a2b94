//! The certificate authorities that EC2 Instance Connect's signer descends from, and how they are told from others.

use crate::parse::{self, Certificate};

/// Some 300 names, two for each certificate.
pub(super) const FOLDER_LIMIT: usize = 4_096;

/// A certificate authority that EC2 Instance Connect's signer descends from (`domain.md` §3.2, row 12).
pub(super) struct KnownAnchor {
    pem: &'static [u8],
    /// `openssl x509 -hash`.
    pub hash: &'static str,
    /// What ca-certificates calls it.
    pub file: &'static str,
}

pub(super) const AMAZON_ROOT_CA_1: KnownAnchor =
    KnownAnchor { pem: include_bytes!("anchors/Amazon_Root_CA_1.pem"), hash: "ce5e74ef", file: "Amazon_Root_CA_1.pem" };
pub(super) const STARFIELD_SERVICES_ROOT_G2: KnownAnchor = KnownAnchor {
    pem: include_bytes!("anchors/Starfield_Services_Root_G2.pem"),
    hash: "09789157",
    file: "Starfield_Services_Root_Certificate_Authority_-_G2.pem",
};

impl KnownAnchor {
    pub fn certificate(&self) -> Option<Certificate> {
        parse::parse_certificates(self.pem).value.into_iter().next()
    }
}

/// `ce5e74ef.0`.
pub(super) fn is_by_hash(name: &str) -> bool {
    name.split_once('.').is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.chars().all(|c| c.is_ascii_hexdigit())
            && !number.is_empty()
            && number.chars().all(|c| c.is_ascii_digit())
    })
}
