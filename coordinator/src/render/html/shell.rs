//! What stands around every page: the head with its styles, and a policy that lets nothing else in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};

const STYLE: &str = include_str!("style.css");

/// Closes what [`opening`] opens.
pub const CLOSING: &str = "</main></body></html>\n";

/// Everything before the content, so that a long page can be written as it comes.
pub fn opening(title: &str) -> String {
    format!(r#"<!DOCTYPE html><html lang="en">{}<body><main>"#, head(title).into_string())
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            // Before anything that it could forbid.
            meta http-equiv="Content-Security-Policy" content=(policy());
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="referrer" content="no-referrer";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

/// No script, no request to anywhere, and of styles the one above alone: a text that was not escaped could do nothing.
fn policy() -> String {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'")
}
