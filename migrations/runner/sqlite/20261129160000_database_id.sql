-- The id of the database, by which a runner knows whose runs are in its folder.
CREATE TABLE runner_database (id TEXT NOT NULL) STRICT;
INSERT INTO runner_database (id) VALUES (lower(hex(randomblob(16))));
