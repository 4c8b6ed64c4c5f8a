WITH newest AS MATERIALIZED (
    SELECT coalesce((
        SELECT e.position FROM rdev_webhooks.events e ORDER BY e.position DESC, e.id DESC LIMIT 1), 0) AS position
)
SELECT n.position AS "newest!",
    m.complete AS "complete!",
    coalesce(m.newest >= n.position
        OR (m.newest > m.complete AND m.newest_at > clock_timestamp() - interval '250 milliseconds'), false)
        AS "is_marked!",
    coalesce(m.oldest_open_at < clock_timestamp() - interval '1 second', false) AS "is_held!",
    r.pruned_position, r.pruned_event
FROM rdev_webhooks.retention r
CROSS JOIN newest n
CROSS JOIN LATERAL (
    SELECT coalesce(max(m.position) FILTER (WHERE m.is_past), 0) AS complete,
        max(m.position) AS newest, max(m.marked_at) AS newest_at,
        min(m.marked_at) FILTER (WHERE NOT m.is_past) AS oldest_open_at
    FROM (
        SELECT m.position, m.marked_at, m.xid <= pg_snapshot_xmin(pg_current_snapshot()) AS is_past
        FROM rdev_webhooks.event_feed_marks m
        -- A restored dump has marks of another server's transactions.
        WHERE m.xid < pg_snapshot_xmax(pg_current_snapshot())
    ) m
) m
