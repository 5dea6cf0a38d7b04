//! One connection, and calls on it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::task::AbortHandle;

use super::traffic::{Traffic, drive};
use crate::error::StoreError;

/// How long nothing may move under a call, and how long it may take to connect.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// One connection; closed when its last clone is gone.
#[derive(Clone, Debug)]
pub(super) struct Line {
    connection: MultiplexedConnection,
    traffic: Traffic,
    _driver: Arc<Driver>,
}

/// The task that reads and writes.
#[derive(Debug)]
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Line {
    /// A connection that its driver drives as long as there is a clone of it.
    pub(super) fn new(
        connection: MultiplexedConnection,
        driver: impl Future<Output = ()> + Send + 'static,
        traffic: Traffic,
    ) -> Self {
        let driver = Arc::new(Driver(tokio::spawn(drive(driver, traffic.clone())).abort_handle()));
        Self { connection, traffic, _driver: driver }
    }

    /// Sends a command and waits for its answer; `None` when nothing moved for too long.
    pub(super) async fn call(&mut self, command: &Cmd) -> Option<RedisResult<Value>> {
        self.traffic.wait_for(CALL_TIMEOUT, self.connection.send_packed_command(command)).await
    }

    /// The same with a command that takes so many bytes.
    pub(super) async fn call_with(&mut self, command: &Cmd, bytes: usize) -> Option<RedisResult<Value>> {
        self.traffic.wait_for_bytes(CALL_TIMEOUT, bytes, self.connection.send_packed_command(command)).await
    }

    /// The same with commands that go together, and `count` answers.
    pub(super) async fn call_all(&mut self, commands: &Pipeline, count: usize) -> Option<RedisResult<Vec<Value>>> {
        self.traffic.wait_for(CALL_TIMEOUT, self.connection.send_packed_commands(commands, 0, count)).await
    }

    /// Asks for what others publish in a channel; `None` when nothing moved for too long.
    pub(super) async fn subscribe(&mut self, channel: &str) -> Option<RedisResult<()>> {
        self.traffic.wait_for(CALL_TIMEOUT, self.connection.subscribe(channel)).await
    }
}

/// What a call failed with when nothing moved for too long.
pub(super) fn silence() -> StoreError {
    StoreError::Unreachable(format!("no answer within {CALL_TIMEOUT:?}"))
}
