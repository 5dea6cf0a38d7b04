//! Waiting: the server tells when a list changes.
//!
//! A connection of its own reads the lengths of the lists and the first due time, and by that asks to be told once of the next change of each
//! (`CLIENT TRACKING` in its default mode), whoever makes it. To look and to ask is one step, so no message is missed; and
//! as nothing else runs on this connection, a busy worker causes no pushes. Where the server or a proxy knows no tracking,
//! the lengths are looked at from time to time instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::{Mutex, broadcast};
use tokio::time::timeout;

use super::RedisStore;
use super::candidates::ASKED;
use super::connection::{CALL_TIMEOUT, Server};
use super::inspect::millis;
use super::scripts::read;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::Wake;

/// How often the lengths are looked at where the server does not tell.
const POLL: Duration = Duration::from_millis(250);

/// The longest pause while the server cannot be reached; drawn anew each time, so that a fleet does not come all at once.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Changes that a sleeper may lag behind; whoever does is woken.
const BACKLOG: usize = 64;

/// The listening connection, shared by all who wait.
#[derive(Debug)]
pub(super) struct Ear {
    server: Arc<Server>,
    hearing: Mutex<Option<Hearing>>,
}

#[derive(Clone, Debug)]
struct Hearing {
    connection: MultiplexedConnection,
    changes: broadcast::Sender<Change>,
    is_broken: Arc<AtomicBool>,
    /// Whether the server tells.
    is_tracking: bool,
}

/// What the server told.
#[derive(Clone, Debug)]
enum Change {
    Keys(Arc<[Vec<u8>]>),
    /// Everything may have changed, or the connection is lost.
    All,
}

impl Change {
    fn of(push: PushInfo) -> Option<Self> {
        match push.kind {
            PushKind::Invalidate => Some(match push.data.into_iter().next().map(read::<Vec<Vec<u8>>>) {
                Some(Ok(keys)) if !keys.is_empty() => Self::Keys(keys.into()),
                _ => Self::All,
            }),
            PushKind::Disconnection => Some(Self::All),
            _ => None,
        }
    }
}

impl Ear {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self { server, hearing: Mutex::default() }
    }

    /// The connection; a new one where there is none that works.
    async fn hearing(&self) -> Result<Hearing, StoreError> {
        let mut slot = self.hearing.lock().await;
        if let Some(hearing) = &*slot
            && !hearing.is_broken.load(Ordering::Relaxed)
        {
            return Ok(hearing.clone());
        }
        let changes = broadcast::Sender::new(BACKLOG);
        let is_broken = Arc::new(AtomicBool::new(false));
        let mut connection = {
            let (changes, is_broken) = (changes.clone(), Arc::clone(&is_broken));
            let on_push = move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    is_broken.store(true, Ordering::Relaxed);
                }
                if let Some(change) = Change::of(push) {
                    // Nobody may be waiting.
                    let _ = changes.send(change);
                }
            };
            self.server.connect(on_push).await?
        };
        let mut track = redis::cmd("CLIENT");
        track.arg("TRACKING").arg("ON");
        let is_tracking = match timeout(CALL_TIMEOUT, connection.send_packed_command(&track)).await {
            Ok(answer) => answer.and_then(Value::extract_error).is_ok(),
            Err(_) => return Err(StoreError::Unreachable(format!("no answer within {CALL_TIMEOUT:?}"))),
        };
        let hearing = Hearing { connection, changes, is_broken, is_tracking };
        *slot = Some(hearing.clone());
        Ok(hearing)
    }
}

impl Hearing {
    /// What there is in these queues, and whether some of it could not be looked at; the next change of each of their keys will
    /// be told.
    async fn look(
        &mut self,
        watch: &Watch,
        due: Option<Timestamp>,
    ) -> Result<(Option<Wake>, Vec<usize>, bool), StoreError> {
        let mut look = redis::pipe();
        let names: Vec<&str> = watch.queues.iter().map(|keys| keys.name.as_str()).collect();
        look.cmd("SMISMEMBER").arg(&watch.paused).arg(&names);
        for keys in &watch.queues {
            look.cmd("LLEN").arg(&keys.ready).cmd("ZCARD").arg(&keys.held);
            look.cmd("ZRANGE").arg(&keys.due).arg(0).arg(0).arg("WITHSCORES").cmd("LLEN").arg(&keys.inbox);
        }
        let looked = timeout(CALL_TIMEOUT, self.connection.send_packed_commands(&look, 0, 1 + 4 * names.len())).await;
        let error = match looked {
            Ok(Ok(answers)) => {
                let is_refused = answers.iter().any(|answer| matches!(answer, Value::ServerError(_)));
                let (wake, ready) = wake(&answers, due);
                return Ok((wake, ready, is_refused));
            }
            Ok(Err(error)) => super::refusal::refusal(&error),
            Err(_) => StoreError::Unreachable(format!("no answer within {CALL_TIMEOUT:?}")),
        };
        self.is_broken.store(true, Ordering::Relaxed);
        Err(error)
    }
}

/// What the answers mean for somebody who knows of a message that is due at `due`, and which queues have something: the answers
/// are which queues are paused, then four a queue.
fn wake(answers: &[Value], due: Option<Timestamp>) -> (Option<Wake>, Vec<usize>) {
    let is_earlier = |first: &Value| first_due(first).is_some_and(|first| due.is_none_or(|due| first < due));
    let mut some = Vec::new();
    let Some((paused, answers)) = answers.split_first() else { return (None, some) };
    let paused = read::<Vec<bool>>(paused.clone()).unwrap_or_default();
    let mut wake = None;
    for (at, answers) in answers.chunks(4).enumerate() {
        let [ready, held, first, inbox] = answers else { continue };
        // What cannot be looked at counts as empty.
        let is_some = |length: &Value| matches!(length, Value::Int(1..));
        if (is_some(ready) || is_some(held)) && paused.get(at) != Some(&true) {
            some.push(at);
            wake = Some(Wake::Ready);
        } else if wake.is_none() && (is_some(inbox) || is_earlier(first)) {
            wake = Some(Wake::Due);
        }
    }
    (wake, some)
}

/// The time of the first entry of an index.
fn first_due(entries: &Value) -> Option<Timestamp> {
    // RESP3 pairs entry and score, RESP2 lists them one after the other.
    match entries {
        Value::Array(entries) => match entries.as_slice() {
            [Value::Array(pair)] => read::<f64>(pair.get(1)?.clone()).ok().map(millis),
            [_, score] => read::<f64>(score.clone()).ok().map(millis),
            _ => None,
        },
        _ => None,
    }
}

/// What somebody waits for.
struct Watch {
    /// The key that tells which queues are paused.
    paused: String,
    queues: Vec<QueueKeys>,
}

impl Watch {
    fn is_any(&self, changed: &[u8]) -> bool {
        self.paused.as_bytes() == changed || self.queues.iter().any(|keys| keys.is_any(changed))
    }
}

/// The keys that tell whether a queue has something.
struct QueueKeys {
    name: QueueName,
    ready: String,
    held: String,
    due: String,
    inbox: String,
}

impl QueueKeys {
    fn is_any(&self, changed: &[u8]) -> bool {
        [&self.ready, &self.held, &self.due, &self.inbox].iter().any(|key| key.as_bytes() == changed)
    }
}

impl RedisStore {
    /// Cancel safe: it moves nothing, and what it has asked for wakes at most the next one for nothing.
    pub(super) async fn wait_for_any(&self, queues: &[QueueName], due: Option<Timestamp>) -> Wake {
        let keys = |queue: &QueueName| QueueKeys {
            name: queue.clone(),
            ready: self.keys.ready(queue),
            held: self.keys.held(queue),
            due: self.keys.due(queue),
            inbox: self.keys.inbox(queue),
        };
        // A queue that nothing can be fetched from is tried again from time to time, whatever seems to lie in it.
        let sound: Vec<_> = queues.iter().filter(|queue| !self.fetching.is_refused(queue)).map(keys).collect();
        let watch = Watch { paused: self.keys.paused(), queues: sound };
        let is_all = watch.queues.len() == queues.len();
        let woken = if watch.queues.is_empty() { Ok(None) } else { self.listen(&watch, due, is_all).await };
        match woken {
            Ok(Some(wake)) => return wake,
            Ok(None) => {}
            Err(error) => tracing::debug!(target: "common::broker", "cannot listen: {error}"),
        }
        pause(LONGEST_PAUSE.mul_f64(0.2 + 0.8 * fastrand::f64())).await;
        Wake::Ready
    }

    /// Nothing when there is nothing to listen to. Where not all can be looked at (`is_all`), it listens for a short while only.
    async fn listen(&self, watch: &Watch, due: Option<Timestamp>, is_all: bool) -> Result<Option<Wake>, StoreError> {
        let mut hearing = self.ear.hearing().await?;
        // Before the look: a change right after it must find us here.
        let mut news = hearing.changes.subscribe();
        loop {
            let (wake, ready, is_refused) = hearing.look(watch, due).await?;
            if watch.queues.len() > ASKED {
                self.candidates.notice(ready.iter().map(|at| &watch.queues[*at].name));
            }
            // Upkeep that was refused would be refused again; the regular beats try.
            if wake == Some(Wake::Ready) || (wake.is_some() && !self.upkeeping.is_any()) {
                return Ok(wake);
            }
            if !hearing.is_tracking {
                pause(POLL).await;
                if !is_all || is_refused {
                    return Ok(Some(Wake::Ready));
                }
                continue;
            }
            let changed = changed(&mut news, watch);
            let is_changed = if is_all && !is_refused {
                changed.await
            } else {
                timeout(LONGEST_PAUSE, changed).await.unwrap_or(false)
            };
            if !is_changed {
                return Ok(Some(Wake::Ready));
            }
        }
    }
}

/// Waits until one of these keys has changed. `false` where the connection is lost, or this one lagged behind: what happened
/// meanwhile shows a fetch.
async fn changed(news: &mut broadcast::Receiver<Change>, watch: &Watch) -> bool {
    loop {
        match news.recv().await {
            Ok(Change::Keys(changed)) => {
                if changed.iter().any(|key| watch.is_any(key)) {
                    return true;
                }
            }
            _ => return false,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "real time, whatever the clock says: it spares the server")]
async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
