-- Delivery statistics as sums: a row for each webhook and bucket of time. Workers add to the current rows
-- every second or so; nothing else writes here.
CREATE TABLE rdev_webhooks.webhook_statistics (
    webhook_id          uuid NOT NULL,
    -- The length of the bucket, and its beginning.
    bucket_seconds      integer NOT NULL,
    bucket_at           timestamptz NOT NULL,
    succeeded           bigint NOT NULL,
    failed              bigint NOT NULL,
    cancelled           bigint NOT NULL,
    retries             bigint NOT NULL,
    -- Successes, then failures by class.
    attempts            bigint[] NOT NULL,
    -- The counts of histograms, up to the last that is not zero.
    latency             bigint[] NOT NULL,
    time_to_success     bigint[] NOT NULL,
    PRIMARY KEY (webhook_id, bucket_seconds, bucket_at)
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0
);
-- For removing old rows. Indexed columns never change, so adding rewrites no index entry.
CREATE INDEX webhook_statistics_bucket ON rdev_webhooks.webhook_statistics (bucket_seconds, bucket_at);

-- Adds counts element by element; missing elements of the shorter array are zero.
CREATE FUNCTION rdev_webhooks.add_counts(one bigint[], other bigint[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT coalesce(array_agg(coalesce(t.x, 0) + coalesce(t.y, 0) ORDER BY t.n), '{}')
        FROM unnest(one, other) WITH ORDINALITY AS t(x, y, n) $$;
