-- Whether `webhook.failing` was published of the current series of failures, so that its end is published too.
ALTER TABLE webhooks_endpoint_health ADD COLUMN failing_reported INTEGER NOT NULL DEFAULT 0;

-- These names are the service's own now.
DELETE FROM webhooks_event_types WHERE name IN ('delivery.failed', 'replay.completed');
