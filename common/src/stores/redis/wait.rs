//! Waiting: the server tells when a list changes.
//!
//! A connection of its own reads the lengths of the lists, and by that asks to be told once of the next change of each
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
use super::connection::{CALL_TIMEOUT, Server};
use super::refusal::refusal;
use super::scripts::read;
use crate::error::StoreError;
use crate::queue_name::QueueName;

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

    fn concerns(&self, keys: &[String]) -> bool {
        match self {
            Self::Keys(changed) => changed
                .iter()
                .any(|changed| keys.iter().any(|key| key.as_bytes() == changed)),
            Self::All => true,
        }
    }
}

impl Ear {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self {
            server,
            hearing: Mutex::default(),
        }
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
        let hearing = Hearing {
            connection,
            changes,
            is_broken,
            is_tracking,
        };
        *slot = Some(hearing.clone());
        Ok(hearing)
    }
}

impl Hearing {
    /// Whether any of these lists and sorted sets (in turn) has something; the next change of each will be told.
    async fn is_any(&mut self, keys: &[String]) -> Result<bool, StoreError> {
        let mut look = redis::pipe();
        for pair in keys.chunks(2) {
            for (length, key) in ["LLEN", "ZCARD"].into_iter().zip(pair) {
                look.cmd(length).arg(key);
            }
        }
        let answer = timeout(CALL_TIMEOUT, self.connection.send_packed_commands(&look, 0, keys.len())).await;
        let Ok(Ok(lengths)) = answer else {
            self.is_broken.store(true, Ordering::Relaxed);
            return Err(match answer {
                Ok(Err(error)) => refusal(&error),
                _ => StoreError::Unreachable(format!("no answer within {CALL_TIMEOUT:?}")),
            });
        };
        let mut is_any = false;
        for length in lengths {
            is_any |= length.extract_error().map_err(|error| refusal(&error))? != Value::Int(0);
        }
        Ok(is_any)
    }
}

impl RedisStore {
    /// Cancel safe: it moves nothing, and what it has asked for wakes at most the next one for nothing.
    pub(super) async fn wait_for_any(&self, queues: &[QueueName]) {
        let keys: Vec<String> = queues
            .iter()
            .flat_map(|queue| [self.keys.ready(queue), self.keys.held(queue)])
            .collect();
        if let Err(error) = self.listen(&keys).await {
            tracing::debug!("cannot listen: {error}");
            pause(LONGEST_PAUSE.mul_f64(0.2 + 0.8 * fastrand::f64())).await;
        }
    }

    async fn listen(&self, keys: &[String]) -> Result<(), StoreError> {
        let mut hearing = self.ear.hearing().await?;
        // Before the look: a change right after it must find us here.
        let mut changes = hearing.changes.subscribe();
        while !hearing.is_any(keys).await? {
            if !hearing.is_tracking {
                pause(POLL).await;
                continue;
            }
            loop {
                match changes.recv().await {
                    Ok(change) if !change.concerns(keys) => {}
                    _ => return Ok(()),
                }
            }
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "real time, whatever the clock says: it spares the server"
)]
async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
