//! Connections to one server, made anew when they break.
//!
//! The client crate notices neither a half-open connection nor a server that does not answer, and repeats nothing by
//! itself; so the rules are here. Each call is limited: not in its time, but in how long nothing may move on its connection
//! meanwhile (`traffic.rs`). A call that may have run is never repeated. A connection is thrown away when it breaks, when it
//! was silent for too long under a call, and when its server became a replica; the next call makes a new one, and others
//! wait for that. (Not only after several such calls: a worker that waits makes one a second, and has to be back within five.)
//!
//! On one connection, an answer waits for all of those before it. What must be quick whatever else is under way, a worker's
//! beat, therefore goes over another one ([`Link`]) than what may be large; it is made when it is first used, so who only
//! sends has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{Cmd, ErrorKind, PushKind, ServerErrorKind, Value};
use tokio::sync::Mutex;

use super::error::{READONLY, refusal};
use super::line::{Line, silence};
use super::server::Server;
use crate::clock::Stopwatch;
use crate::error::StoreError;

/// Bytes of bodies from which on a call is a large one.
pub(super) const LARGE: usize = 64 * 1024;

/// After a failed attempt to connect, the next callers get its error for so long.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// How a call failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// There is no connection: it did not run.
    NotSent(StoreError),
    /// It may have run.
    Lost(StoreError),
    /// The server answered with an error.
    Refused(StoreError),
    /// The server does not know the script: it did not run.
    NoScript,
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotSent(error) | CallError::Lost(error) | CallError::Refused(error) => error,
            CallError::NoScript => Self::Refused("the server forgets scripts at once".to_owned()),
        }
    }
}

/// A connection that calls share.
#[derive(Debug)]
pub(super) struct Link {
    server: Arc<Server>,
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    live: Option<Live>,
    /// When the last attempt failed, and how: callers that waited for it need not try again one by one.
    failed: Option<(Stopwatch, StoreError)>,
}

#[derive(Clone, Debug)]
struct Live {
    line: Line,
    is_broken: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self { server, slot: Mutex::default() }
    }

    pub(super) fn address(&self) -> &str {
        self.server.address()
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, CallError> {
        self.call_with(command, 0).await
    }

    /// The same with a command whose bodies take so many bytes.
    pub(super) async fn call_with(&self, command: &Cmd, bytes: usize) -> Result<Value, CallError> {
        let Live { mut line, is_broken } = self.live().await.map_err(CallError::NotSent)?;
        let answer = if bytes == 0 { line.call(command).await } else { line.call_with(command, bytes).await };
        let Some(answer) = answer else {
            is_broken.store(true, Ordering::Relaxed);
            return Err(CallError::Lost(silence()));
        };
        let error = match answer.and_then(Value::extract_error) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoScript)) {
            return Err(CallError::NoScript);
        }
        let is_lost = error.code().is_none();
        let refusal = refusal(&error);
        // A replica that was the master until now stays one; its address may lead to the new master.
        if is_lost || matches!(&refusal, StoreError::Unreachable(cause) if cause.starts_with(READONLY)) {
            is_broken.store(true, Ordering::Relaxed);
        }
        Err(if is_lost { CallError::Lost(refusal) } else { CallError::Refused(refusal) })
    }

    /// The connection; a new one where there is none that works.
    async fn live(&self) -> Result<Live, StoreError> {
        let mut slot = self.slot.lock().await;
        if let Some(live) = &slot.live
            && !live.is_broken.load(Ordering::Relaxed)
        {
            return Ok(live.clone());
        }
        if let Some((since, error)) = &slot.failed
            && since.elapsed() < RECONNECT_PAUSE
        {
            return Err(error.clone());
        }
        let is_broken = Arc::<AtomicBool>::default();
        let told = Arc::clone(&is_broken);
        let connected = self.server.connect(move |push| {
            if push.kind == PushKind::Disconnection {
                told.store(true, Ordering::Relaxed);
            }
        });
        match connected.await {
            Ok(line) => {
                let made = Live { line, is_broken };
                *slot = Slot { live: Some(made.clone()), failed: None };
                Ok(made)
            }
            Err(error) => {
                *slot = Slot { live: None, failed: Some((Stopwatch::start(), error.clone())) };
                Err(error)
            }
        }
    }
}
