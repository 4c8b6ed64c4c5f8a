-- Stores the columns that a transition changes: ?1 is a JSON array of objects with the columns' names.
WITH batch AS MATERIALIZED (SELECT value FROM json_each(?1))
UPDATE webhooks_deliveries SET
    status = new.status,
    reason = new.reason,
    finished_at = new.finished_at,
    attempts = new.attempts,
    automatic_attempts = new.automatic_attempts,
    abandoned_count = new.abandoned_count,
    "trigger" = new."trigger",
    due_at = new.due_at,
    deferred_until = new.deferred_until,
    lease_token = new.lease_token,
    lease_taken_at = new.lease_taken_at,
    lease_expires_at = new.lease_expires_at,
    claimable_at = new.claimable_at
FROM (
    SELECT
        unhex(value ->> 'id') AS id,
        value ->> 'status' AS status,
        value ->> 'reason' AS reason,
        value ->> 'finished_at' AS finished_at,
        value ->> 'attempts' AS attempts,
        value ->> 'automatic_attempts' AS automatic_attempts,
        value ->> 'abandoned_count' AS abandoned_count,
        value ->> 'trigger' AS "trigger",
        value ->> 'due_at' AS due_at,
        value ->> 'deferred_until' AS deferred_until,
        value ->> 'lease_token' AS lease_token,
        value ->> 'lease_taken_at' AS lease_taken_at,
        value ->> 'lease_expires_at' AS lease_expires_at,
        value ->> 'claimable_at' AS claimable_at
    FROM batch
) AS new
WHERE webhooks_deliveries.id = new.id
