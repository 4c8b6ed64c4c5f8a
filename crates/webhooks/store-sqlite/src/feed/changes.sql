-- Returns finished deliveries, failed attempts and reopened deliveries after the point (?1, ?2), in the order of
-- their recording, at most ?3.
SELECT at AS "at!: i64", id AS "id!: Vec<u8>"
FROM (
    SELECT * FROM (
        SELECT finished_at AS at, id
        FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_finished_at_id
        WHERE finished_at IS NOT NULL AND (finished_at, id) > (?1, ?2)
        ORDER BY finished_at, id
        LIMIT +?3
    )
    UNION
    SELECT * FROM (
        SELECT recorded_at, delivery_id
        FROM webhooks_attempts INDEXED BY webhooks_attempts_by_recorded_at_delivery_id
        WHERE failure_class IS NOT NULL AND (recorded_at, delivery_id) > (?1, ?2)
        ORDER BY recorded_at, delivery_id
        LIMIT +?3
    )
    UNION
    SELECT * FROM (
        SELECT reopened_at, delivery_id
        FROM webhooks_reopened_deliveries INDEXED BY webhooks_reopened_deliveries_by_reopened_at_delivery_id
        WHERE (reopened_at, delivery_id) > (?1, ?2)
        ORDER BY reopened_at, delivery_id
        LIMIT +?3
    )
)
ORDER BY at, id
LIMIT +?3
