-- The health of endpoints: a row for each webhook whose last attempt failed, and for no other, so that the
-- many healthy ones cost nothing.
CREATE TABLE rdev_webhooks.webhook_health (
    webhook_id           uuid PRIMARY KEY REFERENCES rdev_webhooks.webhooks ON DELETE CASCADE,
    consecutive_failures integer NOT NULL,
    openings             integer NOT NULL,
    -- Set if and only if the circuit has opened.
    open_until           timestamptz,
    probing              boolean NOT NULL,
    failing_since        timestamptz NOT NULL,
    CHECK ((openings > 0) = (open_until IS NOT NULL))
) WITH (fillfactor = 50);

-- The circuit's part of Health::failed: returns whether so many failures in a row, over that time, open it.
-- An open circuit does not open again, unless the probe failed.
CREATE FUNCTION rdev_webhooks.opens(
    failures bigint, failing_since timestamptz, openings integer, open_until timestamptz, probing boolean)
    RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT failures >= 50 AND failing_since <= rdev_webhooks.now() - interval '10 seconds'
        AND (openings = 0 OR probing OR open_until <= rdev_webhooks.now()) $$;

-- health::open_for: returns five seconds, then twice as long each time, up to five minutes.
CREATE FUNCTION rdev_webhooks.open_for(openings integer) RETURNS interval
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT least(interval '5 seconds' * power(2, least(openings - 1, 10)), interval '5 minutes') $$;
