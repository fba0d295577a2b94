//! From a URL to a store that is open and of this version's schema.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;

use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::{SharedStore, StoreError};

/// Opens `sqlite:PATH` (made where there is none) or `postgres://USER:PASSWORD@HOST/DATABASE`, and brings an older schema up to date.
/// Several coordinators may open one PostgreSQL; a file is for one.
pub async fn open(url: &str) -> Result<SharedStore, StoreError> {
    Ok(match url.parse()? {
        Place::File(path) => Arc::new(Sqlite::open(&path).await?),
        Place::Database(options) => Arc::new(Postgres::open(*options).await?),
    })
}

/// What is wrong with the URL itself, before anything is opened; `Ok`: nothing.
pub fn check_url(url: &str) -> Result<(), StoreError> {
    url.parse::<Place>().map(drop)
}

enum Place {
    File(PathBuf),
    Database(Box<PgConnectOptions>),
}

impl FromStr for Place {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        let url_error = |why: String| StoreError::Url { why };
        if let Some(path) = url.strip_prefix("sqlite:") {
            // `sqlite://PATH` is how others write it.
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.starts_with(':') || path.contains(['?', '\0']) {
                return Err(url_error("the path of a file is wanted".to_owned()));
            }
            Ok(Self::File(path.into()))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url).map_err(|error| match error {
                sqlx::Error::Configuration(why) => url_error(why.to_string()),
                _ => url_error("it cannot be taken apart".to_owned()),
            });
            options.map(Box::new).map(Self::Database)
        } else {
            Err(url_error("it begins with neither".to_owned()))
        }
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
