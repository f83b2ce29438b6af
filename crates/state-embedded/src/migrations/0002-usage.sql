-- Who sent an event, and sums of what attempts came to.

ALTER TABLE invocations ADD COLUMN caller TEXT;

-- Whose sums they are, by a number. They stay when an app is deleted.
CREATE TABLE payers (
    number   INTEGER PRIMARY KEY,
    tenant   TEXT NOT NULL,
    app      TEXT NOT NULL,
    function TEXT NOT NULL,
    caller   TEXT NOT NULL,
    UNIQUE (tenant, app, function, caller)
) STRICT;

CREATE TABLE usage (
    of              INTEGER NOT NULL REFERENCES payers (number),
    -- 0 minute, 1 hour, 2 day.
    span            INTEGER NOT NULL CHECK (span BETWEEN 0 AND 2),
    start_us        INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    function_faults INTEGER NOT NULL,
    platform_faults INTEGER NOT NULL,
    caller_faults   INTEGER NOT NULL,
    cold            INTEGER NOT NULL,
    billed_ms       INTEGER NOT NULL,
    mb_ms           INTEGER NOT NULL,
    cpu_us          INTEGER NOT NULL,
    init_us         INTEGER NOT NULL,
    bytes_in        INTEGER NOT NULL,
    bytes_out       INTEGER NOT NULL,
    PRIMARY KEY (of, span, start_us)
) STRICT, WITHOUT ROWID;

-- How far each journal was added up.
CREATE TABLE journals (
    source TEXT PRIMARY KEY,
    rolled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
