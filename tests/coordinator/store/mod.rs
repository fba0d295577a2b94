//! What the trait promises, over SQLite and over a PostgreSQL that the tests start themselves.

mod backup;
mod cluster;
mod deliveries;
mod drift;
mod durable;
mod enrolled;
mod fixtures;
mod reports;
mod schema;
mod shared;
mod sweeps;

use cluster::Cluster;
use eic_doctor::store::{SharedStore, open};
use tempfile::TempDir;

/// A store of its own for each test.
struct Place {
    store: SharedStore,
    url: String,
    _folder: Option<TempDir>,
}

impl Place {
    async fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        Self { store: open(&url).await.unwrap(), url, _folder: Some(folder) }
    }

    async fn postgres() -> Self {
        let url = Cluster::of_all_tests().new_database().await;
        Self { store: open(&url).await.unwrap(), url, _folder: None }
    }
}

/// Each of the named promises is a test of each database.
macro_rules! over_both {
    ($($promise:ident)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $promise() { super::promise::$promise(&super::super::Place::sqlite().await.store).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $promise() { super::promise::$promise(&super::super::Place::postgres().await.store).await; })*
        }
    };
}
use over_both;
