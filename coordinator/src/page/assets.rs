//! The page's own files, each named by the digest of what is in it: a browser keeps them for good, and a new version has new names.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};

pub(super) struct Asset {
    name: String,
    content: &'static str,
    kind: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, content: &'static str) -> Self {
        let digest = digest(&SHA256, content.as_bytes());
        let hash: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { name: format!("{stem}-{hash}.{ending}"), content, kind }
    }

    pub fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("page", "css", "text/css; charset=utf-8", include_str!("page.css")));
static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("page", "js", "text/javascript; charset=utf-8", include_str!("page.js")));
static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("icon.svg")));

pub(super) fn style() -> &'static Asset {
    &STYLE
}

pub(super) fn script() -> &'static Asset {
    &SCRIPT
}

pub(super) fn icon() -> &'static Asset {
    &ICON
}

pub(super) async fn serve(Path(name): Path<String>) -> Response {
    match [style(), script(), icon()].into_iter().find(|asset| asset.name == name) {
        Some(asset) => {
            let forever = "public, max-age=31536000, immutable";
            ([(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, forever)], asset.content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
