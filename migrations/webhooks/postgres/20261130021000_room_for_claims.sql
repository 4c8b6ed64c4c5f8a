-- Room in each page for the version that a claim writes of each row. Without it every second claim at full load had to
-- go to another page, and so rewrote the row's index entries.
ALTER TABLE rdev_webhooks.delivery_queue SET (fillfactor = 40);
