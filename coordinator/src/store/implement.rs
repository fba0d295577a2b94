//! The trait over a database that speaks SQL: what is the same in SQLite and PostgreSQL, written once.
//!
//! A type that uses [`implement_store`] has `readers` and `writers` (pools), a `queue`, and as functions of its own what differs.

/// `$locked` and `$silent` are how rows are taken that no other coordinator has in hand.
macro_rules! implement_store {
    ($store:ident over $database:ident, taking rows $locked:literal, silent ones $silent:literal) => {
        impl $store {
            async fn silence_some(
                &self,
                half: Half,
                before: Millis,
                at: Millis,
                targets: &[String],
            ) -> Result<Vec<StoredChange>, StoreError> {
                let operation = "tell that instances are silent";
                let mut transaction = self.writers.begin().await.map_err(failed(operation))?;
                let sql = concat!(
                    "SELECT instance_id FROM runs WHERE half = $1 AND confirmed_at < $2 AND is_silent = 0 \
                     AND NOT EXISTS (SELECT 1 FROM agents a WHERE a.instance_id = runs.instance_id \
                                     AND a.ended_at IS NOT NULL) \
                     ORDER BY instance_id LIMIT $3 ",
                    $silent
                );
                let silent: Vec<String> = sqlx::query_scalar(sql)
                    .bind(half.word())
                    .bind(number(before))
                    .bind(SILENT_TOGETHER)
                    .fetch_all(&mut *transaction)
                    .await
                    .map_err(failed(operation))?;
                let places = silent.into_iter().map(|instance_id| ((instance_id, half), true)).collect();
                let mut loaded = load(&mut transaction, &places).await?;
                let mut told = Told::default();
                for ((instance_id, half), kept) in &mut loaded {
                    let changes = silence(kept, *half, at).into_iter().collect();
                    told.add(instance_id, *half, changes, targets);
                }
                write(&mut transaction, &loaded, &mut told).await?;
                transaction.commit().await.map_err(failed(operation))?;
                Ok(told.changes)
            }
        }

        #[async_trait::async_trait]
        impl Store for $store {
            async fn agent(&self, instance_id: &str) -> Result<Option<AgentRecord>, StoreError> {
                name("an instance's id", instance_id)?;
                let row = sqlx::query(concat!(agent_columns!(), " WHERE a.instance_id = $1"))
                    .bind(instance_id)
                    .fetch_optional(&self.readers)
                    .await
                    .map_err(failed("read an agent's record"))?;
                row.as_ref().map(agent_of_row).transpose()
            }

            async fn agents(&self, after: Option<&str>, limit: u32) -> Result<Vec<AgentRecord>, StoreError> {
                name("an instance's id", after.unwrap_or_default())?;
                let sql = concat!(agent_columns!(), " WHERE a.instance_id > $1 ORDER BY a.instance_id LIMIT $2");
                let rows = sqlx::query(sql)
                    .bind(after.unwrap_or_default())
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await
                    .map_err(failed("read the agents' records"))?;
                rows.iter().map(agent_of_row).collect()
            }

            async fn put_agent(&self, record: &AgentRecord, expected: Option<&AgentRecord>) -> Result<(), StoreError> {
                check_record(record)?;
                let operation = "write an agent's record";
                let mut transaction = self.writers.begin().await.map_err(failed(operation))?;
                let sql = match expected {
                    None => {
                        "INSERT INTO agents (instance_id, account_id, region, availability_zone, image_id, agent_version, \
                         pending_time, key, serial, not_after, enrolled_at, state, state_why, state_since, seen_at, \
                         connected_to) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
                         ON CONFLICT (instance_id) DO NOTHING"
                    }
                    Some(_) => {
                        "UPDATE agents SET account_id = $2, region = $3, availability_zone = $4, image_id = $5, \
                         agent_version = $6, pending_time = $7, key = $8, serial = $9, not_after = $10, enrolled_at = $11, \
                         state = $12, state_why = $13, state_since = $14, ended_at = NULL, \
                         seen_at = CASE WHEN key = $8 THEN seen_at ELSE $15 END, \
                         connected_to = CASE WHEN key = $8 THEN connected_to ELSE $16 END \
                         WHERE instance_id = $1 AND key = $17 AND state = $18 AND serial = $19"
                    }
                };
                let mut query = sqlx::query(sql)
                    .bind(&record.instance_id)
                    .bind(&record.account_id)
                    .bind(&record.region)
                    .bind(&record.availability_zone)
                    .bind(&record.image_id)
                    .bind(&record.agent_version)
                    .bind(number(record.pending_time))
                    .bind(record.key.as_slice())
                    .bind(&record.serial)
                    .bind(number(record.not_after))
                    .bind(number(record.enrolled_at))
                    .bind(state_word(record.state))
                    .bind(&record.state_why)
                    .bind(number(record.state_since))
                    .bind(record.last_seen.map(number))
                    .bind(&record.connected_to);
                if let Some(expected) = expected {
                    query = query
                        .bind(expected.key.as_slice())
                        .bind(state_word(expected.state))
                        .bind(&expected.serial);
                }
                let written = query.execute(&mut *transaction).await.map_err(failed(operation))?;
                if written.rows_affected() == 0 {
                    return Err(StoreError::Conflict { instance_id: record.instance_id.clone() });
                }
                // Written only where it tells something new: renewals do not.
                let sql = "INSERT INTO fleet (instance_id, account_id, region, image_id) VALUES ($1, $2, $3, $4) \
                           ON CONFLICT (instance_id) DO UPDATE SET account_id = $2, region = $3, image_id = $4 \
                           WHERE fleet.account_id <> $2 OR fleet.region <> $3 OR fleet.image_id <> $4";
                sqlx::query(sql)
                    .bind(&record.instance_id)
                    .bind(&record.account_id)
                    .bind(&record.region)
                    .bind(&record.image_id)
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed(operation))?;
                if record.sequence > 0 && expected.is_none_or(|expected| expected.key != record.key) {
                    let sql = "INSERT INTO runs (instance_id, half, received_at, confirmed_at, sequence, sequence_key, \
                               is_silent, waits) VALUES ($1, 'os', $2, $2, $3, $4, 0, 0) \
                               ON CONFLICT (instance_id, half) DO UPDATE SET sequence = $3, sequence_key = $4";
                    sqlx::query(sql)
                        .bind(&record.instance_id)
                        .bind(number(record.last_seen.unwrap_or(record.enrolled_at)))
                        .bind(record.sequence.cast_signed())
                        .bind(record.key.as_slice())
                        .execute(&mut *transaction)
                        .await
                        .map_err(failed(operation))?;
                }
                transaction.commit().await.map_err(failed(operation))
            }

            async fn set_state(
                &self,
                instance_id: &str,
                state: AgentState,
                why: &str,
                at: Millis,
            ) -> Result<Option<AgentRecord>, StoreError> {
                name("an instance's id", instance_id)?;
                text("why an agent's state changes", why)?;
                sqlx::query("UPDATE agents SET state = $2, state_why = $3, state_since = $4 WHERE instance_id = $1")
                    .bind(instance_id)
                    .bind(state_word(state))
                    .bind(why)
                    .bind(number(at))
                    .execute(&self.writers)
                    .await
                    .map_err(failed("change an agent's state"))?;
                self.agent(instance_id).await
            }

            async fn set_connected(
                &self,
                instance_id: &str,
                coordinator: Option<&str>,
                was: Option<&str>,
                at: Millis,
            ) -> Result<(), StoreError> {
                name("an instance's id", instance_id)?;
                name("a coordinator's name", coordinator.or(was).unwrap_or_default())?;
                let presence = Presence {
                    instance_id: instance_id.to_owned(),
                    coordinator: coordinator.or(was).unwrap_or_default().to_owned(),
                    is_here: coordinator.is_some(),
                    at,
                };
                let call = Call { batch: Vec::new(), hold: 1, targets: Arc::default(), presence: Some(presence) };
                self.queue.submit(call).await.map(drop)
            }

            async fn set_ended(&self, instance_id: &str, at: Option<Millis>) -> Result<(), StoreError> {
                name("an instance's id", instance_id)?;
                sqlx::query("UPDATE agents SET ended_at = $2 WHERE instance_id = $1")
                    .bind(instance_id)
                    .bind(at.map(number))
                    .execute(&self.writers)
                    .await
                    .map_err(failed("write that an instance is no more"))?;
                Ok(())
            }

            async fn take_turn(&self, task: &str, holder: &str, at: Millis, until: Millis) -> Result<bool, StoreError> {
                name("a task's name", task)?;
                name("a coordinator's name", holder)?;
                let sql = "INSERT INTO turns (task, holder, over_at) VALUES ($1, $2, $4) \
                           ON CONFLICT (task) DO UPDATE SET holder = $2, over_at = $4 WHERE turns.over_at <= $3";
                let taken = sqlx::query(sql)
                    .bind(task)
                    .bind(holder)
                    .bind(number(at))
                    .bind(number(until))
                    .execute(&self.writers)
                    .await
                    .map_err(failed("take a turn among the coordinators"))?;
                Ok(taken.rows_affected() > 0)
            }

            async fn disconnect_all(&self, coordinator: &str) -> Result<u64, StoreError> {
                name("a coordinator's name", coordinator)?;
                let gone = sqlx::query("UPDATE agents SET connected_to = NULL WHERE connected_to = $1")
                    .bind(coordinator)
                    .execute(&self.writers)
                    .await
                    .map_err(failed("write that agents are not connected"))?;
                Ok(gone.rows_affected())
            }

            async fn submit(
                &self,
                batch: Vec<Submission>,
                hold: u32,
                targets: &[String],
            ) -> Result<Vec<Result<Vec<StoredChange>, NotStored>>, StoreError> {
                targets.iter().try_for_each(|target| name("a target's name", target))?;
                self.queue.submit(Call { batch, hold, targets: targets.into(), presence: None }).await
            }

            async fn last_report(&self, instance_id: &str, half: Half) -> Result<Option<StoredReport>, StoreError> {
                name("an instance's id", instance_id)?;
                let operation = "read a report";
                let sql = "SELECT report, digest, received_at, confirmed_at, is_silent FROM reports p JOIN runs r \
                           ON r.instance_id = p.instance_id AND r.half = p.half \
                           WHERE p.instance_id = $1 AND p.half = $2 AND r.digest IS NOT NULL";
                let row: Option<(Vec<u8>, Vec<u8>, i64, i64, i64)> = sqlx::query_as(sql)
                    .bind(instance_id)
                    .bind(half.word())
                    .fetch_optional(&self.readers)
                    .await
                    .map_err(failed(operation))?;
                let Some((report, digest, received_at, confirmed_at, is_silent)) = row else { return Ok(None) };
                Ok(Some(StoredReport {
                    instance_id: instance_id.to_owned(),
                    report,
                    digest: bytes_32("the digest of a report", &digest)?,
                    received_at: millis(received_at),
                    confirmed_at: millis(confirmed_at),
                    is_silent: is_silent == 1,
                }))
            }

            async fn silence(
                &self,
                half: Half,
                before: Millis,
                at: Millis,
                targets: &[String],
            ) -> Result<Vec<StoredChange>, StoreError> {
                targets.iter().try_for_each(|target| name("a target's name", target))?;
                let mut all = Vec::new();
                // In pages, so that reports of others are not kept waiting for long.
                loop {
                    let page = self.silence_some(half, before, at, targets).await?;
                    if page.is_empty() {
                        return Ok(all);
                    }
                    all.extend(page);
                }
            }

            async fn changes(
                &self,
                instance_id: Option<&str>,
                after: u64,
                limit: u32,
            ) -> Result<Vec<StoredChange>, StoreError> {
                name("an instance's id", instance_id.unwrap_or_default())?;
                let sql = match instance_id {
                    Some(_) => {
                        "SELECT number, instance_id, half, was, is_now, since, told_at FROM changes \
                         WHERE number > $1 AND instance_id = $3 ORDER BY number LIMIT $2"
                    }
                    None => {
                        "SELECT number, instance_id, half, was, is_now, since, told_at FROM changes \
                         WHERE number > $1 ORDER BY number LIMIT $2"
                    }
                };
                let mut query = sqlx::query_as(sql).bind(number(after)).bind(i64::from(limit));
                if let Some(instance_id) = instance_id {
                    query = query.bind(instance_id);
                }
                let rows: Vec<ChangeRow> =
                    query.fetch_all(&self.readers).await.map_err(failed("read changes"))?;
                rows.into_iter().map(change_of_row).collect()
            }

            async fn due_deliveries(
                &self,
                at: Millis,
                lease_until: Millis,
                limit: u32,
            ) -> Result<Vec<Delivery>, StoreError> {
                let operation = "take deliveries that are due";
                let mut transaction = self.writers.begin().await.map_err(failed(operation))?;
                let sql = concat!(
                    "SELECT d.target, d.tried, c.number, c.instance_id, c.half, c.was, c.is_now, c.since, c.told_at \
                     FROM deliveries d JOIN changes c ON c.number = d.number \
                     WHERE d.is_dead = 0 AND d.next_at <= $1 AND d.leased_until <= $1 \
                     ORDER BY d.number, d.target LIMIT $2 ",
                    $locked
                );
                let rows: Vec<DeliveryRow> = sqlx::query_as(sql)
                    .bind(number(at))
                    .bind(i64::from(limit))
                    .fetch_all(&mut *transaction)
                    .await
                    .map_err(failed(operation))?;
                for row in &rows {
                    sqlx::query("UPDATE deliveries SET leased_until = $3 WHERE number = $1 AND target = $2")
                        .bind(row.2)
                        .bind(&row.0)
                        .bind(number(lease_until))
                        .execute(&mut *transaction)
                        .await
                        .map_err(failed(operation))?;
                }
                transaction.commit().await.map_err(failed(operation))?;
                rows.into_iter().map(delivery_of_row).collect()
            }

            async fn delivered(&self, change: u64, target: &str) -> Result<(), StoreError> {
                name("a target's name", target)?;
                sqlx::query("DELETE FROM deliveries WHERE number = $1 AND target = $2")
                    .bind(number(change))
                    .bind(target)
                    .execute(&self.writers)
                    .await
                    .map_err(failed("write that a change was delivered"))?;
                Ok(())
            }

            async fn not_delivered(
                &self,
                change: u64,
                target: &str,
                why: &str,
                next: Option<Millis>,
            ) -> Result<(), StoreError> {
                name("a target's name", target)?;
                let sql = "UPDATE deliveries SET tried = tried + 1, why = $3, is_dead = $4, next_at = $5, leased_until = 0 \
                           WHERE number = $1 AND target = $2";
                sqlx::query(sql)
                    .bind(number(change))
                    .bind(target)
                    .bind(shown(why))
                    .bind(i64::from(next.is_none()))
                    .bind(number(next.unwrap_or_default()))
                    .execute(&self.writers)
                    .await
                    .map_err(failed("write that a change was not delivered"))?;
                Ok(())
            }

            async fn dead_letters(&self, change: Option<u64>, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
                let sql = "SELECT d.target, d.tried, c.number, c.instance_id, c.half, c.was, c.is_now, c.since, c.told_at, \
                           d.why FROM deliveries d JOIN changes c ON c.number = d.number WHERE d.is_dead = 1 \
                           AND d.number = COALESCE($2, d.number) ORDER BY d.number DESC, d.target LIMIT $1";
                let rows: Vec<DeadRow> = sqlx::query_as(sql)
                    .bind(i64::from(limit))
                    .bind(change.map(number))
                    .fetch_all(&self.readers)
                    .await
                    .map_err(failed("read what could not be delivered"))?;
                rows.into_iter().map(dead_letter_of_row).collect()
            }

            async fn revive(&self, change: Option<u64>, at: Millis) -> Result<u64, StoreError> {
                let sql = "UPDATE deliveries SET is_dead = 0, tried = 0, next_at = $1, leased_until = 0 \
                           WHERE is_dead = 1 AND number = COALESCE($2, number)";
                let revived = sqlx::query(sql)
                    .bind(number(at))
                    .bind(change.map(number))
                    .execute(&self.writers)
                    .await
                    .map_err(failed("tell again what was given up"))?;
                Ok(revived.rows_affected())
            }

            async fn publish(&self, message_text: &str) -> Result<(), StoreError> {
                message(message_text)?;
                self.tell(message_text).await
            }

            async fn subscribe(&self) -> Result<tokio::sync::broadcast::Receiver<String>, StoreError> {
                self.listen().await
            }

            async fn put_answer(&self, request: &str, report: &[u8], at: Millis, until: Millis) -> Result<(), StoreError> {
                name("a request's name", request)?;
                let operation = "keep an answer for another coordinator";
                let mut transaction = self.writers.begin().await.map_err(failed(operation))?;
                sqlx::query("DELETE FROM answers WHERE kept_until <= $1")
                    .bind(number(at))
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed(operation))?;
                sqlx::query("INSERT INTO answers (request, report, kept_until) VALUES ($1, $2, $3) ON CONFLICT (request) DO NOTHING")
                    .bind(request)
                    .bind(report)
                    .bind(number(until))
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed(operation))?;
                transaction.commit().await.map_err(failed(operation))
            }

            async fn take_answer(&self, request: &str) -> Result<Option<Vec<u8>>, StoreError> {
                name("a request's name", request)?;
                let taken: Option<(Vec<u8>,)> = sqlx::query_as("DELETE FROM answers WHERE request = $1 RETURNING report")
                    .bind(request)
                    .fetch_optional(&self.writers)
                    .await
                    .map_err(failed("take an answer of another coordinator"))?;
                Ok(taken.map(|(report,)| report))
            }

            async fn forget(&self, before: Millis) -> Result<u64, StoreError> {
                let operation = "forget what is old";
                let mut transaction = self.writers.begin().await.map_err(failed(operation))?;
                let mut gone = 0;
                for sql in [
                    "DELETE FROM deliveries WHERE number IN (SELECT number FROM changes WHERE told_at < $1)",
                    "DELETE FROM changes WHERE told_at < $1",
                    forget_of_silent!("reports"),
                    forget_of_silent!("drift"),
                    forget_of_silent!("findings"),
                    forget_outlook!("os"),
                    forget_outlook!("aws"),
                    // The sequence of a key is kept as long as its agent's record: nothing is replayed after a silence.
                    "UPDATE runs SET digest = NULL, waits = 0, is_silent = 1 WHERE confirmed_at < $1 AND digest IS NOT NULL",
                    // An agent that was shut out stays so. A certificate that is good brings its record back.
                    "DELETE FROM agents WHERE ended_at < $1 AND not_after < $1 AND state <> 'revoked'",
                    "DELETE FROM runs WHERE confirmed_at < $1 AND NOT EXISTS \
                     (SELECT 1 FROM agents a WHERE a.instance_id = runs.instance_id)",
                    "DELETE FROM fleet WHERE NOT EXISTS \
                     (SELECT 1 FROM runs r WHERE r.instance_id = fleet.instance_id) \
                     AND NOT EXISTS (SELECT 1 FROM agents a WHERE a.instance_id = fleet.instance_id)",
                ] {
                    let rows = sqlx::query(sql)
                        .bind(number(before))
                        .execute(&mut *transaction)
                        .await
                        .map_err(failed(operation))?;
                    gone += rows.rows_affected();
                }
                transaction.commit().await.map_err(failed(operation))?;
                Ok(gone)
            }
        }

        async fn write_presences(
            connection: &mut <sqlx::$database as sqlx::Database>::Connection,
            calls: &[Call],
        ) -> Result<(), StoreError> {
            for presence in presences(calls) {
                let sql = if presence.is_here {
                    "UPDATE agents SET connected_to = $2, seen_at = $3 WHERE instance_id = $1"
                } else {
                    "UPDATE agents SET connected_to = NULL, seen_at = $3 WHERE instance_id = $1 AND connected_to = $2"
                };
                sqlx::query(sql)
                    .bind(&presence.instance_id)
                    .bind(&presence.coordinator)
                    .bind(number(presence.at))
                    .execute(&mut *connection)
                    .await
                    .map_err(failed("write where an agent is connected"))?;
            }
            Ok(())
        }

        fn agent_of_row(row: &<sqlx::$database as sqlx::Database>::Row) -> Result<AgentRecord, StoreError> {
            agent_record!(row)
        }
    };
}

pub(super) use implement_store;
