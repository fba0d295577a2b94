CREATE TABLE agents (
  instance_id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL,
  region TEXT NOT NULL,
  availability_zone TEXT NOT NULL,
  image_id TEXT NOT NULL,
  agent_version TEXT NOT NULL,
  pending_time INTEGER NOT NULL,
  key BLOB NOT NULL,
  serial TEXT NOT NULL,
  not_after INTEGER NOT NULL,
  enrolled_at INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('enrolled', 'revoked', 'allowed-again')),
  state_why TEXT NOT NULL,
  state_since INTEGER NOT NULL,
  -- When it last connected or left; of its reports `runs` knows.
  seen_at INTEGER,
  connected_to TEXT
) WITHOUT ROWID;
CREATE INDEX agents_connected ON agents (connected_to) WHERE connected_to IS NOT NULL;

-- One row for an instance's half, narrow: each report writes it.
CREATE TABLE runs (
  instance_id TEXT NOT NULL,
  half TEXT NOT NULL CHECK (half IN ('os', 'aws')),
  -- Of the full report.
  received_at INTEGER NOT NULL,
  digest BLOB,
  -- Of the last run.
  confirmed_at INTEGER NOT NULL,
  -- The last one of the key beside it; all 64 bits count.
  sequence INTEGER NOT NULL,
  sequence_key BLOB,
  is_silent INTEGER NOT NULL,
  -- Whether a run that finds nothing new carries drift forward.
  waits INTEGER NOT NULL,
  PRIMARY KEY (instance_id, half)
) WITHOUT ROWID;

CREATE TABLE reports (
  instance_id TEXT NOT NULL,
  half TEXT NOT NULL,
  report BLOB NOT NULL,
  PRIMARY KEY (instance_id, half)
);

CREATE TABLE drift (
  instance_id TEXT NOT NULL,
  half TEXT NOT NULL,
  state BLOB NOT NULL,
  PRIMARY KEY (instance_id, half)
);

CREATE TABLE changes (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  instance_id TEXT NOT NULL,
  half TEXT NOT NULL,
  check_id TEXT NOT NULL,
  was TEXT NOT NULL,
  -- The whole result, JSON.
  is_now TEXT NOT NULL,
  since INTEGER NOT NULL,
  told_at INTEGER NOT NULL
);
CREATE INDEX changes_instance ON changes (instance_id, number);

CREATE TABLE deliveries (
  number INTEGER NOT NULL,
  target TEXT NOT NULL,
  tried INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  leased_until INTEGER NOT NULL,
  is_dead INTEGER NOT NULL,
  why TEXT NOT NULL,
  PRIMARY KEY (number, target)
) WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE is_dead = 0;
