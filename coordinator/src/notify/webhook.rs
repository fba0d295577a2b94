//! A POST that its receiver can hold to be ours.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use ring::hmac;

use crate::store::Millis;

/// `sha256=` and the lower-case hexadecimal HMAC of the timestamp, a full stop and the body.
pub const SIGNATURE: &str = "x-eic-doctor-signature";
/// Milliseconds since 1970: a receiver refuses what is old, so that nobody sends it again.
pub const TIMESTAMP: &str = "x-eic-doctor-timestamp";
/// The change's number: the same when it is told again because an answer was lost.
const NUMBER: &str = "x-eic-doctor-change";

/// A receiver that takes longer is told again later.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Webhook {
    client: Client,
    url: Url,
    /// Of some 200 bytes.
    key: Box<hmac::Key>,
}

/// The URL is in none of these: many carry a secret.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("the webhook's URL is not one of http or https")]
    Url,
    #[error("the webhook's secret is empty")]
    NoSecret,
    #[error("set up a webhook")]
    Client(#[source] reqwest::Error),
    #[error("post to the webhook")]
    Post(#[source] reqwest::Error),
    #[error("the webhook answered {0}")]
    Status(StatusCode),
}

/// The address of a receiver.
pub fn webhook_url(text: &str) -> Result<Url, WebhookError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or(WebhookError::Url)
}

impl Webhook {
    /// `secret`: the bytes that the receiver knows too, without the new line at the end of a file.
    pub fn new(url: &str, secret: &[u8]) -> Result<Self, WebhookError> {
        let url = webhook_url(url)?;
        let secret = secret.trim_ascii_end();
        if secret.is_empty() {
            return Err(WebhookError::NoSecret);
        }
        // Fails only when somebody has installed a provider already, and ours is ring too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // What is signed for one receiver is not sent on to another.
        let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build();
        let client = client.map_err(|error| WebhookError::Client(error.without_url()))?;
        Ok(Self { client, url, key: Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)) })
    }

    pub(super) async fn post(&self, number: u64, body: String, at: Millis) -> Result<(), WebhookError> {
        let signature = sign(&self.key, at, &body);
        let sent = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(TIMESTAMP, at.to_string())
            .header(NUMBER, number.to_string())
            .header(SIGNATURE, signature)
            .body(body)
            .send()
            .await
            .map_err(|error| WebhookError::Post(error.without_url()))?;
        if sent.status().is_success() { Ok(()) } else { Err(WebhookError::Status(sent.status())) }
    }
}

/// What stands in [`SIGNATURE`].
pub fn sign(key: &hmac::Key, at: Millis, body: &str) -> String {
    let tag = hmac::sign(key, format!("{at}.{body}").as_bytes());
    tag.as_ref().iter().fold("sha256=".to_owned(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
        text
    })
}
