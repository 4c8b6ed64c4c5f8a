-- Requests that were sent with an idempotency key, and their responses.
CREATE TABLE idempotency_keys (
    owner       BLOB    NOT NULL, -- the API key; empty for the administrator's
    digest      BLOB    NOT NULL, -- the SHA-256 of the name
    operation   BLOB    NOT NULL, -- sealed
    answer      BLOB,             -- sealed; none while the request is under way, or was left
    lease_token INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (owner, digest)
) STRICT;

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
