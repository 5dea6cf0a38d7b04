//! The tables, and how older ones become them.
//!
//! | table | content |
//! | --- | --- |
//! | `queues` | a number for each queue of each namespace, and whether it is paused |
//! | `workers` | who is registered, the last beat, the queues as JSON, and the rows that had not started then, as JSON |
//! | `messages` | all that is ready (neither `due` nor `worker`), held (`due`) or claimed (`worker`) |
//! | `dead` | dead letters, and whether the end of one is still to be made |
//! | `stored` | results, and until when |
//! | `groups` | how many of a group are left and have failed, and until when it is kept; and barriers |
//! | `members` | what is known of those that have ended, as a sum: 1 where it counted, 2 where it failed, 4 where it was the last one; all without a number are -1 |
//! | `holders` | who holds a slot of a limit, and until when |
//! | `fences` | the last number that was given with a slot of a limit, for a while |
//! | `hits` | how often something has happened, by limit and the bucket (in milliseconds) or second that began then, for a while |
//!
//! A message is one row from its enqueueing to its end, so it is in one place by construction. Each place has an index of
//! its own that holds nothing else.
//!
//! Ids are random, and an index of them would have each message touch a page of its own: measured, that costs two thirds of all
//! speed. So the store's name for a message is its id and its row, `ID@SEQ`; a repeated message is found by the time when it was
//! built, which grows, and its id; and whoever looks for an id alone walks through that index.
//! A row's number is never used again, or the late end of an old claim would meet a new one.

use rusqlite::Connection;

/// The version of these tables.
pub(super) const VERSION: i32 = 6;

const FIRST: &str = "
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
";

/// What is known of deaths (`stores/shared/blame.rs`): `mark` is 1 where a message was spared, 2 where it is marked; `started` is the
/// worker that has recorded its start.
const SECOND: &str = "
ALTER TABLE messages ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN started INTEGER;
ALTER TABLE workers ADD COLUMN waiting TEXT;
UPDATE messages SET mark = 2 WHERE crashes > 0;
";

/// Which of the starts of a dead worker count: when each was recorded, and the last one. A `mark` of 3 says that the last death was
/// not counted.
const THIRD: &str = "
ALTER TABLE messages ADD COLUMN started_at INTEGER;
ALTER TABLE workers ADD COLUMN last_start INTEGER;
";

/// Dead letters whose end is still to be made.
const FOURTH: &str = "
ALTER TABLE dead ADD COLUMN unended INTEGER NOT NULL DEFAULT 0;
CREATE INDEX unended ON dead (queue) WHERE unended;
";

const FIFTH: &str = "
CREATE TABLE groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    left INTEGER NOT NULL,
    failed INTEGER NOT NULL DEFAULT 0,
    until INTEGER NOT NULL,
    UNIQUE (namespace, name)
) STRICT;
CREATE INDEX groups_by_time ON groups (until);

CREATE TABLE members (
    of INTEGER NOT NULL,
    number INTEGER NOT NULL,
    state INTEGER NOT NULL,
    PRIMARY KEY (of, number)
) STRICT, WITHOUT ROWID;
";

const SIXTH: &str = "
CREATE TABLE holders (
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    token TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (namespace, key, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX holders_by_time ON holders (until);

CREATE TABLE fences (
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    last INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (namespace, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX fences_by_time ON fences (until);

CREATE TABLE hits (
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (namespace, key, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX hits_by_time ON hits (until);
";

/// Brings the tables of a version, 0 for none, to [`VERSION`]; inside of the caller's transaction.
pub(super) fn migrate(connection: &Connection, from: i32) -> rusqlite::Result<()> {
    if from < 1 {
        connection.execute_batch(FIRST)?;
    }
    if from < 2 {
        connection.execute_batch(SECOND)?;
    }
    if from < 3 {
        connection.execute_batch(THIRD)?;
    }
    if from < 4 {
        connection.execute_batch(FOURTH)?;
    }
    if from < 5 {
        connection.execute_batch(FIFTH)?;
    }
    if from < 6 {
        connection.execute_batch(SIXTH)?;
    }
    Ok(())
}
