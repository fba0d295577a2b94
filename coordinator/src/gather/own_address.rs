//! `--source me`: the address under which AWS sees this machine.

use std::net::IpAddr;
use std::time::Duration;

use eic_doctor_proto::visible;

use super::download::download;

/// AWS's own service for this question; it answers with the address and a new line.
pub const CHECKIP_URL: &str = "https://checkip.amazonaws.com";

/// An IPv6 address has at most 45 characters.
const LIMIT: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum OwnAddressError {
    #[error("ask {url} for this machine's address, as `--source me` wants")]
    Ask {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url} answered `{}`, which is not an address", visible(.answer))]
    NotAnAddress { url: String, answer: String },
}

pub async fn own_address(url: &str) -> Result<IpAddr, OwnAddressError> {
    let failed = |source| OwnAddressError::Ask { url: url.to_owned(), source };
    let body = download(url, Duration::from_secs(5), LIMIT).await.map_err(failed)?;
    let answer: String = String::from_utf8_lossy(&body).trim().chars().take(LIMIT).collect();
    answer.parse().map_err(|_| OwnAddressError::NotAnAddress { url: url.to_owned(), answer })
}
