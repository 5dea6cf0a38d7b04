//! The thread that writes.
//!
//! Calls that wait for the lock are committed together: each is a savepoint of its own, so one that
//! is refused does not touch its neighbours, and one commit serves them all. A call that was handed over runs to its end,
//! whether or not anybody waits for it.

mod line;
mod log;

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;

use self::line::{Line, Patience};
use self::log::Log;
use super::bell::Bell;
use super::database::{BUSY_TIMEOUT, is_busy};
use super::error::{TxError, from_sqlite};
use super::files::Files;
use super::posted::{Posted, Waited, Work, refuse};
use crate::clock::Stopwatch;
use crate::error::StoreError;

/// After so long without a call, a long log is worked into the database.
const IDLE: Duration = Duration::from_millis(300);

/// How often, while the lock is waited for, it is looked whether there is still something to write.
const GLANCE_EVERY: Duration = Duration::from_millis(10);

pub(super) struct Writer {
    connection: Connection,
    line: Line,
    patience: Patience,
    files: Files,
    bell: Bell,
    log: Log,
    waited: Waited,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        posted: Receiver<Posted>,
        files: Files,
        bell: Bell,
        waited: Waited,
    ) -> Self {
        let log = Log::new(files.path.clone());
        Self { connection, line: Line::new(posted), patience: Patience::default(), files, bell, log, waited }
    }

    pub(super) fn serve(&mut self) {
        let mut is_tidy = true;
        loop {
            match self.line.wait((!is_tidy).then_some(IDLE)) {
                Ok(()) => {
                    self.commit();
                    self.log.watch(&self.connection);
                    is_tidy = false;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.log.tidy(&self.connection);
                    is_tidy = true;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Runs what waits in one transaction; what fails together is tried once more, each by itself.
    fn commit(&mut self) {
        let was_lost = self.files.lost.is_some();
        if let Err(error) = self.files.check() {
            if !was_lost {
                tracing::error!(target: "common::broker", "{error}");
            }
            return refuse(self.line.take_all(), &error);
        }
        match self.begin() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return refuse(self.line.take_all(), &error),
        }
        let calls = self.line.take();
        let is_first_try = calls.iter().all(|call| !call.is_alone);
        let is_one = calls.len() == 1;
        let Err((calls, error)) = self.transact(calls) else { return };
        // What the log lies on may be what there is no room for.
        let has_room = matches!(error, StoreError::Full(_)) && self.log.shorten(&self.connection);
        // Where the file is damaged, none may try.
        if is_first_try && (!is_one || has_room) && self.files.lost.is_none() {
            self.line.put_back(calls);
        } else {
            refuse(calls, &error);
        }
    }

    /// Begins a transaction once nobody else writes. False where nobody waits any more: all have waited for too long.
    fn begin(&mut self) -> Result<bool, StoreError> {
        let mut beats_since = self.line.has_beat().then(Stopwatch::start);
        let mut tries = 0;
        let mut glanced = None;
        let begun = loop {
            let answer = self.connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([]));
            match answer {
                Ok(_) => break Ok(true),
                Err(error) if is_busy(&error) => {}
                Err(error) => break Err(from_sqlite(&error)),
            }
            tries += 1;
            self.line.gather();
            for late in self.line.take_older(BUSY_TIMEOUT) {
                let seconds = late.since.elapsed().as_secs_f64();
                late.work.end(Err(StoreError::Busy(format!(
                    "another process has held the write lock of {} for {seconds:.1} s; is it stopped?",
                    self.files.path.display(),
                ))));
            }
            if glanced.is_none_or(|last: Stopwatch| last.elapsed() > GLANCE_EVERY) {
                glanced = Some(Stopwatch::start());
                for void in self.line.take_void(&self.connection) {
                    void.work.end(Ok(()));
                }
            }
            if self.line.is_empty() {
                break Ok(false);
            }
            self.line.pause(self.patience.pause(tries, self.line.has_beat()));
            beats_since = beats_since.or_else(|| self.line.has_beat().then(Stopwatch::start));
        };
        if let Some(since) = beats_since.filter(|_| tries > 0) {
            self.waited.add(since.elapsed());
        }
        self.patience.learn(tries);
        begun
    }

    /// Does the calls, and commits. Requeues those that have not ended by it.
    fn transact(&mut self, calls: Vec<Posted>) -> Result<(), (Vec<Posted>, StoreError)> {
        let (mut ran, mut refused) = (Vec::new(), Vec::new());
        let mut calls = calls.into_iter();
        let mut broken = None;
        for mut call in calls.by_ref() {
            match self.attempt(&mut *call.work) {
                Ok(()) => ran.push(call),
                // SQLite has rolled back everything by itself.
                Err(trouble) if self.connection.is_autocommit() => {
                    ran.push(call);
                    broken = Some(StoreError::from(trouble));
                    break;
                }
                // Nothing more is written to a file that is damaged.
                Err(trouble) if trouble.is_damage() => {
                    let error = StoreError::from(trouble);
                    self.files.lost = Some(error.clone());
                    ran.push(call);
                    broken = Some(error);
                    break;
                }
                Err(trouble) => refused.push((call, StoreError::from(trouble))),
            }
        }
        let broken = broken.or_else(|| self.connection.execute_batch("COMMIT").err().map(|error| from_sqlite(&error)));
        if let Some(error) = broken {
            if !self.connection.is_autocommit() {
                // If even that fails, the next beginning says why.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            ran.extend(refused.into_iter().map(|(call, _)| call));
            ran.extend(calls);
            return Err((ran, error));
        }
        self.bell.ring_if_asked();
        for (call, error) in refused {
            call.work.end(Err(error));
        }
        for call in ran {
            call.work.end(Ok(()));
        }
        Ok(())
    }

    /// Runs one call as a whole or not at all.
    fn attempt(&self, call: &mut dyn Work) -> Result<(), TxError> {
        self.connection.prepare_cached("SAVEPOINT call")?.execute([])?;
        let ran = call.run(&self.connection);
        if ran.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK TO call; RELEASE call")?;
        } else if ran.is_ok() {
            self.connection.prepare_cached("RELEASE call")?.execute([])?;
        }
        ran
    }
}

#[cfg(test)]
mod tests;
