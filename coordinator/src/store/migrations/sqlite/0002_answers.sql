-- Reports on their way from one coordinator to another.
CREATE TABLE answers (
  request TEXT NOT NULL PRIMARY KEY,
  report BLOB NOT NULL,
  kept_until INTEGER NOT NULL
);
