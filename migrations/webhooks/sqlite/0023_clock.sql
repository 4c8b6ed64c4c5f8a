-- The database's knowledge of the clock, in its only row.
CREATE TABLE clock (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    set_back_at INTEGER, -- when the clock was last found to have been set back, by the clock as it was then
    -- How far time is known to have passed: the retention is measured by it. It advances no faster than the
    -- process that uses the database runs.
    seen_at     INTEGER
) STRICT;
INSERT INTO clock (id) VALUES (1);
