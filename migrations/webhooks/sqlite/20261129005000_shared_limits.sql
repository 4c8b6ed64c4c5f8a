-- A row for each webhook whose rate limit was used.
CREATE TABLE webhooks_shared_limits (
    webhook_id  BLOB    NOT NULL PRIMARY KEY REFERENCES webhooks_webhooks (id) ON DELETE CASCADE,
    spent_until INTEGER -- the moment up to which the rate is spent
) STRICT, WITHOUT ROWID;
