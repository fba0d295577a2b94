-- What the fleet is counted and searched by. Written when an agent enrols and when what is found of an instance changes: reports that
-- find nothing new, and streams that come and go, leave it and its indexes alone.
CREATE TABLE fleet (
  instance_id TEXT NOT NULL PRIMARY KEY,
  -- Empty where no agent has enrolled.
  account_id TEXT NOT NULL DEFAULT '',
  region TEXT NOT NULL DEFAULT '',
  image_id TEXT NOT NULL DEFAULT '',
  -- Of each half: the verdict ('ok', 'warn', 'fail' or 'unknown'; empty: nobody looked yet), its findings in JSON, and whether it is
  -- silent, through which the other two stay as they were.
  os TEXT NOT NULL DEFAULT '',
  os_findings TEXT NOT NULL DEFAULT '[]',
  os_silent INTEGER NOT NULL DEFAULT 0,
  aws TEXT NOT NULL DEFAULT '',
  aws_findings TEXT NOT NULL DEFAULT '[]',
  aws_silent INTEGER NOT NULL DEFAULT 0,
  health TEXT NOT NULL GENERATED ALWAYS AS (
    CASE
      WHEN (os = 'fail' AND os_silent = 0) OR (aws = 'fail' AND aws_silent = 0) THEN 'fail'
      WHEN os_silent = 1 OR aws_silent = 1 THEN 'silent'
      WHEN os IN ('', 'unknown') OR aws = 'unknown' THEN 'unknown'
      WHEN os = 'warn' OR aws = 'warn' THEN 'warn'
      ELSE 'ok'
    END) STORED
) WITHOUT ROWID;
CREATE INDEX fleet_account ON fleet (account_id, instance_id, health);
CREATE INDEX fleet_region ON fleet (region, instance_id, health);
CREATE INDEX fleet_image ON fleet (image_id, instance_id, health);
CREATE INDEX fleet_health ON fleet (health, instance_id);
INSERT INTO fleet (instance_id, account_id, region, image_id, os_silent)
SELECT a.instance_id, a.account_id, a.region, a.image_id, COALESCE(r.is_silent, 0)
FROM agents a LEFT JOIN runs r ON r.instance_id = a.instance_id AND r.half = 'os';

-- The findings of what is not silent, a row each.
CREATE TABLE findings (
  check_id TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  half TEXT NOT NULL CHECK (half IN ('os', 'aws')),
  status TEXT NOT NULL CHECK (status IN ('warn', 'fail')),
  PRIMARY KEY (check_id, instance_id)
) WITHOUT ROWID;
CREATE INDEX findings_instance ON findings (instance_id, half);

-- What a change became, to be counted over time.
ALTER TABLE changes ADD COLUMN is_status TEXT NOT NULL DEFAULT '';
UPDATE changes SET is_status = is_now ->> '$.status';
CREATE INDEX changes_told ON changes (told_at, is_status);
