WITH RECURSIVE walk AS (
    SELECT $1::uuid AS webhook_id, 1 AS place, NULL::timestamptz AS mark, 0 AS found,
        false AS enabled, NULL::timestamptz AS first_due_at, false AS claimable,
        false AS abandoned,
        NULL::timestamptz AS next_at
    UNION ALL
    SELECT next.webhook_id, next.place, next.mark, w.found + state.claimable::int4,
        state.enabled, state.first_due_at, state.claimable, state.abandoned, state.next_at
    FROM walk w
    CROSS JOIN LATERAL (
        SELECT coalesce(stranger.webhook_id, ($3::uuid[])[w.place]) AS webhook_id,
            w.place + (stranger.webhook_id IS NULL)::int4 AS place,
            CASE WHEN stranger.webhook_id IS NULL
                THEN ($4::timestamptz[])[w.place] END AS mark
        FROM (SELECT (
            SELECT q.webhook_id FROM rdev_webhooks.delivery_queue q
            WHERE q.webhook_id > w.webhook_id AND q.wake_at IS NULL
                AND q.webhook_id < coalesce(($3::uuid[])[w.place],
                    'ffffffff-ffff-ffff-ffff-ffffffffffff')
            ORDER BY q.webhook_id, q.due_at LIMIT 1
        ) AS webhook_id OFFSET 0) stranger
    ) next
    CROSS JOIN LATERAL (
        SELECT webhook.rate IS NOT NULL AS enabled, oldest.first_due_at,
            free.claimable AND held.until IS NULL AS claimable,
            coalesce(free.leased, false) AS abandoned,
            CASE WHEN oldest.first_due_at IS NULL OR webhook.rate IS NULL THEN NULL
                WHEN free.claimable THEN held.until
                WHEN oldest.first_due_at > rdev_webhooks.now()
                    THEN greatest(oldest.first_due_at, held.until)
                ELSE greatest(held.until, least(
                    (SELECT q.due_at FROM rdev_webhooks.delivery_queue q
                    WHERE q.webhook_id = next.webhook_id AND q.wake_at IS NULL
                        AND q.due_at > rdev_webhooks.now()
                    ORDER BY q.due_at LIMIT 1),
                    (SELECT min(q.lease_expires_at)
                    FROM rdev_webhooks.delivery_queue q
                    WHERE q.webhook_id = next.webhook_id AND q.wake_at IS NULL
                        AND q.due_at >= coalesce(next.mark, '-infinity')
                        AND q.due_at <= rdev_webhooks.now())
                )) END AS next_at
        FROM (SELECT (
            SELECT coalesce(wh.rate_limit, 0) FROM rdev_webhooks.webhooks wh
            WHERE wh.id = next.webhook_id AND wh.deleted_at IS NULL
                AND wh.disabled_at IS NULL
        ) AS rate OFFSET 0) webhook
        CROSS JOIN LATERAL (SELECT greatest((
            SELECT h.open_until FROM rdev_webhooks.endpoint_health h
            WHERE webhook.rate IS NOT NULL AND h.webhook_id = next.webhook_id
                AND h.open_count > 0 AND h.open_until > rdev_webhooks.now()
        ), (
            SELECT n.next_at FROM (
                SELECT l.spent_until
                    + greatest(1000000 / nullif(webhook.rate, 0), $6::int8) * interval '1 microsecond' AS next_at
                FROM rdev_webhooks.shared_limits l
                WHERE webhook.rate > 0 AND l.webhook_id = next.webhook_id
                    AND l.spent_until <= rdev_webhooks.now() + $7::int8 * interval '1 microsecond'
            ) n WHERE n.next_at > rdev_webhooks.now()
        )) AS until OFFSET 0) held
        LEFT JOIN LATERAL (
            SELECT q.due_at AS first_due_at,
                q.lease_expires_at IS NULL AND q.due_at <= rdev_webhooks.now() AS claimable
            FROM rdev_webhooks.delivery_queue q
            WHERE webhook.rate IS NOT NULL AND q.webhook_id = next.webhook_id AND q.wake_at IS NULL
                AND q.due_at >= coalesce(next.mark, '-infinity')
            ORDER BY q.due_at LIMIT 1
        ) oldest ON true
        CROSS JOIN LATERAL (SELECT f.leased IS NOT NULL AS claimable, f.leased
            FROM (SELECT CASE WHEN oldest.claimable THEN false ELSE (
                SELECT q.lease_expires_at IS NOT NULL
                FROM rdev_webhooks.delivery_queue q
                WHERE oldest.first_due_at <= rdev_webhooks.now()
                    AND q.webhook_id = next.webhook_id AND q.wake_at IS NULL
                    AND q.due_at >= oldest.first_due_at
                    AND q.due_at <= rdev_webhooks.now()
                    AND (q.lease_expires_at IS NULL
                        OR q.lease_expires_at <= rdev_webhooks.now())
                ORDER BY q.due_at LIMIT 1
            ) END AS leased OFFSET 0) f OFFSET 0) free
        OFFSET 0
    ) state
    WHERE next.webhook_id IS NOT NULL AND w.found <= $2
)
SELECT k.webhook_id AS "webhook_id!", k.mark IS NULL AS "from_beginning!",
    k.enabled AS "enabled!", k.claimable AS "claimable!",
    k.abandoned AS "abandoned!", h.last_failure_silent AS "last_failure_silent?",
    (extract(epoch FROM rdev_webhooks.now() - k.first_due_at) * 1000000)::int8
        AS overdue_us,
    k.first_due_at IS NOT NULL AS "busy!",
    least(k.first_due_at,
        rdev_webhooks.now() - $5::int8 * interval '1 microsecond') AS "since!",
    ceil(extract(epoch FROM k.next_at - rdev_webhooks.now()) * 1000000)::int8
        AS next_in_us,
    w.max_in_flight AS "max_in_flight?", coalesce(w.rate_limit, w.max_in_flight) IS NOT NULL AS "is_limited!",
    w.timeout_ns AS "timeout_ns?"
FROM walk k
LEFT JOIN rdev_webhooks.webhooks w ON w.id = k.webhook_id AND k.claimable
LEFT JOIN rdev_webhooks.endpoint_health h ON h.webhook_id = k.webhook_id AND k.claimable
WHERE k.webhook_id > $1
