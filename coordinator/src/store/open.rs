//! From a URL to a store that is open and of this version's schema.

use std::str::FromStr as _;
use std::sync::Arc;

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::{SharedStore, StoreError};

/// Opens `sqlite:PATH` (made where there is none) or `postgres://USER:PASSWORD@HOST/DATABASE`, and brings an older schema up to date.
/// Several coordinators may open one PostgreSQL; a file is for one.
pub async fn open(url: &str) -> Result<SharedStore, StoreError> {
    let url_error = |why: String| StoreError::Url { why };
    if let Some(path) = url.strip_prefix("sqlite:") {
        // `sqlite://PATH` is how others write it.
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.starts_with(':') || path.contains(['?', '\0']) {
            return Err(url_error("the path of a file is wanted".to_owned()));
        }
        Ok(Arc::new(Sqlite::open(path.as_ref()).await?))
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let options = sqlx::postgres::PgConnectOptions::from_str(url).map_err(|error| match error {
            sqlx::Error::Configuration(why) => url_error(why.to_string()),
            _ => url_error("it cannot be taken apart".to_owned()),
        })?;
        Ok(Arc::new(Postgres::open(options).await?))
    } else {
        Err(url_error("it begins with neither".to_owned()))
    }
}

/// Forward only: a schema of a newer version is refused before anything is read from it.
pub(super) async fn migrate<C>(migrator: &Migrator, connection: &mut C) -> Result<(), StoreError>
where
    C: Migrate,
{
    match migrator.run_direct(None, connection, false).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(version)) => {
            let known = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
            Err(StoreError::Newer { version, known })
        }
        Err(error) => Err(StoreError::Migrate(error)),
    }
}
