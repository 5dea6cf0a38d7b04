//! The scripts, and how they are called and read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Value};

use super::connection::{CallError, LARGE, Link};
use super::limits::{CHUNK_BYTES, LARGEST};
use crate::clock::Timestamp;
use crate::error::StoreError;

/// One script with its name on the server.
#[derive(Debug)]
pub(super) struct Script {
    source: String,
    sha: String,
    /// Whether the server knew it the last time.
    is_known: AtomicBool,
}

impl Script {
    fn new(parts: &[&str]) -> Self {
        let source = parts.concat();
        let sha = redis::Script::new(&source).get_hash().to_owned();
        Self { source, sha, is_known: AtomicBool::new(false) }
    }
}

/// All scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) enqueue: Script,
    pub(super) fetch: Script,
    pub(super) finish: Script,
    pub(super) keep_values: Script,
    pub(super) count_members: Script,
    pub(super) start: Script,
    pub(super) open_group: Script,
    pub(super) group: Script,
    pub(super) stored: Script,
    pub(super) look: Script,
    pub(super) acquire: Script,
    pub(super) renew_slots: Script,
    pub(super) release_slots: Script,
    pub(super) pass: Script,
    pub(super) barrier: Script,
    pub(super) unended: Script,
    pub(super) beat: Script,
    pub(super) idle: Script,
    pub(super) recover: Script,
    pub(super) fleets: Script,
    pub(super) duty: Script,
    pub(super) deregister: Script,
    pub(super) consumers: Script,
    pub(super) silent: Script,
    pub(super) handover: Script,
    pub(super) forget: Script,
    pub(super) tidy: Script,
    pub(super) counts: Script,
    pub(super) dead_letters: Script,
    pub(super) message_info: Script,
    pub(super) holder: Script,
    pub(super) names: Script,
    pub(super) workers: Script,
    pub(super) claims: Script,
    pub(super) pause: Script,
    pub(super) paused: Script,
    pub(super) cancel: Script,
    pub(super) purge: Script,
    pub(super) requeue_dead: Script,
    pub(super) delete: Script,
}

const PRELUDE: &str = include_str!("lua/prelude.lua");
const PLACES: &str = include_str!("lua/places.lua");
const WHEREABOUTS: &str = include_str!("lua/whereabouts.lua");
const PEERS: &str = include_str!("lua/peers.lua");
const LIVE: &str = include_str!("lua/live.lua");
const SHARE: &str = include_str!("lua/share.lua");
const COUNTER: &str = include_str!("lua/counter.lua");
const SLOTS: &str = include_str!("lua/slots.lua");
const KEEP: &str = include_str!("lua/keep.lua");
const COUNT: &str = include_str!("lua/count.lua");
const UPKEEP: &str = include_str!("lua/upkeep.lua");

impl Scripts {
    pub(super) fn new() -> Self {
        let limits = format!("local LARGEST, ROOM = {LARGEST}, {CHUNK_BYTES}\n");
        Self {
            enqueue: Script::new(&[&limits, PRELUDE, PLACES, include_str!("lua/enqueue.lua")]),
            fetch: Script::new(&[&limits, PRELUDE, include_str!("lua/fetch.lua")]),
            finish: Script::new(&[&limits, PRELUDE, PLACES, KEEP, COUNT, include_str!("lua/finish.lua")]),
            keep_values: Script::new(&[&limits, PRELUDE, KEEP, include_str!("lua/keep_values.lua")]),
            count_members: Script::new(&[&limits, PRELUDE, COUNT, include_str!("lua/count_members.lua")]),
            beat: Script::new(&[&limits, PRELUDE, LIVE, PEERS, SHARE, include_str!("lua/beat.lua"), PLACES, UPKEEP]),
            idle: Script::new(&[&limits, PRELUDE, SHARE, include_str!("lua/idle.lua")]),
            fleets: Script::new(&[&limits, PRELUDE, LIVE, include_str!("lua/fleets.lua")]),
            start: Script::new(&[&limits, PRELUDE, include_str!("lua/start.lua")]),
            open_group: Script::new(&[&limits, PRELUDE, include_str!("lua/open_group.lua")]),
            stored: Script::new(&[&limits, PRELUDE, include_str!("lua/stored.lua")]),
            group: Script::new(&[&limits, PRELUDE, include_str!("lua/group.lua")]),
            acquire: Script::new(&[&limits, PRELUDE, COUNTER, SLOTS, include_str!("lua/acquire.lua")]),
            renew_slots: Script::new(&[&limits, PRELUDE, COUNTER, SLOTS, include_str!("lua/renew_slots.lua")]),
            release_slots: Script::new(&[&limits, PRELUDE, COUNTER, SLOTS, include_str!("lua/release_slots.lua")]),
            pass: Script::new(&[&limits, PRELUDE, COUNTER, include_str!("lua/pass.lua")]),
            barrier: Script::new(&[&limits, PRELUDE, COUNTER, include_str!("lua/barrier.lua")]),
            unended: Script::new(&[&limits, PRELUDE, include_str!("lua/unended.lua")]),
            recover: Script::new(&[&limits, PRELUDE, PLACES, include_str!("lua/recover.lua")]),
            duty: Script::new(&[&limits, PRELUDE, SHARE, include_str!("lua/duty.lua")]),
            deregister: Script::new(&[&limits, PRELUDE, include_str!("lua/deregister.lua")]),
            silent: Script::new(&[&limits, PRELUDE, PEERS, include_str!("lua/silent.lua")]),
            consumers: Script::new(&[&limits, PRELUDE, include_str!("lua/consumers.lua")]),
            handover: Script::new(&[&limits, PRELUDE, PLACES, include_str!("lua/handover.lua")]),
            forget: Script::new(&[&limits, PRELUDE, include_str!("lua/forget.lua")]),
            tidy: Script::new(&[&limits, PRELUDE, include_str!("lua/tidy.lua")]),
            counts: Script::new(&[&limits, PRELUDE, include_str!("lua/counts.lua")]),
            dead_letters: Script::new(&[&limits, PRELUDE, include_str!("lua/dead_letters.lua")]),
            message_info: Script::new(&[&limits, PRELUDE, PLACES, WHEREABOUTS, include_str!("lua/message_info.lua")]),
            look: Script::new(&[&limits, PRELUDE, PLACES, WHEREABOUTS, include_str!("lua/look.lua")]),
            holder: Script::new(&[&limits, PRELUDE, include_str!("lua/holder.lua")]),
            names: Script::new(&[&limits, PRELUDE, include_str!("lua/names.lua")]),
            workers: Script::new(&[&limits, PRELUDE, include_str!("lua/workers.lua")]),
            claims: Script::new(&[&limits, PRELUDE, include_str!("lua/claims.lua")]),
            pause: Script::new(&[&limits, PRELUDE, include_str!("lua/pause.lua")]),
            paused: Script::new(&[&limits, PRELUDE, include_str!("lua/paused.lua")]),
            cancel: Script::new(&[&limits, PRELUDE, PLACES, include_str!("lua/cancel.lua")]),
            purge: Script::new(&[&limits, PRELUDE, PLACES, include_str!("lua/purge.lua")]),
            requeue_dead: Script::new(&[&limits, PRELUDE, PLACES, include_str!("lua/requeue_dead.lua")]),
            delete: Script::new(&[&limits, PRELUDE, include_str!("lua/delete.lua")]),
        }
    }
}

/// The longest time that the server is told of: it refuses what, counted from now, lies beyond the end of its calendar. A
/// thousand years.
const LONGEST: Duration = Duration::from_secs(1_000 * 365 * 24 * 60 * 60);

/// One call of a script, with arguments still to come.
#[derive(Debug)]
pub(super) struct Call<'a> {
    script: &'a Script,
    command: Cmd,
    /// How many bytes its bodies take.
    size: usize,
}

impl<'a> Call<'a> {
    /// `now` is empty in production: the script asks the server then.
    pub(super) fn new(script: &'a Script, namespace: &str, now: &str) -> Self {
        let mut command = Cmd::new();
        command.arg("EVALSHA").arg(&script.sha).arg(1).arg(namespace).arg(now);
        Self { script, command, size: 0 }
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.command.arg(text);
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.size += bytes.len();
        self.command.arg(bytes);
        self
    }

    pub(super) fn number(&mut self, number: impl Into<i64>) -> &mut Self {
        self.command.arg(number.into());
        self
    }

    /// In milliseconds, up to [`LONGEST`].
    pub(super) fn duration(&mut self, duration: Duration) -> &mut Self {
        self.command.arg(u64::try_from(duration.min(LONGEST).as_millis()).unwrap_or(u64::MAX));
        self
    }

    pub(super) fn count(&mut self, count: usize) -> &mut Self {
        self.command.arg(count);
        self
    }

    /// Runs it. A server that does not know the script learns it: nothing ran then, so repeating is safe. It learns and runs it
    /// in one step, as somebody may make it forget all scripts at any time.
    pub(super) async fn run<T: FromRedisValue>(&self, link: &Link) -> Result<T, CallError> {
        let is_known = &self.script.is_known;
        if self.size >= LARGE && !is_known.load(Ordering::Relaxed) {
            // To send them in vain takes long on a slow network. Whoever may not do this still may run it.
            let _ = link.call(redis::cmd("SCRIPT").arg("LOAD").arg(&self.script.source)).await;
        }
        let answer = match link.call_with(&self.command, self.size).await {
            Err(CallError::NoScript) => link.call_with(&self.with_source(), self.size).await?,
            answer => answer?,
        };
        is_known.store(true, Ordering::Relaxed);
        read(answer).map_err(CallError::Lost)
    }

    /// The same call, with the script's text instead of its name.
    fn with_source(&self) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(&self.script.source);
        for argument in self.command.args_iter().skip(2) {
            match argument {
                redis::Arg::Simple(bytes) => command.arg(bytes),
                _ => &mut command,
            };
        }
        command
    }
}

/// Reads an answer, or a part of one.
pub(super) fn read<T: FromRedisValue>(value: Value) -> Result<T, StoreError> {
    T::from_redis_value(value).map_err(|error| StoreError::Refused(format!("an answer of another shape: {error}")))
}

/// A score as a time.
#[expect(clippy::cast_possible_truncation, reason = "scores are whole milliseconds, or foreign")]
pub(super) fn millis(score: f64) -> Timestamp {
    Timestamp::from_millis(score as i64)
}
