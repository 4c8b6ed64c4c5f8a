WITH locks AS MATERIALIZED (
    SELECT l.locktype, l.transactionid, l.virtualtransaction, l.relation, l.database, l.mode
    FROM pg_catalog.pg_locks l WHERE l.granted AND l.locktype IN ('transactionid', 'relation')
),
-- The running transactions that have inserted an event, or may have.
publishing AS MATERIALIZED (
    SELECT running.xid
    FROM pg_snapshot_xip(pg_current_snapshot()) AS running(xid)
    JOIN locks own ON own.locktype = 'transactionid' AND own.mode = 'ExclusiveLock'
        AND own.transactionid = running.xid::xid
    WHERE EXISTS (
        SELECT FROM locks l
        WHERE l.virtualtransaction = own.virtualtransaction AND l.locktype = 'relation'
            AND l.mode = 'RowExclusiveLock' AND l.relation = 'rdev_webhooks.events'::regclass
            AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
)
SELECT coalesce(max(m.position), 0) AS "complete!"
FROM rdev_webhooks.event_feed_marks m
WHERE m.xid < pg_snapshot_xmax(pg_current_snapshot())
    AND NOT EXISTS (SELECT FROM publishing p WHERE p.xid < m.xid)
