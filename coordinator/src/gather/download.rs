//! What a URL answers, bounded.

use std::time::Duration;

/// At most so many bytes, or a piece more, so that the caller sees that there are too many.
///
/// # Errors
///
/// No connection, a status that is no success, a body that is cut, the time that is up. The URL is left out: the caller names it.
pub(super) async fn download(url: &str, timeout: Duration, limit: usize) -> Result<Vec<u8>, reqwest::Error> {
    bounded(url, timeout, limit).await.map_err(reqwest::Error::without_url)
}

async fn bounded(url: &str, timeout: Duration, limit: usize) -> Result<Vec<u8>, reqwest::Error> {
    // Fails only when somebody has installed a provider already, and ours is ring too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(timeout).build()?;
    body(client.get(url).send().await?.error_for_status()?, limit).await
}

/// At most `limit` bytes of an answer, or a piece more, so that the caller sees that there are too many.
pub(crate) async fn body(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        body.extend_from_slice(&piece);
        if body.len() > limit {
            break;
        }
    }
    Ok(body)
}
