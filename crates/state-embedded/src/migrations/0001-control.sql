-- Times are UTC microseconds since 1970. Nested records are JSON.

-- Rises with every change of an app; see app_names.changed.
CREATE TABLE store (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO store VALUES (1, 0);

CREATE TABLE tenants (
    name       TEXT PRIMARY KEY,
    account    TEXT NOT NULL UNIQUE,
    created_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every app there ever was, and every one that has a secret or a version. Rows stay when the app
-- is deleted: its release numbers go on from here, and followers learn that it is gone.
CREATE TABLE app_names (
    tenant         TEXT NOT NULL REFERENCES tenants (name),
    app            TEXT NOT NULL,
    newest_release INTEGER NOT NULL,
    changed        INTEGER NOT NULL,
    PRIMARY KEY (tenant, app)
) STRICT, WITHOUT ROWID;
CREATE INDEX app_names_changed ON app_names (changed);

CREATE TABLE apps (
    tenant     TEXT NOT NULL,
    app        TEXT NOT NULL,
    live       TEXT NOT NULL,
    newest     INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    moved_us   INTEGER NOT NULL,
    PRIMARY KEY (tenant, app),
    FOREIGN KEY (tenant, app) REFERENCES app_names (tenant, app)
) STRICT, WITHOUT ROWID;

CREATE TABLE releases (
    tenant     TEXT NOT NULL,
    app        TEXT NOT NULL,
    number     INTEGER NOT NULL,
    manifest   TEXT NOT NULL,
    routes     TEXT NOT NULL,
    functions  TEXT NOT NULL,
    made_by    TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, app, number),
    FOREIGN KEY (tenant, app) REFERENCES apps (tenant, app) ON DELETE CASCADE
) STRICT;

-- Stays when the app is deleted: version numbers are never reused.
CREATE TABLE version_numbers (
    tenant   TEXT NOT NULL,
    app      TEXT NOT NULL,
    function TEXT NOT NULL,
    newest   INTEGER NOT NULL,
    PRIMARY KEY (tenant, app, function)
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
    tenant     TEXT NOT NULL,
    app        TEXT NOT NULL,
    function   TEXT NOT NULL,
    version    INTEGER NOT NULL,
    revision   TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, app, function, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE aliases (
    tenant   TEXT NOT NULL,
    app      TEXT NOT NULL,
    function TEXT NOT NULL,
    name     TEXT NOT NULL,
    weights  TEXT NOT NULL,
    PRIMARY KEY (tenant, app, function, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    tenant     TEXT NOT NULL,
    app        TEXT NOT NULL,
    name       TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    updated_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, app, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    tenant     TEXT NOT NULL REFERENCES tenants (name),
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- What each command answered, for one that is repeated.
CREATE TABLE operations (
    tenant  TEXT NOT NULL,
    id      TEXT NOT NULL,
    command TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'not_found', 'conflict')),
    answer  TEXT NOT NULL,
    at_us   INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX operations_at ON operations (at_us);
