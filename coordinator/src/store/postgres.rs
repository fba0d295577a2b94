//! One database that any number of coordinators share: rows are locked in one order, messages go by `LISTEN` and `NOTIFY`.

use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use super::carry::{Loaded, carry, silence};
use super::columns::*;
use super::implement::implement_store;
use super::implement_overview::{implement_overview, write_outlooks};
use super::queue::{Answers, Apply, Call, Presence, Queue, presences};
use super::statements::{agent_columns, agent_record, forget_of_silent, forget_outlook};
use super::write::{Places, Told, Writes, kept_of_row, places};
use super::*;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// Instances that are told silent in one transaction.
const SILENT_TOGETHER: i64 = 500;
const MESSAGES: usize = 4096;
const CHANNEL: &str = "eic_doctor";
/// Whoever numbers changes holds it until they are committed, so that no number becomes visible after a greater one.
const NUMBERS: i64 = 0x6569_632d_6e75;
/// Tries of a transaction that the database undid for the sake of another.
const TRIES: u32 = 4;

#[derive(Debug)]
pub(super) struct Postgres {
    readers: PgPool,
    writers: PgPool,
    queue: Queue,
    messages: broadcast::Sender<String>,
    listener: JoinHandle<()>,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Postgres {
    pub async fn open(options: PgConnectOptions) -> Result<Self, StoreError> {
        // A commit that is answered is on the disk, whatever the role or the server sets otherwise.
        let options = options.application_name("eic-doctor").options([("synchronous_commit", "on")]);
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await
            .map_err(failed("connect to the database"))?;
        let mut connection = pool.acquire().await.map_err(failed("connect to the database"))?;
        open::migrate(&MIGRATIONS, &mut *connection).await?;
        drop(connection);
        let operation = "listen to what coordinators ask of each other";
        let mut listener = PgListener::connect_with(&pool).await.map_err(failed(operation))?;
        listener.listen(CHANNEL).await.map_err(failed(operation))?;
        let messages = broadcast::Sender::new(MESSAGES);
        let listener = tokio::spawn(hear(listener, messages.clone()));
        let queue = Queue::start(Writer(pool.clone()));
        Ok(Self { readers: pool.clone(), writers: pool, queue, messages, listener })
    }

    async fn tell(&self, message: &str) -> Result<(), StoreError> {
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(message)
            .execute(&self.writers)
            .await
            .map_err(failed("tell the other coordinators"))?;
        Ok(())
    }

    async fn listen(&self) -> Result<broadcast::Receiver<String>, StoreError> {
        Ok(self.messages.subscribe())
    }
}

// Silent ones that another coordinator has in hand are heard of at this moment, or told by it.
implement_store!(
    Postgres over Postgres, taking rows "FOR UPDATE OF d SKIP LOCKED", silent ones "FOR UPDATE SKIP LOCKED"
);
implement_overview!(Postgres over Postgres);

/// Hands on what is heard. After a lost connection the listener connects anew by itself; where it cannot, again after a second, for as
/// long as the store is open.
async fn hear(mut listener: PgListener, messages: broadcast::Sender<String>) {
    loop {
        match listener.recv().await {
            Ok(message) => drop(messages.send(message.payload().to_owned())),
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

struct Writer(PgPool);

impl Apply for Writer {
    async fn apply(&self, calls: &[Call]) -> Result<Vec<Answers>, StoreError> {
        let mut tried = 1;
        loop {
            match self.apply_once(calls).await {
                Err(StoreError::Database { source, .. }) if tried < TRIES && is_undone(&source) => tried += 1,
                answer => return answer,
            }
        }
    }
}

impl Writer {
    async fn apply_once(&self, calls: &[Call]) -> Result<Vec<Answers>, StoreError> {
        let operation = "store a report";
        let mut transaction = self.0.begin().await.map_err(failed(operation))?;
        let places = places(calls);
        take(&mut transaction, &places).await?;
        let mut loaded = load(&mut transaction, &places).await?;
        let mut told = Told::default();
        let answers = told.carry_all(&mut loaded, calls, carry);
        write(&mut transaction, &loaded, &mut told).await?;
        write_presences(&mut transaction, calls).await?;
        transaction.commit().await.map_err(failed(operation))?;
        Ok(told.answers(answers))
    }
}

/// A deadlock or a conflict with another transaction: done again it succeeds.
fn is_undone(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// The places' names as two columns.
fn names(places: &Places) -> (Vec<&str>, Vec<&'static str>) {
    places.keys().map(|(id, half)| (id.as_str(), half.word())).unzip()
}

/// Nobody else stores reports of these places until this transaction ends: rows first, then what has no row yet, each in one order.
async fn take(connection: &mut PgConnection, places: &Places) -> Result<(), StoreError> {
    let operation = "take what is stored of an instance";
    let (ids, halves) = names(places);
    let sql = "SELECT r.instance_id, r.half FROM runs r \
               JOIN UNNEST($1::text[], $2::text[]) w(instance_id, half) \
               ON r.instance_id = w.instance_id AND r.half = w.half \
               ORDER BY r.instance_id, r.half FOR UPDATE OF r";
    let there: Vec<(String, String)> =
        sqlx::query_as(sql).bind(ids).bind(halves).fetch_all(&mut *connection).await.map_err(failed(operation))?;
    if there.len() == places.len() {
        return Ok(());
    }
    let there: std::collections::BTreeSet<(&str, &str)> =
        there.iter().map(|(id, half)| (id.as_str(), half.as_str())).collect();
    let new: Vec<String> = places
        .keys()
        .filter(|(id, half)| !there.contains(&(id.as_str(), half.word())))
        .map(|(id, half)| format!("{}:{id}", half.word()))
        .collect();
    let sql = "SELECT pg_advisory_xact_lock(n) FROM \
               (SELECT DISTINCT hashtextextended(t, 0) AS n FROM UNNEST($1::text[]) t ORDER BY 1) numbers";
    sqlx::query(sql).bind(new).execute(connection).await.map_err(failed(operation))?;
    Ok(())
}

/// What is stored of the places; their drift only where it may be carried forward.
async fn load<'a>(connection: &mut PgConnection, places: &Places) -> Result<Loaded<'a>, StoreError> {
    let (ids, halves) = names(places);
    let full: Vec<bool> = places.values().copied().collect();
    let sql = "SELECT w.instance_id, w.half, a.state, a.key, r.received_at, r.digest, r.confirmed_at, r.sequence, \
               r.sequence_key, r.is_silent, r.waits, d.state, \
               CASE w.half WHEN 'os' THEN f.os ELSE f.aws END, \
               CASE w.half WHEN 'os' THEN f.os_findings ELSE f.aws_findings END, \
               CASE w.half WHEN 'os' THEN f.os_silent ELSE f.aws_silent END \
               FROM UNNEST($1::text[], $2::text[], $3::bool[]) w(instance_id, half, is_full) \
               LEFT JOIN agents a ON a.instance_id = w.instance_id \
               LEFT JOIN runs r ON r.instance_id = w.instance_id AND r.half = w.half \
               LEFT JOIN drift d ON d.instance_id = w.instance_id AND d.half = w.half AND (w.is_full OR r.waits = 1) \
               LEFT JOIN fleet f ON f.instance_id = w.instance_id AND (w.is_full OR r.is_silent = 1)";
    let rows: Vec<write::LoadedRow> = sqlx::query_as(sql)
        .bind(ids)
        .bind(halves)
        .bind(full)
        .fetch_all(connection)
        .await
        .map_err(failed("read what is stored of an instance"))?;
    rows.into_iter().map(kept_of_row).collect()
}

async fn write(connection: &mut PgConnection, loaded: &Loaded<'_>, told: &mut Told) -> Result<(), StoreError> {
    let operation = "store a report";
    let writes = Writes::of(loaded);
    if !writes.runs.is_empty() {
        let runs = &writes.runs;
        let numbers = |of: fn(&carry::Run) -> i64| -> Vec<i64> { runs.iter().map(|(_, run)| of(run)).collect() };
        let bytes = |of: fn(&carry::Run) -> Option<&[u8; 32]>| -> Vec<Option<&[u8]>> {
            runs.iter().map(|(_, run)| of(run).map(<[u8; 32]>::as_slice)).collect()
        };
        let (ids, halves): (Vec<&str>, Vec<&str>) =
            runs.iter().map(|((id, half), _)| (id.as_str(), half.word())).unzip();
        let sql = "INSERT INTO runs (instance_id, half, received_at, digest, confirmed_at, sequence, sequence_key, is_silent, \
                   waits) SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[], \
                   $6::bigint[], $7::bytea[], $8::bigint[], $9::bigint[]) \
                   ON CONFLICT (instance_id, half) DO UPDATE SET received_at = excluded.received_at, \
                   digest = excluded.digest, confirmed_at = excluded.confirmed_at, sequence = excluded.sequence, \
                   sequence_key = excluded.sequence_key, is_silent = excluded.is_silent, waits = excluded.waits";
        sqlx::query(sql)
            .bind(ids)
            .bind(halves)
            .bind(numbers(|run| number(run.received_at)))
            .bind(bytes(|run| run.digest.as_ref()))
            .bind(numbers(|run| number(run.confirmed_at)))
            .bind(numbers(|run| run.sequence.cast_signed()))
            .bind(bytes(|run| run.sequence_key.as_ref()))
            .bind(numbers(|run| i64::from(run.is_silent)))
            .bind(numbers(|run| i64::from(run.waits)))
            .execute(&mut *connection)
            .await
            .map_err(failed(operation))?;
    }
    let both = [
        (
            &writes.reports,
            "INSERT INTO reports (instance_id, half, report) SELECT * FROM UNNEST($1::text[], $2::text[], $3::bytea[]) \
             ON CONFLICT (instance_id, half) DO UPDATE SET report = excluded.report",
        ),
        (
            &writes.states,
            "INSERT INTO drift (instance_id, half, state) SELECT * FROM UNNEST($1::text[], $2::text[], $3::bytea[]) \
             ON CONFLICT (instance_id, half) DO UPDATE SET state = excluded.state",
        ),
    ];
    for (rows, sql) in both {
        if rows.is_empty() {
            continue;
        }
        let (ids, halves): (Vec<&str>, Vec<&str>) =
            rows.iter().map(|((id, half), _)| (id.as_str(), half.word())).unzip();
        let bytes: Vec<&[u8]> = rows.iter().map(|(_, bytes)| bytes.as_ref()).collect();
        sqlx::query(sql)
            .bind(ids)
            .bind(halves)
            .bind(bytes)
            .execute(&mut *connection)
            .await
            .map_err(failed(operation))?;
    }
    write_outlooks!(connection, writes);
    if told.changes.is_empty() { Ok(()) } else { write_changes(connection, told).await }
}

async fn write_changes(connection: &mut PgConnection, told: &mut Told) -> Result<(), StoreError> {
    let operation = "store a change";
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(NUMBERS)
        .execute(&mut *connection)
        .await
        .map_err(failed(operation))?;
    let many = i64::try_from(told.changes.len()).unwrap_or(i64::MAX);
    let sql = "SELECT nextval('changes_number_seq') FROM generate_series(1, $1)";
    let numbers: Vec<i64> =
        sqlx::query_scalar(sql).bind(many).fetch_all(&mut *connection).await.map_err(failed(operation))?;
    told.number_from(numbers.iter().map(|number| number.cast_unsigned()));
    let changes = &told.changes;
    let texts = |of: fn(&StoredChange) -> String| -> Vec<String> { changes.iter().map(of).collect() };
    let times = |of: fn(&StoredChange) -> Millis| -> Vec<i64> { changes.iter().map(|one| number(of(one))).collect() };
    let sql = "INSERT INTO changes (number, instance_id, half, check_id, was, is_now, since, told_at, is_status) \
               SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], \
               $7::bigint[], $8::bigint[], $9::text[])";
    sqlx::query(sql)
        .bind(&numbers)
        .bind(texts(|one| one.instance_id.clone()))
        .bind(texts(|one| one.half.word().to_owned()))
        .bind(texts(|one| shown(&one.change.check_id)))
        .bind(texts(|one| one.change.was.word().to_owned()))
        .bind(texts(|one| result_text(&one.change.is)))
        .bind(times(|one| one.change.since))
        .bind(times(|one| one.change.told_at))
        .bind(texts(|one| one.change.is.status.word().to_owned()))
        .execute(&mut *connection)
        .await
        .map_err(failed(operation))?;
    let deliveries = told.deliveries();
    let (numbers, due): (Vec<i64>, Vec<i64>) = deliveries.iter().map(|(number, _, due)| (*number, *due)).unzip();
    let targets: Vec<&str> = deliveries.iter().map(|(_, target, _)| *target).collect();
    let sql = "INSERT INTO deliveries (number, target, tried, next_at, leased_until, is_dead, why) \
               SELECT n, t, 0, d, 0, 0, '' FROM UNNEST($1::bigint[], $2::text[], $3::bigint[]) w(n, t, d)";
    sqlx::query(sql)
        .bind(numbers)
        .bind(targets)
        .bind(due)
        .execute(&mut *connection)
        .await
        .map_err(failed(operation))?;
    Ok(())
}
