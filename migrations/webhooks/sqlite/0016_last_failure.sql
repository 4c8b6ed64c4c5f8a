-- When the last failed attempt at a webhook was recorded, and whether it took so long that it held its place in
-- a worker's pool. Nothing is known of the failures before.
ALTER TABLE webhook_health ADD COLUMN last_failed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhook_health ADD COLUMN silent INTEGER NOT NULL DEFAULT 0;
