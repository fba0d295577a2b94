//! What the keys command trusts, as root sees it: the places of certificate authorities, OpenSSL, and what IMDS signs keys with.

use eic_doctor_proto::{Fact, Untrusted};
use serde::{Deserialize, Serialize};

use super::FileState;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrustFacts {
    /// The folder, the bundle and the links of the anchor, with the folders that lead to them and to what they link to, and the folders of
    /// programs.
    pub files: Fact<Vec<FileState>>,
    /// `/etc/ca-certificates.conf` leaves Amazon Root CA 1 out by a `!`, as Debian's ca-certificates understands it.
    pub is_left_out: Fact<bool>,
    /// The major version of the library that `/usr/bin/openssl` is linked with: 3 for `libcrypto.so.3`; absent when the program is.
    pub openssl: Fact<u32>,
    /// The script of 1.x reads the fingerprint as OpenSSL 3 prints it; absent when it looks for none that we know of.
    pub script_reads_openssl_3: Fact<bool>,
    /// The certificates that pushed keys are signed with; absent when IMDS has none, as it may while no key is pushed.
    pub signer: Fact<Signer>,
}

/// The answers below `managed-ssh-keys/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signer {
    /// The common name of what signed the intermediate certificate.
    pub root: Untrusted,
    /// The one that signs keys first, each signed by the next.
    pub chain: Fact<Vec<SignerCertificate>>,
    /// When all certificates are valid.
    pub certificates: Fact<Validity>,
    /// When all OCSP responses hold; absent when there are none.
    pub staples: Fact<Validity>,
}

/// One certificate of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignerCertificate {
    /// Its subject's common name.
    pub name: Untrusted,
    /// Absent when no OCSP response is named by its SHA-1 fingerprint.
    pub response: Fact<OcspResponse>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OcspResponse {
    Good,
    /// It says that the certificate was revoked, or that the responder does not know it.
    NotGood,
    /// There is none for the certificate, and some are named by 64 digits: by SHA-256.
    OtherName,
    /// IMDS names it and does not hand it out.
    Refused,
}

/// Seconds from the host's clock, negative for what is past: valid from −3,600 until 86,400 is valid for an hour and for a day more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    pub from: i64,
    pub until: i64,
}
