-- The fleet is counted from indexes alone. SQLite reads the row for a generated column also where an index holds it, so `health` is a plain
-- column now, kept by triggers.
CREATE TABLE fleet_plain (
  instance_id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL DEFAULT '',
  region TEXT NOT NULL DEFAULT '',
  image_id TEXT NOT NULL DEFAULT '',
  os TEXT NOT NULL DEFAULT '',
  os_findings TEXT NOT NULL DEFAULT '[]',
  os_silent INTEGER NOT NULL DEFAULT 0,
  aws TEXT NOT NULL DEFAULT '',
  aws_findings TEXT NOT NULL DEFAULT '[]',
  aws_silent INTEGER NOT NULL DEFAULT 0,
  health TEXT NOT NULL DEFAULT 'unknown'
) WITHOUT ROWID;
INSERT INTO fleet_plain SELECT instance_id, account_id, region, image_id, os, os_findings, os_silent, aws, aws_findings, aws_silent, health
FROM fleet;
DROP TABLE fleet;
ALTER TABLE fleet_plain RENAME TO fleet;
CREATE VIEW fleet_health_now AS
SELECT instance_id,
  CASE
    WHEN (os = 'fail' AND os_silent = 0) OR (aws = 'fail' AND aws_silent = 0) THEN 'fail'
    WHEN os_silent = 1 OR aws_silent = 1 THEN 'silent'
    WHEN os IN ('', 'unknown') OR aws = 'unknown' THEN 'unknown'
    WHEN os = 'warn' OR aws = 'warn' THEN 'warn'
    ELSE 'ok'
  END AS health
FROM fleet;
CREATE TRIGGER fleet_is_new AFTER INSERT ON fleet BEGIN
  UPDATE fleet SET health = (SELECT n.health FROM fleet_health_now n WHERE n.instance_id = new.instance_id) WHERE instance_id = new.instance_id;
END;
CREATE TRIGGER fleet_changes AFTER UPDATE OF os, os_silent, aws, aws_silent ON fleet BEGIN
  UPDATE fleet SET health = (SELECT n.health FROM fleet_health_now n WHERE n.instance_id = new.instance_id) WHERE instance_id = new.instance_id;
END;
CREATE INDEX fleet_account ON fleet (account_id, instance_id);
CREATE INDEX fleet_region ON fleet (region, instance_id);
CREATE INDEX fleet_image ON fleet (image_id, instance_id);
CREATE INDEX fleet_health ON fleet (health, instance_id);
CREATE INDEX fleet_account_health ON fleet (account_id, health, instance_id);
CREATE INDEX fleet_region_health ON fleet (region, health, instance_id);
CREATE INDEX fleet_image_health ON fleet (image_id, health, instance_id);

CREATE INDEX findings_status ON findings (status, check_id);
