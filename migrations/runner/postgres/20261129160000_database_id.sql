-- The id of the database, by which a runner knows whose runs are in its folder.
CREATE TABLE rdev_runner.database (id text NOT NULL);
INSERT INTO rdev_runner.database (id) VALUES (replace(gen_random_uuid()::text, '-', ''));
