-- Of processor time, what is estimated.

ALTER TABLE usage ADD COLUMN estimated_cpu_us bigint NOT NULL DEFAULT 0;
