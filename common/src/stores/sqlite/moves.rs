//! How a message gets from place to place, inside of a transaction.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::clock::Timestamp;
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::PRIORITIES;
use crate::stores::shared::blame::Note;

/// A query for what [`Held::read`] reads, with the rest of it.
macro_rules! select_held {
    ($rest:literal) => {
        concat!(
            "SELECT messages.seq, messages.queue, messages.id, priority, due, worker, mark, crashes, started, started_at, \
             cancelled",
            $rest
        )
    };
}
pub(super) use select_held;

/// A message as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Record {
    queue: QueueName,
    id: String,
    built: i64,
    pub(super) body: Vec<u8>,
    priority: i32,
    due: Option<i64>,
}

impl Record {
    /// A message that is enqueued.
    pub(super) fn new(message: &Message, now: Timestamp) -> Self {
        let due = message.eta(now).filter(|due| *due > now).map(Timestamp::as_millis);
        Self {
            queue: message.queue_name.clone(),
            id: message.message_id.to_string(),
            built: message.message_timestamp.as_millis(),
            body: message.encode(),
            priority: message.priority().clamp(*PRIORITIES.start(), *PRIORITIES.end()),
            due,
        }
    }

    /// A message that moves on, to be ready or held until a time.
    pub(super) fn moved(message: &Message, due: Option<Timestamp>, now: Timestamp) -> Self {
        let mut message = message.clone();
        message.set_eta(due.filter(|due| *due > now));
        Self::new(&message, now)
    }
}

/// The store's name for a message.
pub(super) fn name(id: &str, seq: i64) -> String {
    format!("{id}@{seq}")
}

/// The id and the row that a name stands for.
pub(super) fn parts(name: &str) -> Option<(&str, i64)> {
    let (id, seq) = name.rsplit_once('@')?;
    Some((id, seq.parse().ok()?))
}

/// One namespace's queues inside of a transaction: their numbers, and where their ends are.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a Connection,
    pub(super) namespace: &'a str,
    numbers: HashMap<QueueName, i64>,
    /// The last rank of each queue and priority.
    tails: HashMap<(i64, i32), i64>,
    /// Something was added that nobody can know of yet: it is ready where nothing was, or is held.
    pub(super) has_news: bool,
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a Connection, namespace: &'a str) -> Self {
        Self { connection, namespace, numbers: HashMap::new(), tails: HashMap::new(), has_news: false }
    }

    /// The number of a queue that may not exist.
    pub(super) fn find_queue(&self, name: &QueueName) -> rusqlite::Result<Option<i64>> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(Some(*number));
        }
        let mut find = self.connection.prepare_cached("SELECT id FROM queues WHERE namespace = ? AND name = ?")?;
        find.query_row(params![self.namespace, name.as_str()], |row| row.get(0)).optional()
    }

    /// The number of a queue, which exists from then on.
    pub(super) fn queue(&mut self, name: &QueueName) -> rusqlite::Result<i64> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = if let Some(number) = self.find_queue(name)? {
            number
        } else {
            let mut make = self.connection.prepare_cached("INSERT INTO queues (namespace, name) VALUES (?, ?)")?;
            make.insert(params![self.namespace, name.as_str()])?
        };
        self.numbers.insert(name.clone(), number);
        Ok(number)
    }

    /// A rank behind all that are ready.
    fn tail(&mut self, queue: i64, priority: i32) -> rusqlite::Result<i64> {
        if let Some(last) = self.tails.get_mut(&(queue, priority)) {
            *last += 1;
            return Ok(*last);
        }
        let mut last = self.connection.prepare_cached(
            "SELECT rank FROM messages WHERE queue = ? AND priority = ? AND worker IS NULL AND due IS NULL
             ORDER BY rank DESC LIMIT 1",
        )?;
        let last: Option<i64> = last.query_row(params![queue, priority], |row| row.get(0)).optional()?;
        self.has_news |= last.is_none();
        let rank = last.unwrap_or(0) + 1;
        self.tails.insert((queue, priority), rank);
        Ok(rank)
    }

    /// A rank before all that are ready.
    fn head(&self, queue: i64, priority: i32) -> rusqlite::Result<i64> {
        let mut first = self.connection.prepare_cached(
            "SELECT rank FROM messages WHERE queue = ? AND priority = ? AND worker IS NULL AND due IS NULL
             ORDER BY rank LIMIT 1",
        )?;
        let first: Option<i64> = first.query_row(params![queue, priority], |row| row.get(0)).optional()?;
        Ok(first.unwrap_or(0) - 1)
    }

    /// Stores a message, unless the same bytes are there under its id.
    pub(super) fn put(&mut self, record: &Record) -> rusqlite::Result<()> {
        let queue = self.queue(&record.queue)?;
        let mut same = self
            .connection
            .prepare_cached("SELECT 1 FROM messages WHERE built = ? AND id = ? AND queue = ? AND body = ?")?;
        if same.exists(params![record.built, record.id, queue, record.body])? {
            Ok(())
        } else {
            self.add(record).map(drop)
        }
    }

    /// Stores a message that comes from another place, whatever else is there. Returns its row.
    pub(super) fn add(&mut self, record: &Record) -> rusqlite::Result<i64> {
        let Record { id, built, body, priority, due, .. } = record;
        let queue = self.queue(&record.queue)?;
        let rank = if due.is_none() { self.tail(queue, *priority)? } else { 0 };
        self.has_news |= due.is_some();
        let mut put = self.connection.prepare_cached(
            "INSERT INTO messages (queue, id, built, body, priority, rank, due) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?;
        put.insert(params![queue, id, built, body, priority, rank, due])
    }

    /// The message that lies under a name.
    pub(super) fn held(&self, queue: i64, name: &str) -> rusqlite::Result<Option<Held>> {
        let Some((id, seq)) = parts(name) else { return Ok(None) };
        let mut held =
            self.connection.prepare_cached(select_held!(" FROM messages WHERE seq = ? AND id = ? AND queue = ?"))?;
        held.query_row(params![seq, id, queue], Held::read).optional()
    }

    /// Keeps a value until a time, in place of what was there.
    pub(super) fn keep(&self, key: &str, value: &[u8], until: Timestamp) -> rusqlite::Result<()> {
        let mut keep = self.connection.prepare_cached(
            "INSERT INTO stored (namespace, key, value, until) VALUES (?, ?, ?, ?)
             ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, until = excluded.until",
        )?;
        keep.execute(params![self.namespace, key, value, until.as_millis()])?;
        Ok(())
    }

    /// Gives a claimed message back, to the head of its priority.
    pub(super) fn release(&self, message: &Held) -> rusqlite::Result<()> {
        let rank = self.head(message.queue, message.priority)?;
        let mut back = self
            .connection
            .prepare_cached("UPDATE messages SET worker = NULL, started = NULL, rank = ? WHERE seq = ?")?;
        back.execute(params![rank, message.seq])?;
        Ok(())
    }

    /// Keeps what is known of the deaths of a message's workers.
    pub(super) fn note(&self, seq: i64, note: Note) -> rusqlite::Result<()> {
        let mark = match note {
            Note::Nothing => 0,
            Note::Spared => 1,
            Note::Marked(_) => 2,
            Note::PassedOver(_) => 3,
        };
        let mut write = self.connection.prepare_cached("UPDATE messages SET mark = ?, crashes = ? WHERE seq = ?")?;
        write.execute(params![mark, note.crashes(), seq])?;
        Ok(())
    }

    /// Makes a held message ready, behind all others.
    pub(super) fn promote(&mut self, seq: i64, queue: i64, priority: i32) -> rusqlite::Result<()> {
        let rank = self.tail(queue, priority)?;
        let mut promote = self.connection.prepare_cached("UPDATE messages SET due = NULL, rank = ? WHERE seq = ?")?;
        promote.execute(params![rank, seq])?;
        Ok(())
    }

    /// Takes a message out of its place.
    pub(super) fn remove(&self, seq: i64) -> rusqlite::Result<()> {
        self.connection.prepare_cached("DELETE FROM messages WHERE seq = ?")?.execute([seq])?;
        Ok(())
    }

    /// Moves a message to the dead letters, as these bytes; its worker has made its end, or it is still to be made.
    pub(super) fn dead_letter(
        &self,
        message: &Held,
        body: &[u8],
        reason: &str,
        now: Timestamp,
        is_ended: bool,
    ) -> rusqlite::Result<()> {
        self.remove(message.seq)?;
        let mut dead_letter = self
            .connection
            .prepare_cached("INSERT INTO dead (queue, id, body, reason, died, unended) VALUES (?, ?, ?, ?, ?, ?)")?;
        dead_letter.execute(params![message.queue, message.id, body, reason, now.as_millis(), !is_ended])?;
        Ok(())
    }

    /// The same as it is stored; no worker has made its end.
    pub(super) fn dead_letter_unread(&self, message: &Held, reason: &str, now: Timestamp) -> rusqlite::Result<()> {
        let mut dead_letter = self.connection.prepare_cached(
            "INSERT INTO dead (queue, id, body, reason, died, unended)
             SELECT queue, id, body, ?, ?, 1 FROM messages WHERE seq = ?",
        )?;
        dead_letter.execute(params![reason, now.as_millis(), message.seq])?;
        self.remove(message.seq)
    }
}

/// Makes the end of a dead letter, if it still is to be made.
pub(super) fn end_letter(tx: &Tx<'_>, queue: i64, name: &str) -> rusqlite::Result<bool> {
    let Some((id, seq)) = parts(name) else { return Ok(false) };
    let mut end = tx
        .connection
        .prepare_cached("UPDATE dead SET unended = 0 WHERE seq = ? AND id = ? AND queue = ? AND unended")?;
    Ok(end.execute(params![seq, id, queue])? == 1)
}

/// What two columns say of the deaths of a message's workers.
pub(super) fn note(mark: i32, crashes: u32) -> Note {
    match mark {
        0 => Note::Nothing,
        1 => Note::Spared,
        2 => Note::Marked(crashes),
        _ => Note::PassedOver(crashes),
    }
}

/// A message that is there. Its body, which may be large, stays where it is.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) seq: i64,
    pub(super) queue: i64,
    pub(super) id: String,
    pub(super) priority: i32,
    pub(super) due: Option<i64>,
    pub(super) worker: Option<i64>,
    pub(super) note: Note,
    /// The worker that has recorded its start.
    pub(super) started: Option<i64>,
    /// And when.
    pub(super) started_at: Option<i64>,
    pub(super) cancelled: Option<String>,
}

impl Held {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get("seq")?,
            queue: row.get("queue")?,
            id: row.get("id")?,
            priority: row.get("priority")?,
            due: row.get("due")?,
            worker: row.get("worker")?,
            note: note(row.get("mark")?, row.get("crashes")?),
            started: row.get("started")?,
            started_at: row.get("started_at")?,
            cancelled: row.get("cancelled")?,
        })
    }
}
