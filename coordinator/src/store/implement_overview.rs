//! [`Overview`](super::Overview) over a database that speaks SQL, written once for both; and the writing of what it counts.

/// Writes what changed in the outlook of instances, in the order of their ids: no two transactions wait for each other.
macro_rules! write_outlooks {
    ($connection:ident, $writes:ident) => {
        let operation = "write what was found of an instance";
        for ((id, half), outlook, are_findings_written) in &$writes.outlooks {
            let sql = match half {
                Half::Os => {
                    "INSERT INTO fleet (instance_id, os, os_findings, os_silent) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (instance_id) DO UPDATE SET os = $2, os_findings = $3, os_silent = $4"
                }
                Half::Aws => {
                    "INSERT INTO fleet (instance_id, aws, aws_findings, aws_silent) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (instance_id) DO UPDATE SET aws = $2, aws_findings = $3, aws_silent = $4"
                }
            };
            sqlx::query(sql)
                .bind(id)
                .bind(outlook.verdict_column())
                .bind(outlook.findings_column())
                .bind(i64::from(outlook.is_silent))
                .execute(&mut *$connection)
                .await
                .map_err(failed(operation))?;
            if !are_findings_written {
                continue;
            }
            sqlx::query("DELETE FROM findings WHERE instance_id = $1 AND half = $2")
                .bind(id)
                .bind(half.word())
                .execute(&mut *$connection)
                .await
                .map_err(failed(operation))?;
            for finding in outlook.counted() {
                let sql = "INSERT INTO findings (check_id, instance_id, half, status) VALUES ($1, $2, $3, $4) \
                           ON CONFLICT (check_id, instance_id) DO NOTHING";
                sqlx::query(sql)
                    .bind(&finding.check_id)
                    .bind(id)
                    .bind(half.word())
                    .bind(finding.status.word())
                    .execute(&mut *$connection)
                    .await
                    .map_err(failed(operation))?;
            }
        }
    };
}

/// For a store that [`implement_store`](super::implement::implement_store) makes.
macro_rules! implement_overview {
    ($store:ident over $database:ident) => {
        #[async_trait::async_trait]
        impl Overview for $store {
            async fn health_counts(&self) -> Result<HealthCounts, StoreError> {
                let rows: Vec<(String, i64)> =
                    sqlx::query_as("SELECT health, COUNT(*) FROM fleet GROUP BY health")
                        .fetch_all(&self.readers)
                        .await
                        .map_err(failed("count the fleet"))?;
                let of = |health: Health| {
                    rows.iter().find(|(word, _)| word == health.word()).map_or(0, |(_, count)| count.cast_unsigned())
                };
                Ok(HealthCounts(Health::ALL.map(of)))
            }

            async fn places(&self, by: Dimension, skip: u32, limit: u32) -> Result<Vec<Place>, StoreError> {
                macro_rules! grouped {
                    ($column:literal) => {
                        concat!(
                            // Counted in the order of an index first, then laid side by side.
                            "SELECT ", $column, ", \
                             CAST(COALESCE(SUM(n) FILTER (WHERE health = 'fail'), 0) AS BIGINT) AS failing, \
                             CAST(COALESCE(SUM(n) FILTER (WHERE health = 'silent'), 0) AS BIGINT), \
                             CAST(COALESCE(SUM(n) FILTER (WHERE health = 'unknown'), 0) AS BIGINT), \
                             CAST(COALESCE(SUM(n) FILTER (WHERE health = 'warn'), 0) AS BIGINT), \
                             CAST(COALESCE(SUM(n) FILTER (WHERE health = 'ok'), 0) AS BIGINT) \
                             FROM (SELECT ", $column, ", health, COUNT(*) AS n FROM fleet GROUP BY ", $column, ", health) AS counted \
                             GROUP BY ", $column, " ORDER BY failing DESC, SUM(n) DESC, ", $column, " LIMIT $1 OFFSET $2"
                        )
                    };
                }
                let sql = match by {
                    Dimension::Account => grouped!("account_id"),
                    Dimension::Region => grouped!("region"),
                    Dimension::Image => grouped!("image_id"),
                };
                let rows: Vec<(String, i64, i64, i64, i64, i64)> = sqlx::query_as(sql)
                    .bind(i64::from(limit))
                    .bind(i64::from(skip))
                    .fetch_all(&self.readers)
                    .await
                    .map_err(failed("count the fleet by place"))?;
                let place = |(name, fail, silent, unknown, warn, ok): (String, i64, i64, i64, i64, i64)| {
                    let counts = [fail, silent, unknown, warn, ok].map(i64::cast_unsigned);
                    Place { name, counts: HealthCounts(counts) }
                };
                Ok(rows.into_iter().map(place).collect())
            }

            async fn causes(&self) -> Result<Vec<Cause>, StoreError> {
                let sql = "SELECT check_id, status, COUNT(*) FROM findings GROUP BY check_id, status \
                           ORDER BY status, COUNT(*) DESC, check_id";
                let rows: Vec<(String, String, i64)> =
                    sqlx::query_as(sql).fetch_all(&self.readers).await.map_err(failed("count the findings"))?;
                rows.into_iter()
                    .map(|(check_id, word, instances)| {
                        Ok(Cause { check_id, status: status(&word)?, instances: instances.cast_unsigned() })
                    })
                    .collect()
            }

            async fn instances(&self, wanted: &Wanted, after: &str, limit: u32) -> Result<Vec<FleetInstance>, StoreError> {
                let mut query = sqlx::QueryBuilder::<sqlx::$database>::new(FLEET_COLUMNS);
                which(&mut query, wanted, after)?;
                query.push(" ORDER BY f.instance_id LIMIT ").push_bind(i64::from(limit));
                let rows: Vec<FleetRow> = query
                    .build_query_as()
                    .fetch_all(&self.readers)
                    .await
                    .map_err(failed("look for instances"))?;
                rows.into_iter().map(instance_of_row).collect()
            }

            async fn count_instances(&self, wanted: &Wanted, limit: u32) -> Result<u64, StoreError> {
                let mut query = sqlx::QueryBuilder::<sqlx::$database>::new("SELECT COUNT(*) FROM (SELECT 1 FROM fleet f");
                which(&mut query, wanted, "")?;
                query.push(" LIMIT ").push_bind(i64::from(limit)).push(") AS found");
                let count: i64 = query
                    .build_query_scalar()
                    .fetch_one(&self.readers)
                    .await
                    .map_err(failed("count instances"))?;
                Ok(count.cast_unsigned())
            }

            async fn instance(&self, instance_id: &str) -> Result<Option<FleetInstance>, StoreError> {
                name("an instance's id", instance_id)?;
                let mut query = sqlx::QueryBuilder::<sqlx::$database>::new(FLEET_COLUMNS);
                query.push(" WHERE f.instance_id = ").push_bind(instance_id);
                let row: Option<FleetRow> = query
                    .build_query_as()
                    .fetch_optional(&self.readers)
                    .await
                    .map_err(failed("look for an instance"))?;
                row.map(instance_of_row).transpose()
            }

            async fn recent_changes(
                &self,
                instance_id: Option<&str>,
                before: Option<u64>,
                limit: u32,
            ) -> Result<Vec<StoredChange>, StoreError> {
                name("an instance's id", instance_id.unwrap_or_default())?;
                let mut query = sqlx::QueryBuilder::<sqlx::$database>::new(
                    "SELECT number, instance_id, half, was, is_now, since, told_at FROM changes WHERE number < ",
                );
                query.push_bind(before.map_or(i64::MAX, number));
                if let Some(instance_id) = instance_id {
                    query.push(" AND instance_id = ").push_bind(instance_id);
                }
                query.push(" ORDER BY number DESC LIMIT ").push_bind(i64::from(limit));
                let rows: Vec<ChangeRow> =
                    query.build_query_as().fetch_all(&self.readers).await.map_err(failed("read recent changes"))?;
                rows.into_iter().map(change_of_row).collect()
            }

            async fn change_counts(
                &self,
                instance_id: Option<&str>,
                from: Millis,
                span: Millis,
            ) -> Result<Buckets, StoreError> {
                name("an instance's id", instance_id.unwrap_or_default())?;
                let span = number(span).max(1);
                let mut query = sqlx::QueryBuilder::<sqlx::$database>::new("SELECT told_at / ");
                query.push_bind(span).push(" AS bucket, is_status, COUNT(*) FROM changes WHERE told_at >= ");
                query.push_bind(number(from));
                if let Some(instance_id) = instance_id {
                    query.push(" AND instance_id = ").push_bind(instance_id);
                }
                query.push(" AND is_status <> '' GROUP BY bucket, is_status ORDER BY bucket");
                let rows: Vec<(i64, String, i64)> =
                    query.build_query_as().fetch_all(&self.readers).await.map_err(failed("count changes"))?;
                rows.into_iter()
                    .map(|(bucket, word, count)| Ok((millis(bucket * span), status(&word)?, count.cast_unsigned())))
                    .collect()
            }
        }

        /// The conditions of a search. An index leads to each of them.
        fn which(
            query: &mut sqlx::QueryBuilder<sqlx::$database>,
            wanted: &Wanted,
            after: &str,
        ) -> Result<(), StoreError> {
            name("an instance's id", after)?;
            let texts = [
                ("f.account_id", &wanted.account),
                ("f.region", &wanted.region),
                ("f.image_id", &wanted.image),
            ];
            if let Some(check) = &wanted.check {
                name("a check's id", check)?;
                query.push(" JOIN findings g ON g.instance_id = f.instance_id AND g.check_id = ").push_bind(check);
            }
            query.push(" WHERE f.instance_id > ").push_bind(after);
            if let Some(prefix) = &wanted.prefix {
                name("the beginning of an instance's id", prefix)?;
                // The greatest character there is ends the range, so that an index serves it.
                query.push(" AND f.instance_id >= ").push_bind(prefix);
                query.push(" AND f.instance_id < ").push_bind(format!("{prefix}{}", char::MAX));
            }
            for (column, text) in texts {
                if let Some(text) = text {
                    name("what is looked for", text)?;
                    query.push(" AND ").push(column).push(" = ").push_bind(text);
                }
            }
            if let Some(health) = wanted.health {
                query.push(" AND f.health = ").push_bind(health.word());
            }
            Ok(())
        }
    };
}

pub(super) use {implement_overview, write_outlooks};
