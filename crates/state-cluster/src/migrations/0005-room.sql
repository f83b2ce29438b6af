-- What the keys of a function's requests (512 bytes each) and the answers kept for them take, in bytes. In parts, because
-- who adds to a row keeps others from it until the commit.
CREATE TABLE kept (
    of    bigint NOT NULL,
    part  smallint NOT NULL,
    bytes bigint NOT NULL,
    PRIMARY KEY (of, part)
) WITH (fillfactor = 50);

-- The function of an answer, and what it takes.
ALTER TABLE replies ADD COLUMN of bigint;
ALTER TABLE replies ADD COLUMN bytes bigint NOT NULL DEFAULT 0;

UPDATE replies SET of = k.of, bytes = octet_length(head) + octet_length(body)
    FROM keys k WHERE k.invocation = replies.invocation AND k.state = 2;
INSERT INTO kept SELECT of, 0, sum(bytes) FROM (
    SELECT of, 512 AS bytes FROM keys WHERE state > 0
    UNION ALL SELECT of, bytes FROM replies WHERE of IS NOT NULL) each GROUP BY of;

CREATE FUNCTION count_kept(of bigint, what text, bytes bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO kept VALUES ($1, abs(hashtext($2) % 16), $3)
    ON CONFLICT (of, part) DO UPDATE SET bytes = kept.bytes + excluded.bytes
$$;
CREATE FUNCTION key_comes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_kept(new.of, new.key, 512);
    RETURN NULL;
END
$$;
CREATE FUNCTION key_goes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_kept(old.of, old.key, -512);
    RETURN NULL;
END
$$;
CREATE FUNCTION reply_comes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_kept(new.of, new.invocation::text, new.bytes);
    RETURN NULL;
END
$$;
CREATE FUNCTION reply_goes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_kept(old.of, old.invocation::text, -old.bytes);
    RETURN NULL;
END
$$;
CREATE TRIGGER keys_come AFTER INSERT ON keys
    FOR EACH ROW WHEN (new.state > 0) EXECUTE FUNCTION key_comes();
CREATE TRIGGER keys_go AFTER DELETE ON keys
    FOR EACH ROW WHEN (old.state > 0) EXECUTE FUNCTION key_goes();
-- A key whose time is over may go from an event to a request, and the other way round.
CREATE TRIGGER keys_change_to AFTER UPDATE ON keys
    FOR EACH ROW WHEN (old.state = 0 AND new.state > 0) EXECUTE FUNCTION key_comes();
CREATE TRIGGER keys_change_from AFTER UPDATE ON keys
    FOR EACH ROW WHEN (old.state > 0 AND new.state = 0) EXECUTE FUNCTION key_goes();
CREATE TRIGGER replies_come AFTER INSERT ON replies
    FOR EACH ROW EXECUTE FUNCTION reply_comes();
CREATE TRIGGER replies_go AFTER DELETE ON replies
    FOR EACH ROW WHEN (old.of IS NOT NULL) EXECUTE FUNCTION reply_goes();
