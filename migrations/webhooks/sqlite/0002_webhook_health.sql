-- The health of endpoints: a row for each webhook whose last attempt failed, and for no other, so that the
-- many healthy ones cost nothing.
CREATE TABLE webhook_health (
    webhook_id           BLOB    NOT NULL PRIMARY KEY REFERENCES webhooks (id) ON DELETE CASCADE,
    consecutive_failures INTEGER NOT NULL,
    openings             INTEGER NOT NULL,
    open_until           INTEGER, -- set if, and only if, the circuit has opened
    probing              INTEGER NOT NULL,
    failing_since        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
