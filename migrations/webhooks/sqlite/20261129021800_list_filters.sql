-- What lists filter by: the key and the command of events, the last attempt of deliveries.

-- `data.command_id` of a built-in event.
ALTER TABLE webhooks_events ADD COLUMN command_id TEXT;
UPDATE webhooks_events SET command_id = cast(body AS TEXT) ->> '$.data.command_id'
WHERE event_type IN ('command.started', 'command.completed', 'command.failed')
    AND CASE WHEN json_valid(cast(body AS TEXT)) THEN json_type(cast(body AS TEXT), '$.data.command_id') = 'text' END;
UPDATE webhooks_events SET command_id = NULL
WHERE command_id = '' OR length(command_id) > 255 OR length(cast(command_id AS BLOB)) > 1020
    OR command_id GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'
    OR instr(cast(command_id AS BLOB), x'00') > 0;
CREATE INDEX webhooks_events_by_command_id_id ON webhooks_events (command_id, id) WHERE command_id IS NOT NULL;
CREATE INDEX webhooks_events_by_key_id ON webhooks_events (key, id) WHERE key IS NOT NULL;

-- The trigger, the class of the failure and the status of the last attempt, like 'automatic/status/503'. NULL stands
-- for no attempt, and in the row of a delivery that succeeded for 'automatic//200': so most deliveries are in none of
-- these indexes.
ALTER TABLE webhooks_deliveries ADD COLUMN last_attempt TEXT;
UPDATE webhooks_deliveries SET last_attempt = (
    SELECT nullif(a."trigger" || '/' || coalesce(a.failure_class, '') || '/' || coalesce(a.response_status, ''),
        iif(webhooks_deliveries.status = 'succeeded', 'automatic//200', ''))
    FROM webhooks_attempts AS a WHERE a.delivery_id = webhooks_deliveries.id ORDER BY a.number DESC LIMIT 1)
WHERE attempts > 0;
CREATE INDEX webhooks_deliveries_by_last_attempt_id ON webhooks_deliveries (last_attempt, id)
    WHERE last_attempt IS NOT NULL;
CREATE INDEX webhooks_deliveries_by_webhook_id_last_attempt_id ON webhooks_deliveries (webhook_id, last_attempt, id)
    WHERE last_attempt IS NOT NULL;
