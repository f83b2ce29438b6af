-- What the keys of a function's requests (256 bytes each) and the answers kept for them take, in bytes. In parts, because
-- who adds to a row keeps others from it until the commit; those who add to several take them in order.
CREATE TABLE kept (
    of      bigint NOT NULL,
    part    smallint NOT NULL,
    keys    bigint NOT NULL DEFAULT 0,
    answers bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (of, part)
) WITH (fillfactor = 50);

-- The function of an answer, and what it takes.
ALTER TABLE replies ADD COLUMN of bigint;
ALTER TABLE replies ADD COLUMN bytes bigint NOT NULL DEFAULT 0;

UPDATE replies SET of = k.of, bytes = octet_length(head) + octet_length(body)
    FROM keys k WHERE k.invocation = replies.invocation AND k.state = 2;
INSERT INTO kept SELECT of, 0, sum(keys), sum(answers) FROM (
    SELECT of, 256 AS keys, 0 AS answers FROM keys WHERE state > 0
    UNION ALL SELECT of, 0, bytes FROM replies WHERE of IS NOT NULL) each GROUP BY of;

-- Once for each statement, however many rows it is for.
CREATE FUNCTION keys_come() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kept (of, part, keys)
    SELECT of, abs(hashtext(key) % 16), 256 * count(*) FROM came WHERE state > 0
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (of, part) DO UPDATE SET keys = kept.keys + excluded.keys;
    RETURN NULL;
END
$$;
CREATE FUNCTION keys_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kept (of, part, keys)
    SELECT of, abs(hashtext(key) % 16), -256 * count(*) FROM gone WHERE state > 0
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (of, part) DO UPDATE SET keys = kept.keys + excluded.keys;
    RETURN NULL;
END
$$;
-- A key whose time is over may go from an event to a request, and the other way round.
CREATE FUNCTION keys_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kept (of, part, keys)
    SELECT of, abs(hashtext(key) % 16), 256 * sum(sign) FROM (
        SELECT of, key, 1 AS sign FROM came WHERE state > 0
        UNION ALL SELECT of, key, -1 FROM gone WHERE state > 0) each
    GROUP BY 1, 2 HAVING sum(sign) <> 0 ORDER BY 1, 2
    ON CONFLICT (of, part) DO UPDATE SET keys = kept.keys + excluded.keys;
    RETURN NULL;
END
$$;
CREATE FUNCTION replies_come() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kept (of, part, answers)
    SELECT of, abs(hashtext(invocation::text) % 16), sum(bytes) FROM came WHERE of IS NOT NULL
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (of, part) DO UPDATE SET answers = kept.answers + excluded.answers;
    RETURN NULL;
END
$$;
CREATE FUNCTION replies_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kept (of, part, answers)
    SELECT of, abs(hashtext(invocation::text) % 16), -sum(bytes) FROM gone WHERE of IS NOT NULL
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (of, part) DO UPDATE SET answers = kept.answers + excluded.answers;
    RETURN NULL;
END
$$;
CREATE TRIGGER keys_come AFTER INSERT ON keys REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION keys_come();
CREATE TRIGGER keys_go AFTER DELETE ON keys REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION keys_go();
CREATE TRIGGER keys_change AFTER UPDATE ON keys REFERENCING OLD TABLE AS gone NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION keys_change();
CREATE TRIGGER replies_come AFTER INSERT ON replies REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION replies_come();
CREATE TRIGGER replies_go AFTER DELETE ON replies REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION replies_go();
