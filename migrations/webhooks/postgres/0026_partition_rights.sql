-- Partitions are created and dropped with the privileges of the schema's owner, so that serving programs need
-- only to read and write rows.

ALTER FUNCTION rdev_webhooks.ensure_partitions(integer) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

-- Returns how many rows a partition has: counted up to a limit, and the server's estimate beyond.
CREATE FUNCTION rdev_webhooks.partition_rows(parent text, suffix text, counted bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    partition text := rdev_webhooks.partition_name(parent, suffix);
    found bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT $1) counted', partition) INTO found USING counted;
    IF found >= counted THEN
        found := greatest(found, (SELECT reltuples::int8 FROM pg_catalog.pg_class WHERE oid = to_regclass(partition)));
    END IF;
    RETURN found;
END $$;

CREATE FUNCTION rdev_webhooks.drop_partition(parent text, suffix text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('DROP TABLE %s', rdev_webhooks.partition_name(parent, suffix));
END $$;

-- Returns the partition of a day, and of nothing else: limits what the two functions above accept.
CREATE FUNCTION rdev_webhooks.partition_name(parent text, suffix text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF parent NOT IN ('events', 'deliveries', 'attempts') OR suffix !~ '^\d{8}$' THEN
        RAISE EXCEPTION 'not a partition of a day: % %', parent, suffix USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN format('rdev_webhooks.%I', parent || '_' || suffix);
END $$;
