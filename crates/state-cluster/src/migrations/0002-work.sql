-- Times are UTC microseconds since 1970. Nested records are JSON, as text.

-- Functions that ever had an event, by a number. Rows are never deleted.
CREATE TABLE functions (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   text COLLATE "C" NOT NULL,
    app      text COLLATE "C" NOT NULL,
    function text COLLATE "C" NOT NULL,
    UNIQUE (tenant, app, function)
);

CREATE TABLE invocations (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid NOT NULL UNIQUE,
    -- A function's number. Not a foreign key, because each event would lock its function's row.
    of          bigint NOT NULL,
    -- 0 queued, 1 running, 2 succeeded, 3 failed, 4 cancelled.
    status      smallint NOT NULL CHECK (status BETWEEN 0 AND 4),
    kind        text NOT NULL,
    -- Whose credential sent it.
    caller      text,
    payload     bytea CHECK (payload IS NOT NULL OR status IN (2, 4)),
    accepted_us bigint NOT NULL,
    due_us      bigint NOT NULL,
    max_age_us  bigint NOT NULL,
    expires_us  bigint NOT NULL,
    -- Rises with each lease, and whenever one is taken back.
    fence       bigint NOT NULL DEFAULT 0,
    leased_us   bigint,
    attempts    integer NOT NULL DEFAULT 0,
    failed      integer NOT NULL DEFAULT 0,
    lost        integer NOT NULL DEFAULT 0,
    put_back    integer NOT NULL DEFAULT 0,
    cancelled   boolean NOT NULL DEFAULT false,
    kept_us     bigint,
    fault       text,
    result      text
)
-- Rows change a few times in their short life: dead versions of them go before they slow down the indices.
WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX invocations_due ON invocations (of, due_us) WHERE status = 0;
CREATE INDEX invocations_leased ON invocations (leased_us) WHERE status = 1;
CREATE INDEX invocations_kept ON invocations (kept_us) WHERE status > 1;
CREATE INDEX invocations_of ON invocations (of, status, id);

CREATE TABLE attempts (
    invocation bigint NOT NULL REFERENCES invocations (number) ON DELETE CASCADE,
    number     bigint NOT NULL,
    record     text NOT NULL,
    PRIMARY KEY (invocation, number)
);

-- What callers named their requests, for a day.
CREATE TABLE keys (
    of         bigint NOT NULL,
    caller     text COLLATE "C" NOT NULL,
    key        text COLLATE "C" NOT NULL,
    payload    bytea NOT NULL,
    invocation uuid NOT NULL,
    at_us      bigint NOT NULL,
    PRIMARY KEY (of, caller, key)
);
CREATE INDEX keys_at ON keys (at_us);

-- Whose sums they are, by a number. Rows are never deleted: what ran is owed, though the app is gone.
CREATE TABLE payers (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   text COLLATE "C" NOT NULL,
    app      text COLLATE "C" NOT NULL,
    function text COLLATE "C" NOT NULL,
    caller   text COLLATE "C" NOT NULL,
    UNIQUE (tenant, app, function, caller)
);

-- Sums of attempts. Those of a payer's span of time are the sum of its rows.
CREATE TABLE usage (
    of              bigint NOT NULL REFERENCES payers (number),
    -- 0 minute, 1 hour, 2 day.
    span            smallint NOT NULL CHECK (span BETWEEN 0 AND 2),
    start_us        bigint NOT NULL,
    -- 0 for what journals hold; above it for ends of events, of which many at once add to different rows.
    part            smallint NOT NULL,
    attempts        bigint NOT NULL,
    function_faults bigint NOT NULL,
    platform_faults bigint NOT NULL,
    caller_faults   bigint NOT NULL,
    cold            bigint NOT NULL,
    billed_ms       bigint NOT NULL,
    mb_ms           bigint NOT NULL,
    cpu_us          bigint NOT NULL,
    init_us         bigint NOT NULL,
    bytes_in        bigint NOT NULL,
    bytes_out       bigint NOT NULL,
    PRIMARY KEY (of, span, start_us, part)
)
-- The newest rows change all the time: room beside them, so that the index need not.
WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

-- How far each node's journal was added up.
CREATE TABLE journals (
    source text COLLATE "C" PRIMARY KEY,
    rolled bigint NOT NULL
);
