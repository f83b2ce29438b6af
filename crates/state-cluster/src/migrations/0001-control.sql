-- Times are UTC microseconds since 1970. Nested records are JSON, as text, so that they stay as they were
-- written. Names sort by their bytes, whatever the database's collation is.

-- Rises with every change of an app or a tenant; see app_names.changed and tenants.changed. Whoever changes
-- anything in this file's tables has this row locked, so that all changes are one after another.
CREATE TABLE store (
    one     integer PRIMARY KEY CHECK (one = 1),
    version bigint NOT NULL
);
INSERT INTO store (one, version) VALUES (1, 0);

-- The row of a deleted tenant stays: its apps' numbers go on if it is made again, and followers learn that it is
-- gone.
CREATE TABLE tenants (
    name       text COLLATE "C" PRIMARY KEY,
    account    text COLLATE "C" NOT NULL UNIQUE,
    created_us bigint NOT NULL,
    suspended  boolean NOT NULL DEFAULT false,
    deleted    boolean NOT NULL DEFAULT false,
    changed    bigint NOT NULL DEFAULT 0
);
CREATE INDEX tenants_changed ON tenants (changed);

CREATE TABLE budgets (
    tenant text COLLATE "C" NOT NULL REFERENCES tenants (name),
    -- Which one, as JSON.
    key    text COLLATE "C" NOT NULL,
    most   double precision NOT NULL,
    PRIMARY KEY (tenant, key)
);

-- Every app there ever was, and every one that has a secret or a version. Rows stay when the app
-- is deleted: its release numbers go on from here, and followers learn that it is gone.
CREATE TABLE app_names (
    tenant         text COLLATE "C" NOT NULL REFERENCES tenants (name),
    app            text COLLATE "C" NOT NULL,
    newest_release bigint NOT NULL,
    changed        bigint NOT NULL,
    PRIMARY KEY (tenant, app)
);
CREATE INDEX app_names_changed ON app_names (changed);

CREATE TABLE apps (
    tenant     text COLLATE "C" NOT NULL,
    app        text COLLATE "C" NOT NULL,
    live       text NOT NULL,
    newest     bigint NOT NULL,
    created_us bigint NOT NULL,
    moved_us   bigint NOT NULL,
    PRIMARY KEY (tenant, app),
    FOREIGN KEY (tenant, app) REFERENCES app_names (tenant, app)
);

CREATE TABLE releases (
    tenant     text COLLATE "C" NOT NULL,
    app        text COLLATE "C" NOT NULL,
    number     bigint NOT NULL,
    manifest   text NOT NULL,
    routes     text NOT NULL,
    functions  text NOT NULL,
    made_by    text NOT NULL,
    created_us bigint NOT NULL,
    PRIMARY KEY (tenant, app, number),
    FOREIGN KEY (tenant, app) REFERENCES apps (tenant, app) ON DELETE CASCADE
);

-- Stays when the app is deleted: version numbers are never reused.
CREATE TABLE version_numbers (
    tenant   text COLLATE "C" NOT NULL,
    app      text COLLATE "C" NOT NULL,
    function text COLLATE "C" NOT NULL,
    newest   bigint NOT NULL,
    PRIMARY KEY (tenant, app, function)
);

CREATE TABLE versions (
    tenant     text COLLATE "C" NOT NULL,
    app        text COLLATE "C" NOT NULL,
    function   text COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    revision   text NOT NULL,
    created_us bigint NOT NULL,
    PRIMARY KEY (tenant, app, function, version)
);

CREATE TABLE aliases (
    tenant   text COLLATE "C" NOT NULL,
    app      text COLLATE "C" NOT NULL,
    function text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL,
    weights  text NOT NULL,
    PRIMARY KEY (tenant, app, function, name)
);

CREATE TABLE secrets (
    tenant     text COLLATE "C" NOT NULL,
    app        text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    key_id     text NOT NULL,
    sealed     bytea NOT NULL,
    updated_us bigint NOT NULL,
    PRIMARY KEY (tenant, app, name)
);

CREATE TABLE tokens (
    tenant     text COLLATE "C" NOT NULL REFERENCES tenants (name),
    name       text COLLATE "C" NOT NULL,
    hash       text COLLATE "C" NOT NULL UNIQUE,
    role       text NOT NULL,
    created_us bigint NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- What each command answered, for one that is repeated.
CREATE TABLE operations (
    tenant  text COLLATE "C" NOT NULL,
    id      uuid NOT NULL,
    command text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'not_found', 'conflict')),
    answer  text NOT NULL,
    at_us   bigint NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX operations_at ON operations (at_us);
