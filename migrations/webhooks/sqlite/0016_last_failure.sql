-- When the last failed attempt at a webhook was recorded, and whether it took so long that it occupied its
-- slot in a worker. Nothing is known of earlier failures.
ALTER TABLE webhook_health ADD COLUMN last_failed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhook_health ADD COLUMN silent INTEGER NOT NULL DEFAULT 0;
