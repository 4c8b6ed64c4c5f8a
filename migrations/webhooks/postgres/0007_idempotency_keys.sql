-- Requests that were sent with an idempotency key, and their responses.
CREATE TABLE rdev_webhooks.idempotency_keys (
    -- The API key; the nil UUID for the administrator's.
    owner       uuid NOT NULL,
    -- The SHA-256 of the name.
    digest      bytea NOT NULL,
    -- Sealed.
    operation   bytea NOT NULL,
    -- Sealed; NULL while the request is in progress, or if it was abandoned.
    answer      bytea,
    lease_token bigint NOT NULL,
    lease_until timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (owner, digest)
);

CREATE INDEX idempotency_keys_expiry ON rdev_webhooks.idempotency_keys (expires_at);
