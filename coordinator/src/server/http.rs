//! `/healthz` and `/metrics`: plain HTTP, for the machines that watch.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use super::core::Core;
use super::stopped;

/// A store that takes longer is as good as gone for who watches.
const HEALTH: Duration = Duration::from_secs(2);

pub(super) async fn serve(core: Arc<Core>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let routes = Router::new().route("/healthz", get(health)).route("/metrics", get(metrics)).with_state(core.clone());
    let ending = async move { stopped(&mut stop).await };
    if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(ending).await {
        core.log.line(&format!("the HTTP listener ended: {error}"));
    }
}

async fn health(State(core): State<Arc<Core>>) -> (StatusCode, &'static str) {
    match timeout(HEALTH, core.store.agents(None, 1)).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok\n"),
        Ok(Err(_)) => (StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
    }
}

async fn metrics(State(core): State<Arc<Core>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], core.metrics.text())
}
