//! One file that this process alone writes: write-ahead log, each commit on the disk before it is answered, one writer.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::SqliteConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::broadcast;

use super::carry::{Loaded, Run, carry, silence};
use super::columns::*;
use super::implement::implement_store;
use super::implement_overview::{implement_overview, write_outlooks};
use super::queue::{Answers, Apply, Call, Presence, Queue, presences};
use super::statements::{agent_columns, agent_record, forget_of_silent, forget_outlook};
use super::write::{Told, Writes};
use super::*;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// Instances that are told silent in one transaction.
const SILENT_TOGETHER: i64 = 500;
/// Messages that a subscriber may lag behind.
const MESSAGES: usize = 4096;

#[derive(Debug)]
pub(super) struct Sqlite {
    readers: SqlitePool,
    /// Of one connection, so that nobody ever waits for the database's own lock.
    writers: SqlitePool,
    queue: Queue,
    messages: broadcast::Sender<String>,
    /// Held as long as the store is open; the operating system lets go of it however the process ends.
    _lock: File,
}

impl Sqlite {
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        // The log and the shared memory beside it get the permissions of the file.
        open_file(path, path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(30))
            // 64 MiB of the log between two checkpoints: each writes every page once, however often it was changed. And 64 MiB of pages
            // in memory, that a fleet's narrow rows are found without a read.
            .pragma("wal_autocheckpoint", "16384")
            .pragma("cache_size", "-65536");
        let pool = |connections, options| async move {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .max_lifetime(None)
                .idle_timeout(None)
                .connect_with(options)
                .await
                .map_err(failed("open the file"))
        };
        let writers = pool(1, options.clone()).await?;
        let mut connection = writers.acquire().await.map_err(failed("open the file"))?;
        open::migrate(&MIGRATIONS, &mut *connection).await?;
        drop(connection);
        let readers = pool(2, options.read_only(true)).await?;
        let queue = Queue::start(Writer(writers.clone()));
        Ok(Self { readers, writers, queue, messages: broadcast::Sender::new(MESSAGES), _lock: lock })
    }

    async fn tell(&self, message: &str) -> Result<(), StoreError> {
        // Without a subscriber nobody needs to know.
        drop(self.messages.send(message.to_owned()));
        Ok(())
    }

    async fn listen(&self) -> Result<broadcast::Receiver<String>, StoreError> {
        Ok(self.messages.subscribe())
    }
}

implement_store!(Sqlite over Sqlite, taking rows "", silent ones "");
implement_overview!(Sqlite over Sqlite);

struct Writer(SqlitePool);

impl Apply for Writer {
    async fn apply(&self, calls: &[Call]) -> Result<Vec<Answers>, StoreError> {
        let operation = "store a report";
        let mut transaction = self.0.begin().await.map_err(failed(operation))?;
        let mut loaded = load(&mut transaction, &write::places(calls)).await?;
        let mut told = Told::default();
        let answers = told.carry_all(&mut loaded, calls, carry);
        write(&mut transaction, &loaded, &mut told).await?;
        write_presences(&mut transaction, calls).await?;
        transaction.commit().await.map_err(failed(operation))?;
        Ok(told.answers(answers))
    }
}

/// What is stored of the places; their drift only where it may be carried forward.
async fn load<'a>(connection: &mut SqliteConnection, places: &write::Places) -> Result<Loaded<'a>, StoreError> {
    let sql = "SELECT w.value->>0, w.value->>1, a.state, a.key, r.received_at, r.digest, r.confirmed_at, r.sequence, \
               r.sequence_key, r.is_silent, r.waits, d.state, \
               iif(w.value->>1 = 'os', f.os, f.aws), iif(w.value->>1 = 'os', f.os_findings, f.aws_findings), \
               iif(w.value->>1 = 'os', f.os_silent, f.aws_silent) \
               FROM json_each($1) w \
               LEFT JOIN agents a ON a.instance_id = w.value->>0 \
               LEFT JOIN runs r ON r.instance_id = w.value->>0 AND r.half = w.value->>1 \
               LEFT JOIN drift d ON d.instance_id = w.value->>0 AND d.half = w.value->>1 \
                 AND (w.value->>2 = 1 OR r.waits = 1) \
               LEFT JOIN fleet f ON f.instance_id = w.value->>0 AND (w.value->>2 = 1 OR r.is_silent = 1)";
    let wanted: Vec<_> = places.iter().map(|((id, half), full)| (id, half.word(), i32::from(*full))).collect();
    let rows: Vec<write::LoadedRow> = sqlx::query_as(sql)
        .bind(json(&wanted))
        .fetch_all(connection)
        .await
        .map_err(failed("read what is stored of an instance"))?;
    rows.into_iter().map(write::kept_of_row).collect()
}

async fn write(connection: &mut SqliteConnection, loaded: &Loaded<'_>, told: &mut Told) -> Result<(), StoreError> {
    let operation = "store a report";
    let writes = Writes::of(loaded);
    if !writes.runs.is_empty() {
        // JSON has no bytes.
        let rows: Vec<_> = writes
            .runs
            .iter()
            .map(|((id, half), run)| {
                let Run { received_at, digest, confirmed_at, sequence, sequence_key, is_silent, waits } = run;
                let hex = |bytes: &Option<[u8; 32]>| bytes.map(|bytes| hex(&bytes));
                let times = (number(*received_at), number(*confirmed_at));
                let (is_silent, waits) = (i32::from(*is_silent), i32::from(*waits));
                let sequence = sequence.cast_signed();
                (id, half.word(), times.0, hex(digest), times.1, sequence, hex(sequence_key), is_silent, waits)
            })
            .collect();
        let sql = "INSERT INTO runs (instance_id, half, received_at, digest, confirmed_at, sequence, sequence_key, is_silent, \
                   waits) SELECT value->>0, value->>1, value->>2, unhex(value->>3), value->>4, value->>5, \
                   unhex(value->>6), value->>7, value->>8 \
                   FROM json_each($1) WHERE true \
                   ON CONFLICT (instance_id, half) DO UPDATE SET received_at = excluded.received_at, \
                   digest = excluded.digest, confirmed_at = excluded.confirmed_at, sequence = excluded.sequence, \
                   sequence_key = excluded.sequence_key, is_silent = excluded.is_silent, waits = excluded.waits";
        sqlx::query(sql).bind(json(&rows)).execute(&mut *connection).await.map_err(failed(operation))?;
    }
    let both = [
        (
            &writes.reports,
            "INSERT INTO reports (instance_id, half, report) VALUES ($1, $2, $3) \
             ON CONFLICT (instance_id, half) DO UPDATE SET report = $3",
        ),
        (
            &writes.states,
            "INSERT INTO drift (instance_id, half, state) VALUES ($1, $2, $3) \
             ON CONFLICT (instance_id, half) DO UPDATE SET state = $3",
        ),
    ];
    for (rows, sql) in both {
        for ((id, half), bytes) in rows {
            sqlx::query(sql)
                .bind(id)
                .bind(half.word())
                .bind(bytes.as_ref())
                .execute(&mut *connection)
                .await
                .map_err(failed(operation))?;
        }
    }
    write_outlooks!(connection, writes);
    if told.changes.is_empty() {
        return Ok(());
    }
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'changes'";
    let last: Option<i64> =
        sqlx::query_scalar(sql).fetch_optional(&mut *connection).await.map_err(failed(operation))?;
    told.number_from(last.unwrap_or_default().cast_unsigned() + 1..);
    for change in &told.changes {
        let sql = "INSERT INTO changes (number, instance_id, half, check_id, was, is_now, since, told_at, is_status) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        sqlx::query(sql)
            .bind(number(change.number))
            .bind(&change.instance_id)
            .bind(change.half.word())
            .bind(shown(&change.change.check_id))
            .bind(change.change.was.word())
            .bind(result_text(&change.change.is))
            .bind(number(change.change.since))
            .bind(number(change.change.told_at))
            .bind(change.change.is.status.word())
            .execute(&mut *connection)
            .await
            .map_err(failed(operation))?;
    }
    let sql = "INSERT INTO deliveries (number, target, tried, next_at, leased_until, is_dead, why) \
               SELECT value->>0, value->>1, 0, value->>2, 0, 0, '' FROM json_each($1)";
    sqlx::query(sql).bind(json(&told.deliveries())).execute(&mut *connection).await.map_err(failed(operation))?;
    Ok(())
}

fn json(rows: &impl serde::Serialize) -> String {
    serde_json::to_string(rows).expect("lists of texts and numbers have a form in JSON")
}

fn hex(bytes: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Beside the file, for SQLite has locks of its own in the file itself.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let file = open_file(beside.as_ref(), path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::File { path: path.to_owned(), source }),
    }
}

/// Made for this user alone where there is none.
fn open_file(file: &Path, path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(file)
        .map_err(|source| StoreError::File { path: path.to_owned(), source })
}
