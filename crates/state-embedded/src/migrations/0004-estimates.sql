-- Of processor time, what is estimated.

ALTER TABLE usage ADD COLUMN estimated_cpu_us INTEGER NOT NULL DEFAULT 0;
