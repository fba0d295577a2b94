//! An agent of a fleet against a real gRPC server over real TLS on the loopback, which plays the coordinator; time stands still until a test
//! moves it.

mod coordinator;
mod hostile;
mod names;
mod outside;
mod process;
mod relay;
mod resident;
mod state;
mod timer;

use std::time::Duration;

use eic_doctor_agent::report::{AgentError, Settings, run_resident};
use tokio::sync::watch;

use coordinator::Coordinator;
use outside::Virtual;

/// Far above what anything here takes: ends a test that would hang.
const GUARD: Duration = Duration::from_secs(240);

/// Runs a resident agent beside a story, and ends it after that.
async fn beside(settings: &Settings, outside: &Virtual, story: impl Future<Output = ()>) -> Result<(), AgentError> {
    let (stop, stopped) = watch::channel(false);
    let story = async {
        story.await;
        stop.send(true).unwrap();
    };
    let both = async { tokio::join!(run_resident(settings, outside, stopped), story).0 };
    tokio::time::timeout(GUARD, both).await.expect("the story came to no end")
}

/// A coordinator, and settings that lead to it; the state folder is in the returned one.
async fn fleet() -> (Coordinator, Settings, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start().await;
    let settings = coordinator.settings(folder.path());
    (coordinator, settings, folder)
}
