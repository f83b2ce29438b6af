-- Answers to requests that named themselves, for whoever sends one again.

-- 0 it is an event's; of a request: 1 it runs, 2 its answer is kept, 3 its answer was too large to be kept.
ALTER TABLE keys ADD COLUMN state smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 3);
-- Until when whoever runs has the key.
ALTER TABLE keys ADD COLUMN held_us bigint;

CREATE TABLE replies (
    invocation uuid PRIMARY KEY,
    at_us      bigint NOT NULL,
    head       text NOT NULL,
    body       bytea NOT NULL
);
CREATE INDEX replies_at ON replies (at_us);
