-- The fleet is counted from indexes alone, each in the order in which it is counted.
CREATE INDEX fleet_account_health ON fleet (account_id, health, instance_id);
CREATE INDEX fleet_region_health ON fleet (region, health, instance_id);
CREATE INDEX fleet_image_health ON fleet (image_id, health, instance_id);
CREATE INDEX findings_status ON findings (status, check_id);
