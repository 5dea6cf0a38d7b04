-- A database as the first version of the tables had it, with messages in every place.
PRAGMA journal_mode = WAL;
PRAGMA application_id = 1111970891;
PRAGMA user_version = 1;

CREATE TABLE queues (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    UNIQUE (namespace, name)
) STRICT;

CREATE TABLE workers (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    beat INTEGER NOT NULL,
    queues TEXT NOT NULL,
    UNIQUE (namespace, name)
) STRICT;

CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue INTEGER NOT NULL,
    id TEXT NOT NULL,
    built INTEGER NOT NULL,
    body BLOB NOT NULL,
    priority INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    due INTEGER,
    worker INTEGER,
    crashes INTEGER NOT NULL DEFAULT 0,
    cancelled TEXT
) STRICT;
CREATE INDEX ids ON messages (built, id);
CREATE INDEX ready ON messages (queue, priority, rank) WHERE worker IS NULL AND due IS NULL;
CREATE INDEX held ON messages (queue, due, seq) WHERE due IS NOT NULL;
CREATE INDEX claimed ON messages (worker) WHERE worker IS NOT NULL;

CREATE TABLE dead (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue INTEGER NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    reason TEXT NOT NULL,
    died INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_by_time ON dead (queue, died, seq);
CREATE INDEX dead_ids ON dead (id);

CREATE TABLE stored (
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (namespace, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX stored_by_time ON stored (until);

-- `begin N` under the id `m-N`, for N = 1 to 7, all in a queue of which a worker has died.
INSERT INTO queues VALUES (1, 'dramatiq', 'default', 0);
INSERT INTO workers VALUES (1, 'dramatiq', 'gone', 1795485700000, '["default"]');

CREATE TEMP TABLE bodies AS WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 7)
    SELECT n, CAST('{"queue_name":"default","actor_name":"begin","args":[' || n || '],"kwargs":{},"options":{},"message_id":"m-'
        || n || '","message_timestamp":1795485700331}' AS BLOB) AS body FROM numbers;

-- 1 and 2 are ready, 3 is due, 4 is delayed for a century; 5 and 6 are claimed, and one worker has died with 6 before.
INSERT INTO messages (queue, id, built, body, priority, rank, due, worker, crashes)
    SELECT 1, 'm-' || n, 1795485700331, body, 0, n,
        CASE n WHEN 3 THEN 1795485700331 WHEN 4 THEN 4951159300331 END, CASE WHEN n IN (5, 6) THEN 1 END, n = 6
    FROM bodies WHERE n < 7;
INSERT INTO dead (queue, id, body, reason, died) SELECT 1, 'm-7', body, 'it failed', 4951159300331 FROM bodies WHERE n = 7;
INSERT INTO stored VALUES ('dramatiq', 'result', CAST('{"ok":1}' AS BLOB), 4951159300331);
DROP TABLE bodies;
