-- Answers to requests that named themselves, for whoever sends one again.

-- 0 it is an event's; of a request: 1 it runs, 2 its answer is kept, 3 its answer was too large to be kept.
ALTER TABLE keys ADD COLUMN state INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 3);
-- Until when whoever runs has the key.
ALTER TABLE keys ADD COLUMN held_us INTEGER;

CREATE TABLE replies (
    invocation BLOB PRIMARY KEY,
    at_us      INTEGER NOT NULL,
    head       TEXT NOT NULL,
    body       BLOB NOT NULL
) STRICT;
CREATE INDEX replies_at ON replies (at_us);
