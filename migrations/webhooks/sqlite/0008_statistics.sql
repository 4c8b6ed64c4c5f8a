-- Delivery statistics as sums: a row for each webhook and bucket of time. The worker adds to the current rows
-- every second or so; nothing else writes here.
CREATE TABLE webhook_statistics (
    webhook_id      BLOB    NOT NULL,
    bucket_seconds  INTEGER NOT NULL, -- how long the bucket is
    bucket_at       INTEGER NOT NULL, -- when it begins
    succeeded       INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    cancelled       INTEGER NOT NULL,
    retries         INTEGER NOT NULL,
    attempts        TEXT    NOT NULL, -- JSON array of counts: successes, then failures by class
    latency         TEXT    NOT NULL, -- JSON arrays of a histogram's counts
    time_to_success TEXT    NOT NULL,
    PRIMARY KEY (webhook_id, bucket_seconds, bucket_at)
) STRICT, WITHOUT ROWID;

-- For removing old rows.
CREATE INDEX webhook_statistics_by_time ON webhook_statistics (bucket_seconds, bucket_at);
