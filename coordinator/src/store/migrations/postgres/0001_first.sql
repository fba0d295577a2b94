CREATE TABLE agents (
  instance_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL,
  region TEXT NOT NULL,
  availability_zone TEXT NOT NULL,
  image_id TEXT NOT NULL,
  agent_version TEXT NOT NULL,
  pending_time BIGINT NOT NULL,
  key BYTEA NOT NULL,
  serial TEXT NOT NULL,
  not_after BIGINT NOT NULL,
  enrolled_at BIGINT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('enrolled', 'revoked', 'allowed-again')),
  state_why TEXT NOT NULL,
  state_since BIGINT NOT NULL,
  -- When it last connected or left; of its reports `runs` knows.
  seen_at BIGINT,
  connected_to TEXT
);
CREATE INDEX agents_connected ON agents (connected_to) WHERE connected_to IS NOT NULL;

-- One row for an instance's half, narrow: each report writes it, into the room that its page keeps free.
CREATE TABLE runs (
  instance_id TEXT COLLATE "C" NOT NULL,
  half TEXT NOT NULL CHECK (half IN ('os', 'aws')),
  -- Of the full report.
  received_at BIGINT NOT NULL,
  digest BYTEA,
  -- Of the last run.
  confirmed_at BIGINT NOT NULL,
  -- The last one of the key beside it; all 64 bits count.
  sequence BIGINT NOT NULL,
  sequence_key BYTEA,
  is_silent BIGINT NOT NULL,
  -- Whether a run that finds nothing new carries drift forward.
  waits BIGINT NOT NULL,
  PRIMARY KEY (instance_id, half)
) WITH (fillfactor = 70);

CREATE TABLE reports (
  instance_id TEXT COLLATE "C" NOT NULL,
  half TEXT NOT NULL,
  report BYTEA NOT NULL,
  PRIMARY KEY (instance_id, half)
);

CREATE TABLE drift (
  instance_id TEXT COLLATE "C" NOT NULL,
  half TEXT NOT NULL,
  state BYTEA NOT NULL,
  PRIMARY KEY (instance_id, half)
);

CREATE TABLE changes (
  number BIGSERIAL PRIMARY KEY,
  instance_id TEXT COLLATE "C" NOT NULL,
  half TEXT NOT NULL,
  check_id TEXT NOT NULL,
  was TEXT NOT NULL,
  -- The whole result, JSON.
  is_now TEXT NOT NULL,
  since BIGINT NOT NULL,
  told_at BIGINT NOT NULL
);
CREATE INDEX changes_instance ON changes (instance_id, number);

CREATE TABLE deliveries (
  number BIGINT NOT NULL,
  target TEXT COLLATE "C" NOT NULL,
  tried BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  leased_until BIGINT NOT NULL,
  is_dead BIGINT NOT NULL,
  why TEXT NOT NULL,
  PRIMARY KEY (number, target)
);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE is_dead = 0;
