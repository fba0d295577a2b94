//! Pieces of SQL and of rows that the stores share, where a function cannot: each database has a row type of its own.

/// The statement that reads agents' records, up to its conditions.
macro_rules! agent_columns {
    () => {
        "SELECT a.instance_id, a.account_id, a.region, a.availability_zone, a.image_id, a.agent_version, a.pending_time, \
         a.key, a.serial, a.not_after, a.enrolled_at, a.state, a.state_why, a.state_since, a.seen_at, a.connected_to, a.ended_at, \
         r.sequence, r.sequence_key, r.confirmed_at \
         FROM agents a LEFT JOIN runs r ON r.instance_id = a.instance_id AND r.half = 'os'"
    };
}

macro_rules! forget_of_silent {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE EXISTS (SELECT 1 FROM runs r WHERE r.instance_id = ",
            $table,
            ".instance_id AND r.half = ",
            $table,
            ".half AND r.confirmed_at < $1)"
        )
    };
}

/// A half of which nobody reported since keeps its silence and loses what was found.
macro_rules! forget_outlook {
    ($half:literal) => {
        concat!(
            "UPDATE fleet SET ",
            $half,
            " = '', ",
            $half,
            "_findings = '[]' WHERE ",
            $half,
            " <> '' AND EXISTS (SELECT 1 FROM runs r WHERE r.instance_id = fleet.instance_id AND r.half = '",
            $half,
            "' AND r.confirmed_at < $1)"
        )
    };
}

/// Each database has a row type of its own.
macro_rules! agent_record {
    ($row:ident) => {{
        use sqlx::Row as _;
        let operation = "read an agent's record";
        let what = "an agent's key";
        let column = |name: &str| -> Result<String, StoreError> { $row.try_get(name).map_err(failed(operation)) };
        let time =
            |name: &str| -> Result<Millis, StoreError> { $row.try_get(name).map(millis).map_err(failed(operation)) };
        let optional =
            |name: &str| -> Result<Option<i64>, StoreError> { $row.try_get(name).map_err(failed(operation)) };
        let key: &[u8] = $row.try_get("key").map_err(failed(operation))?;
        let key = bytes_32(what, key)?;
        let sequence_key: Option<&[u8]> = $row.try_get("sequence_key").map_err(failed(operation))?;
        // A key that was replaced leaves its sequence behind.
        let sequence = optional("sequence")?.filter(|_| sequence_key == Some(key.as_slice()));
        let reported = optional("confirmed_at")?.filter(|_| sequence.is_some());
        Ok(AgentRecord {
            instance_id: column("instance_id")?,
            account_id: column("account_id")?,
            region: column("region")?,
            availability_zone: column("availability_zone")?,
            image_id: column("image_id")?,
            agent_version: column("agent_version")?,
            pending_time: time("pending_time")?,
            key,
            serial: column("serial")?,
            not_after: time("not_after")?,
            enrolled_at: time("enrolled_at")?,
            state: state(&column("state")?)?,
            state_why: column("state_why")?,
            state_since: time("state_since")?,
            sequence: sequence.unwrap_or_default().cast_unsigned(),
            last_seen: optional("seen_at")?.max(reported).map(millis),
            connected_to: $row.try_get("connected_to").map_err(failed(operation))?,
            ended_at: optional("ended_at")?.map(millis),
        })
    }};
}

pub(super) use {agent_columns, agent_record, forget_of_silent, forget_outlook};
