-- Tenants can be suspended and deleted, tokens have roles, and there are budgets.

ALTER TABLE tenants ADD COLUMN suspended INTEGER NOT NULL DEFAULT 0;
-- The row of a deleted tenant stays, for its apps' numbers go on if it is made again, and followers learn
-- that it is gone.
ALTER TABLE tenants ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tenants_changed ON tenants (changed);

-- Until now there was one token, of whoever runs the node.
ALTER TABLE tokens ADD COLUMN role TEXT NOT NULL DEFAULT 'operator';

CREATE TABLE budgets (
    tenant   TEXT NOT NULL REFERENCES tenants (name),
    -- Which one, as JSON; see BudgetKey.
    key      TEXT NOT NULL,
    most     REAL NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
