-- What the keys of a function's requests (256 bytes each) and the answers kept for them take, in bytes.
ALTER TABLE functions ADD COLUMN keys INTEGER NOT NULL DEFAULT 0;
ALTER TABLE functions ADD COLUMN answers INTEGER NOT NULL DEFAULT 0;
-- The function of an answer, and what it takes.
ALTER TABLE replies ADD COLUMN of INTEGER REFERENCES functions (number);
ALTER TABLE replies ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;

UPDATE replies SET of = k.of, bytes = octet_length(head) + length(body)
    FROM keys k WHERE k.invocation = replies.invocation AND k.state = 2;
UPDATE functions SET keys = k.bytes FROM
    (SELECT of, 256 * count(*) AS bytes FROM keys WHERE state > 0 GROUP BY of) k
    WHERE k.of = functions.number;
UPDATE functions SET answers = r.bytes FROM
    (SELECT of, sum(bytes) AS bytes FROM replies WHERE of NOT NULL GROUP BY of) r
    WHERE r.of = functions.number;

CREATE TRIGGER keys_come AFTER INSERT ON keys WHEN new.state > 0 BEGIN
    UPDATE functions SET keys = keys + 256 WHERE number = new.of;
END;
CREATE TRIGGER keys_go AFTER DELETE ON keys WHEN old.state > 0 BEGIN
    UPDATE functions SET keys = keys - 256 WHERE number = old.of;
END;
-- A key whose time is over may go from an event to a request, and the other way round.
CREATE TRIGGER keys_change AFTER UPDATE OF state ON keys WHEN (old.state > 0) <> (new.state > 0) BEGIN
    UPDATE functions SET keys = keys + CASE WHEN new.state > 0 THEN 256 ELSE -256 END WHERE number = new.of;
END;
CREATE TRIGGER replies_come AFTER INSERT ON replies BEGIN
    UPDATE functions SET answers = answers + new.bytes WHERE number = new.of;
END;
CREATE TRIGGER replies_go AFTER DELETE ON replies WHEN old.of NOT NULL BEGIN
    UPDATE functions SET answers = answers - old.bytes WHERE number = old.of;
END;

-- Of requests that run; for the keys that a process leaves behind that ends.
CREATE INDEX keys_running ON keys (of) WHERE state = 1;
