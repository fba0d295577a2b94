-- Reports on their way from one coordinator to another.
CREATE TABLE answers (
  request TEXT NOT NULL PRIMARY KEY,
  report BYTEA NOT NULL,
  kept_until BIGINT NOT NULL
);
