-- Work that one coordinator does for all of them, and until when it is one's.
CREATE TABLE turns (
  task TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  over_at BIGINT NOT NULL
);

-- Since when AWS has it that the instance is terminated, or none.
ALTER TABLE agents ADD COLUMN ended_at BIGINT;
