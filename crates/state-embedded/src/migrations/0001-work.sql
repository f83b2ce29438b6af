-- Times are UTC microseconds since 1970. Nested records are JSON.

-- Functions that ever had an event, by a number.
CREATE TABLE functions (
    number   INTEGER PRIMARY KEY,
    tenant   TEXT NOT NULL,
    app      TEXT NOT NULL,
    function TEXT NOT NULL,
    UNIQUE (tenant, app, function)
) STRICT;

CREATE TABLE invocations (
    number      INTEGER PRIMARY KEY,
    id          BLOB NOT NULL UNIQUE,
    of          INTEGER NOT NULL REFERENCES functions (number),
    -- 0 queued, 1 running, 2 succeeded, 3 failed, 4 cancelled.
    status      INTEGER NOT NULL CHECK (status BETWEEN 0 AND 4),
    kind        TEXT NOT NULL,
    accepted_us INTEGER NOT NULL,
    due_us      INTEGER NOT NULL,
    max_age_us  INTEGER NOT NULL,
    expires_us  INTEGER NOT NULL,
    -- Rises with each lease, and whenever one is taken back.
    fence       INTEGER NOT NULL DEFAULT 0,
    leased_us   INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    failed      INTEGER NOT NULL DEFAULT 0,
    lost        INTEGER NOT NULL DEFAULT 0,
    put_back    INTEGER NOT NULL DEFAULT 0,
    cancelled   INTEGER NOT NULL DEFAULT 0,
    kept_us     INTEGER,
    fault       TEXT,
    result      TEXT
) STRICT;
CREATE INDEX invocations_due ON invocations (of, due_us) WHERE status = 0;
CREATE INDEX invocations_leased ON invocations (leased_us) WHERE status = 1;
CREATE INDEX invocations_kept ON invocations (kept_us) WHERE status > 1;
CREATE INDEX invocations_of ON invocations (of, status, id);

CREATE TABLE payloads (
    invocation INTEGER PRIMARY KEY REFERENCES invocations (number) ON DELETE CASCADE,
    payload    BLOB NOT NULL
) STRICT;

CREATE TABLE attempts (
    invocation INTEGER NOT NULL REFERENCES invocations (number) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    record     TEXT NOT NULL,
    PRIMARY KEY (invocation, number)
) STRICT, WITHOUT ROWID;

-- What callers named their requests, for a day.
CREATE TABLE keys (
    of         INTEGER NOT NULL REFERENCES functions (number),
    caller     TEXT NOT NULL,
    key        TEXT NOT NULL,
    payload    TEXT NOT NULL,
    invocation BLOB NOT NULL,
    at_us      INTEGER NOT NULL,
    PRIMARY KEY (of, caller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_at ON keys (at_us);
